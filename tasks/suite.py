"""A suite: several tasks behind one observation space and one action space."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.registry import nearest
from tasks.task import Task

if TYPE_CHECKING:
    from gymnasium import spaces

    from tasks.env import TrialEnv
    from tasks.spaces import Interface
    from tasks.vector import SuiteVectorEnv


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tasks that one agent learns together.

    Observations of every task are flattened and padded with zeros to the widest task's; actions are padded to the
    largest action set. The spaces are read from the simulators when they are first asked for.
    """

    name: str
    """Name on the command line and in reports."""
    tasks: tuple[Task, ...]
    """The tasks; a task's id number (``task_id``) is its place here."""
    invalid_actions: Literal["random", "mask"] = "random"
    """What becomes of an action that the task does not have: replaced by a random one that it has, or refused.

    With "random" the last entry of the observation says that it happened; with "mask" see `action_mask`.
    """
    description: str = ""
    """One sentence for the list of suites."""

    def __post_init__(self) -> None:
        """Refuse an empty suite, names that are taken twice and unknown settings."""
        if not self.tasks:
            raise ValueError(f"suite {self.name!r} has no tasks")
        twice = sorted({name for name in self.task_names if self.task_names.count(name) > 1})
        if twice:
            raise ValueError(f"suite {self.name!r}: task names must be unique, found twice: {', '.join(twice)}")
        if self.invalid_actions not in ("random", "mask"):
            raise ValueError(
                f"suite {self.name!r}: invalid_actions must be 'random' or 'mask', got {self.invalid_actions!r}"
            )

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names in the order of the task ids."""
        return tuple(task.name for task in self.tasks)

    @property
    def num_tasks(self) -> int:
        """How many tasks."""
        return len(self.tasks)

    @cached_property
    def interfaces(self) -> "tuple[Interface, ...]":
        """How each task's observations are flattened and its actions numbered."""
        from tasks.spaces import interface_of

        return tuple(interface_of(task) for task in self.tasks)

    @cached_property
    def num_actions(self) -> int:
        """Size of the largest action set, which all others are padded to."""
        return max(len(interface.actions) for interface in self.interfaces)

    @cached_property
    def observation_widths(self) -> tuple[int, ...]:
        """Width of each task's own flattened observation, without padding and without the flag."""
        return tuple(interface.flatten.width for interface in self.interfaces)

    @cached_property
    def action_mask(self) -> NDArray[np.bool_]:
        """``[task, action]``: which actions each task really has."""
        sizes = np.array([len(interface.actions) for interface in self.interfaces])
        mask: NDArray[np.bool_] = np.arange(self.num_actions)[None, :] < sizes[:, None]
        mask.flags.writeable = False
        return mask

    @cached_property
    def observation_space(self) -> "spaces.Dict":
        """What the agent sees at one step of one trial."""
        from tasks.spaces import trial_space

        flag = self.invalid_actions == "random"
        return trial_space(width=max(self.observation_widths) + flag, num_actions=self.num_actions)

    @cached_property
    def action_space(self) -> "spaces.Discrete[np.int64]":
        """The padded action set."""
        from gymnasium import spaces

        return spaces.Discrete(self.num_actions)

    def task_id(self, task: int | str) -> int:
        """The place of a task that is given by its name or its place.

        Raises:
            ValueError: the suite has no such task.
        """
        if isinstance(task, str):
            if task not in self.task_names:
                raise ValueError(f"suite {self.name!r} has no task {task!r}; {nearest(task, self.task_names)}")
            return self.task_names.index(task)
        if not 0 <= task < self.num_tasks:
            raise ValueError(f"suite {self.name!r} has {self.num_tasks} tasks, 0 to {self.num_tasks - 1}; got {task}")
        return int(task)

    def make_env(self, task: int | str, *, seed: int | None = None) -> "TrialEnv":
        """One task as a `gymnasium.Env` whose episodes are trials.

        With a seed it yields what slot 0 of `make_vector` yields when that slot always plays this task.
        """
        from tasks.env import TrialEnv

        return TrialEnv(self, self.task_id(task), seed=seed)

    def make_vector(
        self, num_slots: int, *, seed: int | None = None, task_of_slot: Sequence[int] | None = None
    ) -> "SuiteVectorEnv":
        """Trials side by side as a `gymnasium.vector.VectorEnv`.

        Args:
            num_slots: trials side by side, at least 1.
            seed: with the same one, a slot yields the same bits whatever the number of slots; None: drawn.
            task_of_slot: the task that each slot always plays; None: drawn uniformly for every trial.
        """
        from tasks.vector import SuiteVectorEnv

        return SuiteVectorEnv(self, num_slots, seed=seed, task_of_slot=task_of_slot)

    def with_reward_scales(self, scales: Mapping[str, float]) -> "Suite":
        """The same suite, with other factors between raw and trained reward for the tasks named."""
        for name in scales:
            self.task_id(name)
        tasks = tuple(
            dataclasses.replace(task, reward_scale=scales.get(task.name, task.reward_scale)) for task in self.tasks
        )
        return dataclasses.replace(self, tasks=tasks)

    def subset(self, names: Iterable[str]) -> "Suite":
        """A suite of these tasks alone, in this order; spaces are padded to these tasks' own widest."""
        return dataclasses.replace(self, tasks=tuple(self.tasks[self.task_id(name)] for name in names))
