"""A suite: several tasks behind one observation space and one action space."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.registry import nearest
from tasks.task import ARRAYS, VECTOR, Task

if TYPE_CHECKING:
    from gymnasium import spaces

    from tasks.actions import Decoding
    from tasks.env import TrialEnv
    from tasks.spaces import Interface
    from tasks.vector import SuiteVectorEnv


Sampling = Literal["uniform", "weighted", "steps", "progress"]
SAMPLINGS: tuple[Sampling, ...] = ("uniform", "weighted", "steps", "progress")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tasks that one agent learns together.

    Observations of every task are brought into one form and padded with zeros to the largest task's (see
    `tasks.spaces`); actions are padded to the largest action set. The spaces are read from the simulators when they are
    first asked for.
    """

    name: str
    """Name on the command line and in reports."""
    tasks: tuple[Task, ...]
    """The tasks; a task's id number (``task_id``) is its place here."""
    invalid_actions: Literal["random", "mask"] = "random"
    """What becomes of an action that the task does not have: replaced by a random one that it has, or refused.

    With "random" the last entry of the observation says that it happened; with "mask" see `action_mask`.
    """
    held_out: tuple[Task, ...] = ()
    """Tasks that are evaluated and never trained on; spaces are padded to theirs too."""
    sampling: Sampling = "uniform"
    """How a trial's task is drawn: all alike; by the tasks' weights; so that all tasks get equally many steps; or more
    of those whose return is changing. The last two multiply the weights."""
    description: str = ""
    """One sentence for the list of suites."""
    like: "Suite | None" = None
    """A suite whose spaces this one has, so that the other's agent can play it; None: its own."""

    def __post_init__(self) -> None:
        """Refuse an empty suite, names that are taken twice and unknown settings."""
        if not self.tasks:
            raise ValueError(f"suite {self.name!r} has no tasks")
        names = [task.name for task in self.all_tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if self.sampling not in SAMPLINGS:
            raise ValueError(
                f"suite {self.name!r}: sampling must be one of {', '.join(SAMPLINGS)}, got {self.sampling!r}"
            )
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

    @property
    def all_tasks(self) -> tuple[Task, ...]:
        """The tasks, and those held out."""
        return self.tasks + self.held_out

    @cached_property
    def interfaces(self) -> "tuple[Interface, ...]":
        """What each task's observations and actions are, those of the tasks held out at the end."""
        from tasks.spaces import interface_of

        if self.like is not None:
            known = {task.simulator_key: it for task, it in zip(self.like.all_tasks, self.like.interfaces, strict=True)}
            return tuple(known.get(task.simulator_key) or interface_of(task) for task in self.all_tasks)
        found: dict[Any, Interface] = {}
        for task in self.all_tasks:
            if task.simulator_key not in found:
                found[task.simulator_key] = interface_of(task)
        interfaces = tuple(found[task.simulator_key] for task in self.all_tasks)
        continuous = [t.name for t, i in zip(self.all_tasks, interfaces, strict=True) if i.continuous is not None]
        if 0 < len(continuous) < len(interfaces):
            others = [task.name for task in self.all_tasks if task.name not in continuous]
            raise ValueError(
                f"suite {self.name!r}: actions must be continuous in all tasks or in none; they are in "
                f"{_some(continuous)}, and discrete in {_some(others)}"
            )
        return interfaces

    @cached_property
    def continuous(self) -> bool:
        """Whether actions are continuous."""
        return self.interfaces[0].continuous is not None

    @cached_property
    def num_actions(self) -> int:
        """Size of the largest action set, which all others are padded to; the most numbers in a continuous action."""
        own = max(interface.num_actions for interface in self.interfaces)
        return own if self.like is None else max(own, self.like.num_actions)

    @cached_property
    def observation_widths(self) -> tuple[int, ...]:
        """Width of each task's own vector, without padding and without the flag."""
        return tuple(interface.width for interface in self.interfaces[: self.num_tasks])

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The parts of an observation that some task has, sorted: of "grid", "image", "tokens" and "vector"."""
        return tuple(sorted(set(self.observation_space.spaces) & {*ARRAYS, VECTOR}))

    @cached_property
    def action_mask(self) -> NDArray[np.bool_]:
        """``[task, action]``: which actions each task really has (numbers of a continuous one)."""
        mask: NDArray[np.bool_] = np.arange(self.num_actions)[None, :] < self.action_counts[:, None]
        mask.flags.writeable = False
        return mask

    @cached_property
    def action_counts(self) -> NDArray[np.int64]:
        """``[task]``: how many actions each task really has (numbers of a continuous one)."""
        return np.array([interface.num_actions for interface in self.interfaces[: self.num_tasks]])

    @property
    def masks_actions(self) -> bool:
        """Whether a task's agent may take the actions of `action_mask` alone (numbers that it has not are 0)."""
        return self.invalid_actions == "mask" or self.continuous

    @cached_property
    def flagged(self) -> bool:
        """Whether the last entry of the vector says that an invalid action was replaced."""
        if self.like is not None:
            return self.like.flagged
        if self.masks_actions:
            return False
        vectors = all(interface.keys == (VECTOR,) for interface in self.interfaces)  # they have room for it
        return vectors or any(interface.num_actions < self.num_actions for interface in self.interfaces)

    @cached_property
    def decoding(self) -> "Decoding":
        """What brings continuous actions within the bounds of the tasks' simulators."""
        from tasks.actions import Decoding

        return Decoding(self.interfaces[: self.num_tasks], self.num_actions)

    @cached_property
    def observation_space(self) -> "spaces.Dict":
        """What the agent sees at one step of one trial."""
        from tasks.spaces import padded_arrays, trial_space

        if self.like is not None:
            return self.like.observation_space
        width = max(interface.width for interface in self.interfaces) + self.flagged
        arrays = padded_arrays(self.interfaces)
        keys = {*arrays, *([VECTOR] if width else [])}
        uneven = any(self._keys_of(interface) != keys for interface in self.interfaces)
        return trial_space(
            width=width,
            num_actions=self.num_actions,
            continuous=self.continuous,
            arrays=arrays,
            present=len(keys) if uneven else 0,
        )

    def _keys_of(self, interface: "Interface") -> set[str]:
        return {*interface.keys, *([VECTOR] if self.flagged else [])}

    @cached_property
    def present(self) -> NDArray[np.int8]:
        """``[task, key]``: which parts of an observation each task has, in the order of `keys`."""
        found = np.array(
            [[key in self._keys_of(interface) for key in self.keys] for interface in self.interfaces[: self.num_tasks]],
            np.int8,
        )
        found.flags.writeable = False
        return found

    @cached_property
    def action_space(self) -> "spaces.Space[Any]":
        """The padded action set, or the largest box of numbers in [-1, 1]."""
        from gymnasium import spaces

        if self.continuous:
            return spaces.Box(-1.0, 1.0, (self.num_actions,), np.float32)
        return spaces.Discrete(self.num_actions)

    @property
    def slow(self) -> bool:
        """Whether some task's simulators are worth processes of their own."""
        from tasks.registry import source_of

        return any(task.make is None and source_of(task).slow for task in self.all_tasks)

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
        self,
        num_slots: int,
        *,
        seed: int | None = None,
        task_of_slot: Sequence[int] | None = None,
        workers: int = 0,
        max_faults: int | None = None,
        patience: float = 60.0,
    ) -> "SuiteVectorEnv":
        """Trials side by side as a `gymnasium.vector.VectorEnv`.

        Args:
            num_slots: trials side by side, at least 1.
            seed: with the same one, a slot yields the same bits whatever the number of slots and workers; None: drawn.
            task_of_slot: the task that each slot always plays; None: drawn for every trial, as `sampling` says.
            workers: processes that the simulators run in, slots shared among them; 0: in this one.
            max_faults: times in a row that a task's simulator may fail; each time its trial is dropped and the
                simulator built anew. None: the first failure raises.
            patience: seconds after which a worker that does not answer is taken for hung, and replaced.
        """
        from tasks.vector import SuiteVectorEnv

        return SuiteVectorEnv(
            self,
            num_slots,
            seed=seed,
            task_of_slot=task_of_slot,
            workers=workers,
            max_faults=max_faults,
            patience=patience,
        )

    def protocol(self) -> dict[str, Any]:
        """What decides how a trial goes on from its seed; two suites with the same play the same. Fit for JSON."""
        return {
            "tasks": [
                [
                    *(t.id, t.warmup_attempts, t.attempts, t.instance, t.max_steps, t.at_max_steps, t.reward_scale),
                    *(list(t.seeds or ()), list(t.test_seeds or ()), t.weight),
                    sorted([key, str(value)] for key, value in t.options.items()),
                ]
                for t in self.tasks
            ],
            "sampling": self.sampling,
            "invalid_actions": self.invalid_actions,
        }

    def testing(self) -> "Suite":
        """The same tasks with the seeds that training never draws."""
        return dataclasses.replace(self, tasks=tuple(map(_testing, self.tasks)), held_out=(), like=self)

    def holdout(self) -> "Suite | None":
        """The tasks held out, with seeds that training never draws, for an agent of this suite; None: there are
        none."""
        if not self.held_out:
            return None
        tasks = tuple(map(_testing, self.held_out))
        return dataclasses.replace(self, name=f"{self.name} held out", tasks=tasks, held_out=(), like=self)

    def for_agent_of(self, trained: "Suite") -> "Suite":
        """This suite in the spaces of another one, so that the other's agent can play it.

        Raises:
            ValueError: observations or actions are larger than the agent's, or of another kind.
        """
        if self is trained:
            return self
        wrong = []
        if self.continuous != trained.continuous:
            kinds = {True: "continuous", False: "discrete"}
            wrong.append(f"its actions are {kinds[self.continuous]}, the agent's {kinds[trained.continuous]}")
        elif self.num_actions > trained.num_actions:
            wrong.append(f"it has {self.num_actions} actions, the agent {trained.num_actions}")
        theirs = trained.observation_space.spaces
        for key, space in self.observation_space.spaces.items():
            if key not in theirs and key != "present":
                wrong.append(f"it shows {key!r}, which the agent has never seen")
            elif key in (*ARRAYS, VECTOR):
                own, known = space.shape or (), theirs[key].shape or ()
                flags = (self.flagged, trained.flagged) if key == VECTOR else (False, False)
                if any(n - flags[0] > m - flags[1] for n, m in zip(own, known, strict=True)):
                    wrong.append(f"its {key} has shape {own}, the agent's {known}")
        if wrong:
            raise ValueError(f"an agent of the suite {trained.name!r} cannot play {self.name!r}: {'; '.join(wrong)}")
        return dataclasses.replace(self, invalid_actions=trained.invalid_actions, like=trained)

    def with_reward_scales(self, scales: Mapping[str, float]) -> "Suite":
        """The same suite, with other factors between raw and trained reward for the tasks named."""
        return self.with_values("reward_scale", scales)

    def with_values(self, field: Literal["reward_scale", "weight"], values: Mapping[str, float]) -> "Suite":
        """The same suite, with another number in one field of the tasks named.

        Raises:
            ValueError: the suite has no such task, or a number cannot be.
        """
        for name in values:
            self.task_id(name)
        changed = (
            dataclasses.replace(task, **{field: values[task.name]}) if task.name in values else task  # type: ignore[arg-type]
            for task in self.tasks
        )
        return dataclasses.replace(self, tasks=tuple(changed))

    def subset(self, names: Iterable[str]) -> "Suite":
        """A suite of these tasks alone, in this order; spaces are padded to these tasks' own widest."""
        tasks = tuple(self.tasks[self.task_id(name)] for name in names)
        return dataclasses.replace(self, tasks=tasks, held_out=())


def _testing(task: Task) -> Task:
    return dataclasses.replace(task, seeds=task.test_seeds or task.seeds, test_seeds=None)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
