"""From a simulator's spaces to the suite's.

Images, grids and words keep their form and all else becomes one vector, each padded with zeros; discrete actions become
0 .. n-1, continuous ones numbers in [-1, 1].
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from tasks.flatten import LARGEST, Flattener, Row, Write, flattener
from tasks.registry import make_simulator, told
from tasks.task import ARRAYS, VECTOR, Task

_IMAGE_SIDE = 16


class Kept:
    """An array of whole numbers that keeps its form: an image, a grid of codes, or words."""

    def __init__(self, name: str, space: "spaces.Space[Any]") -> None:
        ranks = {"image": 3, "grid": 3, "tokens": 1}
        rank = ranks[name]
        if not isinstance(space, spaces.Box) or space.dtype is None or space.dtype.kind not in "ui":
            raise ValueError(f"expected {name!r} to be a Box of whole numbers, got {space}")
        if len(space.shape) != rank or int(space.low.min()) < 0:
            raise ValueError(f"expected {name!r} to have {rank} axes and no numbers below 0, got {space}")
        self.shape, self.high = space.shape, int(space.high.max())
        self.dtype = np.dtype(np.uint8 if self.high <= np.iinfo(np.uint8).max else np.int32)
        # Any byte is within an image's bounds; a code or a word beyond them would be looked up in a table.
        self.bounded = self.high != np.iinfo(np.uint8).max

    def writer(self, target: NDArray[Any]) -> Write:
        """What writes into ``target``, which has this shape and is written by nothing else but zeros."""
        shape, high, bounded = self.shape, self.high, self.bounded

        def write(observation: Any) -> None:
            array = np.asarray(observation)
            if array.shape != shape or array.dtype.kind not in "ui":
                raise ValueError(f"expected whole numbers of shape {shape}, got {array.dtype} of shape {array.shape}")
            if bounded and (array.max() > high or array.min() < 0):
                raise ValueError(f"expected numbers from 0 to {high}, got {array.min()} to {array.max()}")
            target[...] = array

        return write


@dataclass(frozen=True)
class Continuous:
    """Box actions: the suite's numbers in [-1, 1] span the simulator's own bounds."""

    space: spaces.Box

    @cached_property
    def size(self) -> int:
        """Numbers in an action."""
        return prod(self.space.shape)

    @cached_property
    def spans(self) -> NDArray[np.float64]:
        """``[2, number]``: the middle and half the length of each number's range."""
        low, high = (end.ravel().astype(np.float64) for end in (self.space.low, self.space.high))
        return np.stack([0.5 * (low + high), 0.5 * (high - low)])

    def is_row(self, numbers: int, dtype: Any) -> bool:
        """Whether an action is a row of so many numbers of this type."""
        return self.space.shape == (numbers,) and self.space.dtype == dtype

    def shaped(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The simulator's action in the first numbers of a padded one, which are within its bounds."""
        action: NDArray[Any] = numbers[: self.size].astype(self.space.dtype).reshape(self.space.shape)
        return action


class Interface:
    """What the suite needs to know of one simulator.

    Args:
        observation: the simulator's observation space.
        action: its action space.
        most_steps: of an attempt; None: the simulator does not tell.
    Raises:
        ValueError: a space that no suite can hold.
    """

    def __init__(
        self, observation: "spaces.Space[Any]", action: "spaces.Space[Any]", *, most_steps: int | None = None
    ) -> None:
        self.most_steps = most_steps
        kept = dict(_kept(observation))
        self.kept = {name: Kept(name, space) for name, space in kept.items()}
        self.bare = isinstance(observation, spaces.Box) and bool(kept)
        """Whether the whole observation is one array that keeps its form."""
        rest = _without(observation, kept)
        self.rest = sorted(rest.spaces) if kept and isinstance(rest, spaces.Dict) else None
        """Keys that become the vector, where others keep their form."""
        self.flatten: Flattener | None = None if rest is None else flattener(rest)
        self.continuous: Continuous | None = None
        self.actions: tuple[Any, ...] = ()
        """The simulator's own action behind each number, where actions are discrete."""
        if isinstance(action, spaces.Box):
            self.continuous = _bounded(action)
        else:
            self.actions = numbered_actions(action)

    @property
    def width(self) -> int:
        """Numbers in the vector."""
        return 0 if self.flatten is None else self.flatten.width

    @property
    def keys(self) -> tuple[str, ...]:
        """The parts that the observation has, sorted."""
        return tuple(sorted([*self.kept, *([VECTOR] if self.width else [])]))

    def writer(self, row: Row | None, arrays: Mapping[str, NDArray[Any]]) -> Write:
        """What writes whole observations.

        Args:
            row: the vector, padded, holding zeros; it may be filled with zeros between observations.
            arrays: the parts that keep their form, padded, likewise.
        """
        kept = {
            name: part.writer(arrays[name][tuple(slice(n) for n in part.shape)]) for name, part in self.kept.items()
        }
        if self.bare:
            return next(iter(kept.values()))
        flat = None if self.flatten is None else self.flatten.writer(row[: self.width])  # type: ignore[index]
        if flat is not None and not kept:
            return flat
        parts, rest = list(kept.items()), self.rest

        def write(observation: Any) -> None:
            if flat is not None:
                flat({key: observation[key] for key in rest})  # type: ignore[union-attr]
            for key, write_part in parts:
                write_part(observation[key])

        return write

    @property
    def num_actions(self) -> int:
        """Discrete actions, or numbers in a continuous one."""
        return len(self.actions) if self.continuous is None else self.continuous.size


def interface_of(task: Task) -> Interface:
    """Read the spaces of a task's simulator, and how long it says an attempt can be.

    Raises:
        ValueError: a space that no suite can hold, naming the task.
    """
    simulator = make_simulator(task)
    try:
        spaces_ = simulator.observation_space, simulator.action_space
        return Interface(*spaces_, most_steps=told(simulator, "most_steps"))
    except ValueError as error:
        raise ValueError(f"task {task.name!r}: {error}") from error
    finally:
        simulator.close()


def _kept(space: "spaces.Space[Any]") -> Iterable[tuple[str, "spaces.Space[Any]"]]:
    if _is_image(space):
        yield "image", space
    elif isinstance(space, spaces.Dict):
        yield from ((name, space.spaces[name]) for name in ARRAYS if name in space.spaces)


def _without(space: "spaces.Space[Any]", kept: dict[str, Any]) -> "spaces.Space[Any] | None":
    if not kept:
        return space
    if not isinstance(space, spaces.Dict):
        return None
    rest = {name: part for name, part in space.spaces.items() if name not in kept}
    return spaces.Dict(rest) if rest else None


def _is_image(space: "spaces.Space[Any]") -> bool:
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and len(space.shape) == 3
        and min(space.shape[:2]) >= _IMAGE_SIDE
    )


def _bounded(space: spaces.Box) -> Continuous:
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise ValueError(f"expected continuous actions with finite bounds, got {space}")
    return Continuous(space)


def numbered_actions(space: "spaces.Space[Any]") -> tuple[Any, ...]:
    """The action behind each number; a MultiDiscrete is counted with its last entry fastest."""
    match space:
        case spaces.Discrete():
            return tuple(range(int(space.start), int(space.start) + int(space.n)))
        case spaces.MultiDiscrete():
            ranges = [
                range(start, start + n)
                for start, n in zip(space.start.ravel().tolist(), space.nvec.ravel().tolist(), strict=True)
            ]
            actions = tuple(np.array(entries, space.dtype).reshape(space.nvec.shape) for entries in product(*ranges))
            for action in actions:
                action.flags.writeable = False
            return actions
    raise ValueError(f"expected discrete actions (Discrete or MultiDiscrete) or continuous ones (Box), got {space}")


def padded_arrays(interfaces: Iterable[Interface]) -> "dict[str, spaces.Box]":
    """For every part that keeps its form and that some task has: the space that holds all of them."""
    interfaces = list(interfaces)
    found: dict[str, spaces.Box] = {}
    for name in ARRAYS:
        parts = [interface.kept[name] for interface in interfaces if name in interface.kept]
        if parts:
            shape = tuple(map(max, zip(*(part.shape for part in parts), strict=True)))
            dtype = max((part.dtype for part in parts), key=lambda dtype: dtype.itemsize)
            box: Any = spaces.Box
            found[name] = box(0, max(part.high for part in parts), shape, dtype.type)
    return found


def trial_space(
    *,
    width: int,
    num_actions: int,
    continuous: bool = False,
    arrays: "dict[str, spaces.Box] | None" = None,
    present: int = 0,
) -> spaces.Dict:
    """What an agent sees at every step of a trial.

    Args:
        width: of the padded vector, the flag included; 0: there is none.
        num_actions: of the padded action set; this number as `previous_action` means that there was none yet. For
            continuous actions their numbers; zeros then mean that there was none yet.
        arrays: images, grids and words.
        present: observation keys, if the tasks do not all have the same; 0: they do.
    """
    vector = {VECTOR: spaces.Box(-LARGEST, LARGEST, (width,), np.float32)} if width else {}
    previous: spaces.Space[Any] = (
        spaces.Box(-1.0, 1.0, (num_actions,), np.float32) if continuous else spaces.Discrete(num_actions + 1)
    )
    return spaces.Dict(
        {
            **vector,
            **(arrays or {}),
            **({"present": spaces.Box(0, 1, (present,), np.int8)} if present else {}),
            "previous_action": previous,
            "previous_reward": spaces.Box(-LARGEST, LARGEST, (), np.float32),
            "attempt_start": spaces.Discrete(2, dtype=np.int8),
            "time": spaces.Box(0, np.iinfo(np.int32).max, (), np.int32),
        }
    )
