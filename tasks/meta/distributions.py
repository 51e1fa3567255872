"""What instances of a family are drawn from: small values that a suite file can say, and that have a name.

Each is made by its `of` from plain values (lists of numbers, or text) and gives them back as `label`, in which form
they stand in a task's id behind an ``@``: ``bandit:bernoulli-5x10@0.1..0.4+0.6..0.9``. Equal labels are equal
distributions, so reference scores, which are filed under ids, are never those of another distribution.
"""

import math
import random
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.registry import nearest

Point = tuple[float, float]
CELL_SETS = ("all", "train", "interpolation", "extrapolation")
"""Named sets of a room's cells, see `Cells`."""


class Distribution(Protocol):
    """What all of them have, beside ``draw(generator)``."""

    @property
    def label(self) -> str:
        """The distribution as text, from which ``of`` makes the same one."""


@dataclass(frozen=True)
class Spans:
    """Uniform over one range of numbers or several together, each as likely as it is long."""

    parts: tuple[tuple[float, float], ...]
    """(low, high) with low < high, ascending, without overlap."""

    @classmethod
    def of(cls, value: Any, *, low: float, high: float) -> "Spans":
        """From ``[0.1, 0.4]``, ``[[0.1, 0.4], [0.6, 0.9]]`` or ``"0.1..0.4+0.6..0.9"``.

        Args:
            low: least number that a range may hold.
            high: greatest one.
        Raises:
            ValueError: it is none of these, or ranges are empty, overlap or lie outside.
        """
        pairs: Any = [part.split("..") for part in value.split("+")] if isinstance(value, str) else value
        if isinstance(pairs, (list, tuple)) and len(pairs) == 2 and not any(map(_is_listed, pairs)):
            pairs = [pairs]
        try:
            parts = tuple(sorted((_number(first), _number(last)) for first, last in pairs))
        except (TypeError, ValueError):
            parts = ()
        if not parts:
            raise ValueError(f"expected a range [low, high] or a list of ranges, got {value!r}")
        ends = [end for part in parts for end in part]
        rising = all(first < last for first, last in parts) and ends == sorted(ends)
        if not (rising and low <= ends[0] and ends[-1] <= high):
            raise ValueError(
                f"expected ranges [low, high] within [{low:g}, {high:g}] that do not overlap, got {value!r}"
            )
        return cls(parts)

    @property
    def label(self) -> str:
        """See `Distribution`."""
        return "+".join(f"{_text(first)}..{_text(last)}" for first, last in self.parts)

    def draw(self, generator: random.Random) -> float:
        """A number."""
        place = generator.random() * sum(last - first for first, last in self.parts)
        for first, last in self.parts:
            if place < last - first:
                return first + place
            place -= last - first
        return self.parts[-1][1]


@dataclass(frozen=True)
class Normal:
    """Normal around 0."""

    scale: float
    """Standard deviation, above 0."""

    @classmethod
    def of(cls, value: Any) -> "Normal":
        """From a number, or one as text.

        Raises:
            ValueError: it is no finite number above 0.
        """
        try:
            scale = _number(value)
        except (TypeError, ValueError):
            scale = math.nan
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"expected a finite number above 0, got {value!r}")
        return cls(scale)

    @property
    def label(self) -> str:
        """See `Distribution`."""
        return _text(self.scale)

    def draw(self, generator: random.Random) -> float:
        """A number."""
        return generator.gauss(0.0, self.scale)


@dataclass(frozen=True)
class Dirichlet:
    """Symmetric Dirichlet: probabilities that are each alike before they are drawn."""

    concentration: float
    """1: all probabilities are as likely (flat). Towards 0 one outcome takes nearly all; far above 1 all outcomes are
    nearly as likely."""

    @classmethod
    def of(cls, value: Any) -> "Dirichlet":
        """From a number, or one as text.

        Raises:
            ValueError: it is no number from 0.01 to 1000.
        """
        try:
            concentration = _number(value)
        except (TypeError, ValueError):
            concentration = math.nan
        if not 0.01 <= concentration <= 1000.0:
            raise ValueError(f"expected a number from 0.01 to 1000, got {value!r}")
        return cls(concentration)

    @property
    def label(self) -> str:
        """See `Distribution`."""
        return _text(self.concentration)

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Arrays of a shape, whose last axis sums to 1."""
        return dirichlet(generator, np.full(shape, self.concentration))


def dirichlet(generator: np.random.Generator, concentrations: NDArray[np.float64]) -> NDArray[np.float64]:
    """A draw for each row: arrays of the same shape, whose last axis sums to 1."""
    weights = generator.standard_gamma(concentrations)
    total = weights.sum(axis=-1, keepdims=True)
    if not total.all():  # numbers too small to be told from 0: one outcome takes all, in proportion to concentrations
        lost = total[..., 0] == 0.0
        up_to = concentrations[lost].cumsum(axis=-1)
        chosen = (generator.random((len(up_to), 1)) * up_to[:, -1:] >= up_to).sum(axis=-1, keepdims=True)
        weights[lost] = np.arange(up_to.shape[-1]) == chosen
        total = weights.sum(axis=-1, keepdims=True)
    probabilities: NDArray[np.float64] = weights / total
    return probabilities


@dataclass(frozen=True)
class Cells:
    """Uniform over some cells of a square room.

    The named sets part a room for tests of generalisation: "extrapolation" are the cells along the walls; of the inner
    ones a fifth, no two of them side by side, is "interpolation" and the rest "train". "all" are these together.
    """

    side: int
    """Cells along a wall."""
    label: str
    """A name of `CELL_SETS`, or the cells as ``3.4+5.6``."""
    cells: tuple[int, ...]
    """The cells by number, ``side * y + x``, ascending."""

    @classmethod
    def of(cls, value: Any, *, side: int) -> "Cells":
        """From a name of `CELL_SETS`, ``[[3, 4], [5, 6]]`` or ``"3.4+5.6"``, each ``[x, y]`` from 0.

        Raises:
            ValueError: it is none of these, or a cell is twice there or outside the room.
        """
        if value in CELL_SETS:
            places = [(x, y) for y in range(side) for x in range(side) if value in ("all", _set_of(x, y, side))]
            return cls(side, str(value), tuple(side * y + x for x, y in places))
        if isinstance(value, str) and "." not in value:
            raise ValueError(f"expected a set of cells, got {value!r}; {nearest(value, CELL_SETS)}")
        pairs: Any = [part.split(".") for part in value.split("+")] if isinstance(value, str) else value
        try:
            places = [(_whole(x), _whole(y)) for x, y in pairs]
        except (TypeError, ValueError):
            places = []
        if not places:
            raise ValueError(f"expected one of {', '.join(CELL_SETS)}, or a list of cells [x, y], got {value!r}")
        if len(set(places)) < len(places) or not all(0 <= x < side and 0 <= y < side for x, y in places):
            raise ValueError(f"expected different cells [x, y] with numbers from 0 to {side - 1}, got {value!r}")
        places.sort(key=lambda place: place[::-1])
        return cls(side, "+".join(f"{x}.{y}" for x, y in places), tuple(side * y + x for x, y in places))

    def draw(self, generator: random.Random) -> int:
        """A cell's number."""
        return self.cells[int(generator.random() * len(self.cells))]


@dataclass(frozen=True)
class Arc:
    """Uniform over parts of the circle of radius 1 around the start."""

    degrees: Spans
    """Where, counted from the positive x axis to the positive y axis, from 0 to 360."""

    @property
    def label(self) -> str:
        """See `Distribution`."""
        return self.degrees.label

    def draw(self, generator: random.Random) -> Point:
        """A point (x, y)."""
        angle = math.radians(self.degrees.draw(generator))
        return math.cos(angle), math.sin(angle)


@dataclass(frozen=True)
class Square:
    """Uniform over the square from -1 to 1."""

    label: str = "square"
    """See `Distribution`."""

    def draw(self, generator: random.Random) -> Point:
        """A point (x, y)."""
        return generator.uniform(-1.0, 1.0), generator.uniform(-1.0, 1.0)


def goal_points(value: Any) -> Arc | Square:
    """Goals in the plane: "half-circle" (0 to 180 degrees), "square", or ranges of degrees as `Spans.of` takes them.

    Raises:
        ValueError: it is none of these.
    """
    if value == "square":
        return Square()
    if value == "half-circle":
        return Arc(Spans(((0.0, 180.0),)))
    try:
        return Arc(Spans.of(value, low=0.0, high=360.0))
    except ValueError as error:
        raise ValueError(f"half-circle, square or degrees: {error}") from None


def _set_of(x: int, y: int, side: int) -> str:
    if min(x, y) == 0 or max(x, y) == side - 1:
        return "extrapolation"
    return "interpolation" if (x + 2 * y) % 5 == 0 else "train"


def _is_listed(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"expected a number, got {value!r}")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"expected a whole number, got {value!r}")
    return int(value)


def _text(number: float) -> str:
    return str(number).removesuffix(".0")
