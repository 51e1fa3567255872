"""Observations as numbers: writers that bring what a simulator shows into one row, checked on the way."""

import contextlib
from collections.abc import Callable
from itertools import accumulate
from math import prod
from typing import Any, Protocol, TypeAlias

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

# Every finite float32, so that the space says what is promised: any number, but never NaN and never infinity.
LARGEST = float(np.finfo(np.float32).max)

Row: TypeAlias = NDArray[np.float32]
_FEW = 12  # numbers, up to which Python handles them faster one by one than NumPy all together
_REMEMBERED = 2**20  # bytes that all observations of a space may take to be kept as they are written

Write: TypeAlias = Callable[[Any], None]
"""Writes one observation to where it was made for, over the last one.

Raises:
    ValueError: the observation is not of the space, or holds a NaN or an infinity.
    TypeError: it is something else altogether.
"""


class Flattener(Protocol):
    """Writes observations of one space as numbers."""

    width: int

    def writer(self, row: Row) -> Write:
        """What writes into this row of ``width`` numbers, which holds zeros now and is written by nothing else, but for
        being filled with zeros again at times."""


def _settable(row: Row) -> Any:
    """The row as what sets one number twice as fast as an array does."""
    return memoryview(row)  # type: ignore[arg-type]


class OneHot:
    """Discrete: a one at the value's place."""

    def __init__(self, space: "spaces.Discrete[Any]") -> None:
        self.width, self.start = int(space.n), int(space.start)

    def writer(self, row: Row) -> Write:
        """See `Flattener`."""
        width, start, numbers, last = self.width, self.start, _settable(row), 0

        def write(observation: Any) -> None:
            nonlocal last
            place = int(observation) - start
            if not 0 <= place < width or place + start != observation:
                raise ValueError(f"expected an integer from {start} to {start + width - 1}, got {observation!r}")
            numbers[last] = 0.0
            numbers[place] = 1.0
            last = place

        return write


class OneHots:
    """MultiDiscrete: the one-hots of all its entries, one after the other."""

    def __init__(self, space: spaces.MultiDiscrete) -> None:
        self.space, self.width = space, int(space.nvec.sum())

    def writer(self, row: Row) -> Write:
        """See `Flattener`."""
        shape, low = self.space.nvec.shape, self.space.start.ravel().astype(np.int64)
        sizes = self.space.nvec.ravel().astype(np.int64)
        high, to_place = low + sizes - 1, np.cumsum(sizes) - sizes - low
        numbers, last = _settable(row), (np.cumsum(sizes) - sizes).tolist()
        entries = list(zip(to_place.tolist(), low.tolist(), high.tolist(), strict=True))

        def checked(observation: Any) -> NDArray[Any]:
            array = np.asarray(observation)
            if array.shape != shape:
                raise ValueError(f"expected integers of shape {shape}, got shape {array.shape}")
            return array.ravel()

        def refuse(values: NDArray[Any], observation: Any) -> None:
            i = int(np.flatnonzero(~((low <= values) & (values <= high) & (values % 1 == 0)))[0])
            raise ValueError(f"expected an integer from {low[i]} to {high[i]}, got {values[i]} in {observation!r}")

        def write_few(observation: Any) -> None:
            values = checked(observation)
            for i, (value, (shift, least, most)) in enumerate(zip(values.tolist(), entries, strict=True)):
                if not (least <= value <= most and value % 1 == 0):  # also when comparing with a NaN
                    refuse(values, observation)
                numbers[last[i]] = 0.0
                last[i] = place = shift + int(value)
                numbers[place] = 1.0

        def write_many(observation: Any) -> None:
            values = checked(observation)
            if not ((low <= values) & (values <= high) & (values % 1 == 0)).all():
                refuse(values, observation)
            row.fill(0.0)
            row[values.astype(np.int64) + to_place] = 1.0

        return write_few if sizes.size <= _FEW else write_many


class Numbers:
    """Box and MultiBinary: the numbers as they are.

    Bounds are not checked: many simulators overstep theirs a little, and nothing here relies on them.
    """

    def __init__(self, space: "spaces.Box | spaces.MultiBinary") -> None:
        self.shape = space.shape
        self.width = prod(self.shape)

    def writer(self, row: Row) -> Write:
        """See `Flattener`."""
        shape, many, nested, target = self.shape, self.width > 32, len(self.shape) != 1, row.reshape(self.shape)
        least, most, asarray = -LARGEST, LARGEST, np.asarray

        def write(observation: Any) -> None:
            array = asarray(observation)
            if array.shape != shape:
                raise ValueError(f"expected numbers of shape {shape}, got shape {array.shape}")
            if many:
                finite = bool(np.abs(array).max() <= most)
            else:
                finite = True
                for value in (array.ravel() if nested else array).tolist():
                    if not least <= value <= most:  # also when comparing with a NaN
                        finite = False
            if not finite:
                raise ValueError(f"expected finite float32 numbers, got {observation!r}")
            target[...] = array

        return write


class Sequenced:
    """Tuple and Dict (by sorted key): the parts, one after the other."""

    def __init__(self, keys: list[Any], parts: list[Flattener]) -> None:
        *first, self.width = accumulate((part.width for part in parts), initial=0)
        self.parts = list(zip(keys, parts, first, strict=True))

    def writer(self, row: Row) -> Write:
        """See `Flattener`."""
        writers = [(key, part.writer(row[first : first + part.width])) for key, part, first in self.parts]

        def write(observation: Any) -> None:
            if len(observation) != len(writers):
                raise ValueError(f"expected {len(writers)} parts, got {len(observation)} in {observation!r}")
            for key, write_part in writers:
                write_part(observation[key])

        return write


class Remembered:
    """A space of few observations: what was written for each when it was first seen, and is copied from then on."""

    def __init__(self, part: Flattener) -> None:
        self.part, self.width = part, part.width
        self.known: dict[Any, bytes] = {}

    def writer(self, row: Row) -> Write:
        """See `Flattener`."""
        known, first_seen = self.known, np.zeros(self.width, np.float32)
        write_part, numbers = self.part.writer(first_seen), memoryview(row).cast("B")  # type: ignore[arg-type]

        def write(observation: Any) -> None:
            try:
                numbers[:] = known[observation]
                return
            except (KeyError, TypeError):  # not seen before, or no key, as a list or an array
                pass
            write_part(observation)
            numbers[:] = written = first_seen.tobytes()
            with contextlib.suppress(TypeError):
                known[observation] = written

        return write


def flattener(space: "spaces.Space[Any]") -> Flattener:
    """The writer for a space: Discrete, MultiDiscrete, MultiBinary, Box, and Tuple or Dict of these."""
    part = _flattener(space)
    return Remembered(part) if 0 < 4 * part.width * _count(space) <= _REMEMBERED else part


def _count(space: "spaces.Space[Any]") -> float:
    """How many observations a Discrete or a tuple of them has; infinity for the others, which cannot be keys."""
    match space:
        case spaces.Discrete():
            return int(space.n)
        case spaces.Tuple():
            return prod(_count(part) for part in space.spaces)
    return float("inf")


def _flattener(space: "spaces.Space[Any]") -> Flattener:
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
