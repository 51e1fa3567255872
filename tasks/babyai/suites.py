"""Suites of BabyAI levels: AMAGO-2's 68, and a few that two cores learn."""

from tasks.babyai.levels import SIXTY_EIGHT, held_out_levels
from tasks.babyai.source import Babyai
from tasks.suite import Suite
from tasks.task import Task

TRAINING_SEEDS, TEST_SEEDS = (0, 2**31), (2**31, 2**32)
"""Half-open ranges of the seeds that layouts are drawn from; they share none."""

QUICK = ("GoToRedBallGrey", "GoToObj", "GoToLocalS5N2", "PickupDist", "OneRoomS8", "OpenRedDoor")


def babyai_68(split_seed: int | None = None) -> Suite:
    """AMAGO-2's Multi-Task BabyAI: 50 levels are trained, 18 held out; two attempts at the same layout.

    Args:
        split_seed: None: the split in `tasks.babyai.levels`; an integer from 0: another one, drawn at random.
    Raises:
        ValueError: the split seed is no integer from 0.
    """
    held_out = held_out_levels(split_seed)
    return Suite(
        name="babyai-68" if split_seed is None else f"babyai-68-split-{split_seed}",
        tasks=tuple(two_attempts(name) for name in SIXTY_EIGHT if name not in held_out),
        held_out=tuple(two_attempts(name) for name in held_out),
        description="Multi-Task BabyAI of AMAGO-2: 50 levels and 18 held out; two attempts at the same layout.",
    )


def babyai_quick() -> Suite:
    """Six small levels of different kinds with short episodes; two attempts at the same layout."""
    return Suite(
        name="babyai-quick",
        tasks=tuple(two_attempts(name) for name in QUICK),
        description="Six small BabyAI levels with short episodes; two attempts at the same layout.",
    )


def two_attempts(name: str) -> Task:
    """A level under AMAGO-2's protocol: two attempts at the same layout, so that a trial returns 0 to 2."""
    return Babyai.task(name, attempts=2, instance="same", seeds=TRAINING_SEEDS, test_seeds=TEST_SEEDS)
