"""POPGym: short memory tasks, and the Multi-Task POPGym protocol of AMAGO-2.

Source: Morad et al. 2023, "POPGym: Benchmarking Partially Observable Reinforcement Learning"; Grigsby et al. 2024,
"AMAGO-2: Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with Transformers", Multi-Task POPGym.
Departs: actions are padded to 27, not 26: CountRecallEasy and CountRecallMedium of popgym 1.0.7 have 27 actions.
The observation is padded to 26 and followed by the flag that an invalid action was replaced.
"""

import importlib.util
from typing import TYPE_CHECKING, Any

from tasks.registry import nearest
from tasks.suite import Suite
from tasks.task import Task

if TYPE_CHECKING:
    import gymnasium

LEVELS = ("Easy", "Medium", "Hard")
FAMILIES = (
    "Autoencode",
    "Battleship",
    "Concentration",
    "CountRecall",
    "HigherLower",
    "LabyrinthEscape",
    "LabyrinthExplore",
    "MineSweeper",
    "MultiarmedBandit",
    "NoisyPositionOnlyCartPole",
    "PositionOnlyCartPole",
    "RepeatFirst",
    "RepeatPrevious",
    "VelocityOnlyCartpole",
)
"""Families of tasks with discrete actions; Labyrinth needs the package mazelib."""
CONTINUOUS = ("NoisyPositionOnlyPendulum", "PositionOnlyPendulum")
NAMES = tuple(family + level for family in FAMILIES for level in LEVELS)
"""All tasks: popgym's ids without "popgym-" and "-v0"."""

_WHOLE_FAMILIES = (
    "Autoencode",
    "RepeatPrevious",
    "RepeatFirst",
    "CountRecall",
    "PositionOnlyCartPole",
    "VelocityOnlyCartpole",
    "NoisyPositionOnlyCartPole",
    "HigherLower",
)
TWENTY_SEVEN = (
    *(family + level for family in _WHOLE_FAMILIES for level in LEVELS),
    "MultiarmedBanditEasy",
    "MultiarmedBanditMedium",
    "MineSweeperEasy",
)
QUICK = ("RepeatFirstEasy", "RepeatPreviousEasy", "HigherLowerEasy", "MultiarmedBanditEasy", "PositionOnlyCartPoleEasy")


class Popgym:
    """The source ``popgym:NAME``."""

    slow = False
    extra = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """All tasks."""
        return NAMES

    @staticmethod
    def task(name: str, **protocol: Any) -> Task:
        """A task by its name, with the settings of `Task` that differ from one plain attempt.

        Raises:
            ValueError: there is no such task, or its actions are continuous.
        """
        if name.removesuffix("Easy").removesuffix("Medium").removesuffix("Hard") in CONTINUOUS:
            raise ValueError(
                f"popgym:{name} has continuous actions, which are not supported; all other popgym tasks are"
            )
        if name not in NAMES:
            raise ValueError(f"unknown popgym task {name!r}; {nearest(name, NAMES)}")
        return Task(name=name, id=f"popgym:{name}", **protocol)

    @classmethod
    def make(cls, name: str) -> "gymnasium.Env[Any, Any]":
        """A simulator, without Gymnasium's wrappers."""
        cls.task(name)
        if importlib.util.find_spec("popgym") is None:
            raise ImportError(f"popgym:{name} needs the package popgym: pip install 'popgym==1.0.7'")
        if name.startswith("Labyrinth") and importlib.util.find_spec("mazelib") is None:
            raise ImportError(
                f"popgym:{name} needs the package mazelib, which popgym does not install: pip install mazelib"
            )
        import gymnasium
        import popgym  # type: ignore[import-untyped]  # noqa: F401  # registers its ids
        from gymnasium.envs.registration import load_env_creator

        simulator: Any = load_env_creator(str(gymnasium.spec(f"popgym-{name}-v0").entry_point))()
        return simulator  # type: ignore[no-any-return]


def popgym_27() -> Suite:
    """AMAGO-2's protocol: one warm-up attempt whose rewards are seen but not paid, then a fresh variant that counts."""
    return Suite(
        name="popgym-27",
        tasks=tuple(Popgym.task(name, warmup_attempts=1) for name in TWENTY_SEVEN),
        description="Multi-Task POPGym of AMAGO-2: 27 memory tasks; one warm-up attempt, then a fresh variant counts.",
    )


def popgym_quick() -> Suite:
    """Five easy tasks of different character that two cores learn in minutes.

    Departs from AMAGO-2's protocol, for speed: there is no warm-up attempt, and invalid actions are masked (replacing
    them at random would hide most rewards of the tasks with few actions).
    """
    return Suite(
        name="popgym-quick",
        tasks=tuple(Popgym.task(name) for name in QUICK),
        invalid_actions="mask",
        description="Five easy POPGym tasks without warm-up, invalid actions masked: two cores learn them in minutes.",
    )
