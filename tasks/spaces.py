"""From a simulator's spaces to flat numbers: observations become zero-padded vectors, actions become 0 .. n-1."""

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Protocol, TypeAlias

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from tasks.registry import make_simulator
from tasks.task import Task

# Every finite float32, so that the space says what is promised: any number, but never NaN and never infinity.
LARGEST = float(np.finfo(np.float32).max)

Row: TypeAlias = NDArray[np.float32]


class Flattener(Protocol):
    """Writes observations of one space as numbers."""

    width: int

    def write(self, observation: Any, row: Row, offset: int) -> None:
        """Write into ``row[offset : offset + width]``, which holds zeros.

        Raises:
            ValueError: the observation is not of the space, or holds a NaN or an infinity.
            TypeError: it is something else altogether.
        """


class OneHot:
    """Discrete: a one at the value's place."""

    def __init__(self, space: "spaces.Discrete[Any]") -> None:
        self.width, self.start = int(space.n), int(space.start)

    def write(self, observation: Any, row: Row, offset: int) -> None:
        """See `Flattener`."""
        place = int(observation) - self.start
        if not 0 <= place < self.width or place + self.start != observation:
            raise ValueError(
                f"expected an integer from {self.start} to {self.start + self.width - 1}, got {observation!r}"
            )
        row[offset + place] = 1.0


class OneHots:
    """MultiDiscrete: the one-hots of all its entries, one after the other."""

    def __init__(self, space: spaces.MultiDiscrete) -> None:
        self.shape, self.sizes = space.nvec.shape, space.nvec.ravel().tolist()
        self.starts = space.start.ravel().tolist()
        self.width = sum(self.sizes)
        first = np.cumsum([0, *self.sizes[:-1]]).tolist()
        self.entries = list(zip(first, self.starts, self.sizes, strict=True))

    def write(self, observation: Any, row: Row, offset: int) -> None:
        """See `Flattener`."""
        array = np.asarray(observation)
        if array.shape != self.shape:
            raise ValueError(f"expected integers of shape {self.shape}, got shape {array.shape}")
        for value, (first, start, size) in zip(array.ravel().tolist(), self.entries, strict=True):
            place = int(value) - start
            if not 0 <= place < size or place + start != value:
                raise ValueError(
                    f"expected an integer from {start} to {start + size - 1}, got {value!r} in {observation!r}"
                )
            row[offset + first + place] = 1.0


class Numbers:
    """Box and MultiBinary: the numbers as they are.

    Bounds are not checked: many simulators overstep theirs a little, and nothing here relies on them.
    """

    def __init__(self, space: "spaces.Box | spaces.MultiBinary") -> None:
        self.shape = space.shape
        self.width = prod(self.shape)

    def write(self, observation: Any, row: Row, offset: int) -> None:
        """See `Flattener`."""
        array = np.asarray(observation)
        if array.shape != self.shape:
            raise ValueError(f"expected numbers of shape {self.shape}, got shape {array.shape}")
        flat = array.ravel()
        if self.width > 32:
            finite = bool(np.abs(flat).max() <= LARGEST)
        else:
            finite = all(-LARGEST <= value <= LARGEST for value in flat.tolist())
        if not finite:  # also when comparing with a NaN
            raise ValueError(f"expected finite float32 numbers, got {observation!r}")
        row[offset : offset + self.width] = flat


class Sequenced:
    """Tuple and Dict (by sorted key): the parts, one after the other."""

    def __init__(self, keys: list[Any], parts: list[Flattener]) -> None:
        self.width = sum(part.width for part in parts)
        first = np.cumsum([0, *(part.width for part in parts[:-1])]).tolist()
        self.parts = list(zip(keys, parts, first, strict=True))

    def write(self, observation: Any, row: Row, offset: int) -> None:
        """See `Flattener`."""
        if len(observation) != len(self.parts):
            raise ValueError(f"expected {len(self.parts)} parts, got {len(observation)} in {observation!r}")
        for key, part, first in self.parts:
            part.write(observation[key], row, offset + first)


@dataclass(frozen=True)
class Interface:
    """What the suite needs to know of one simulator."""

    flatten: Flattener
    """Writes the observation."""
    actions: tuple[Any, ...]
    """The simulator's own action behind each number."""


def interface_of(task: Task) -> Interface:
    """Read the spaces of a task's simulator.

    Raises:
        ValueError: a space that cannot be flattened, naming the task.
    """
    simulator = make_simulator(task)
    try:
        return Interface(flattener(simulator.observation_space), numbered_actions(simulator.action_space))
    except ValueError as error:
        raise ValueError(f"task {task.name!r}: {error}") from error
    finally:
        simulator.close()


def flattener(space: "spaces.Space[Any]") -> Flattener:
    """The writer for a space: Discrete, MultiDiscrete, MultiBinary, Box, and Tuple or Dict of these."""
    match space:
        case spaces.Discrete():
            return OneHot(space)
        case spaces.MultiDiscrete():
            return OneHots(space)
        case spaces.Box() | spaces.MultiBinary():
            return Numbers(space)
        case spaces.Tuple():
            return Sequenced(list(range(len(space.spaces))), [flattener(part) for part in space.spaces])
        case spaces.Dict():
            keys = sorted(space.spaces)
            return Sequenced(keys, [flattener(space.spaces[key]) for key in keys])
    raise ValueError(
        f"expected observations that can be flattened (Discrete, MultiDiscrete, Box, Tuple, Dict), got {space}"
    )


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
    raise ValueError(
        f"expected discrete actions (Discrete or MultiDiscrete), got {space}: continuous actions are not supported"
    )


def trial_space(*, width: int, num_actions: int) -> spaces.Dict:
    """What an agent sees at every step of a trial.

    Args:
        width: of the padded observation, the flag included.
        num_actions: of the padded action set; this number as `previous_action` means that there was none yet.
    """
    return spaces.Dict(
        {
            "vector": spaces.Box(-LARGEST, LARGEST, (width,), np.float32),
            "previous_action": spaces.Discrete(num_actions + 1),
            "previous_reward": spaces.Box(-LARGEST, LARGEST, (), np.float32),
            "attempt_start": spaces.Discrete(2, dtype=np.int8),
            "time": spaces.Box(0, np.iinfo(np.int32).max, (), np.int32),
        }
    )
