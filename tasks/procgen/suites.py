"""Suites of Procgen's games.

Source: Grigsby et al. 2024, "AMAGO-2: Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with
Transformers", Multi-Game Procgen: five games in easy mode, 2,000 levels to learn from, others to be tested on; two
attempts at the same level, of which the second is marked; at most 2,500 steps in all.
Departs: the suites of 16 games and `procgen_quick` are not the paper's; they keep its protocol.
"""

from collections.abc import Iterable
from typing import Any

from tasks.procgen.games import GAMES, LEVELS, MEMORY_GAMES, full_name
from tasks.procgen.source import Procgen
from tasks.suite import Suite
from tasks.task import Task

FIVE = ("coinrun", "climber", "jumper", "leaper", "ninja")
QUICK = ("dodgeball", "starpilot")
TRAINING_LEVELS = 2000
QUICK_LEVELS = 500
PLAIN = {"use_backgrounds": False, "restrict_themes": True}


def procgen_5() -> Suite:
    """AMAGO-2's protocol on its five games."""
    return Suite(
        name="procgen-5",
        tasks=_trials(FIVE),
        description="Multi-Game Procgen of AMAGO-2: five games, the same level twice, tested on levels never seen.",
    )


def procgen_16() -> Suite:
    """All games in easy mode."""
    return Suite(
        name="procgen-16",
        tasks=_trials(GAMES),
        description="All 16 games of Procgen in easy mode, the same level twice, tested on levels never seen.",
    )


def procgen_16_hard() -> Suite:
    """All games in hard mode."""
    return Suite(
        name="procgen-16-hard",
        tasks=_trials(full_name(game, "hard") for game in GAMES),
        description="All 16 games of Procgen in hard mode, the same level twice, tested on levels never seen.",
    )


def procgen_16_memory() -> Suite:
    """All games: the six that have it in memory mode, the other ten in hard mode.

    Hard, because memory mode is hard mode or beyond in everything but what is seen.
    """
    return Suite(
        name="procgen-16-memory",
        tasks=_trials(full_name(game, "memory" if game in MEMORY_GAMES else "hard") for game in GAMES),
        description="Six games of Procgen in memory mode and the other ten in hard mode, the same level twice.",
    )


def procgen_quick() -> Suite:
    """Two games that pay often and in which some actions are soon seen to be better than others, drawn plainly: black
    behind one appearance of everything.

    Values can be told from such frames after tens of thousands of steps, from the usual ones only after many more. A
    trial ends after 500 steps.
    """
    tasks = _trials(QUICK, seeds=(0, QUICK_LEVELS), test_seeds=(QUICK_LEVELS, LEVELS[1]), max_steps=500, options=PLAIN)
    return Suite(
        name="procgen-quick",
        tasks=tasks,
        description="Two easy games of Procgen without backgrounds, 500 levels each, for two cores.",
    )


def _trials(names: Iterable[str], **protocol: Any) -> tuple[Task, ...]:
    protocol = {
        "attempts": 2,
        "instance": "same",
        "max_steps": 2500,
        "seeds": (0, TRAINING_LEVELS),
        "test_seeds": (TRAINING_LEVELS, LEVELS[1]),
        **protocol,
    }
    return tuple(Procgen.task(name, **protocol) for name in names)
