"""A symmetric matrix of cosines between tasks, in colour and in numbers."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mtrl.report.drawing import INK, MUTED, Panel
from mtrl.report.words import number

_NUMBERS_UP_TO = 12
"""Tasks; in larger matrices the numbers are smaller."""


def colour_limit(matrix: NDArray[np.float64]) -> float:
    """Where the colours end: the largest entry's size off the diagonal, rounded up to a tenth; at least 0.1."""
    apart = matrix[~np.eye(len(matrix), dtype=bool)]
    known = np.abs(apart[np.isfinite(apart)])
    return max(0.1, math.ceil(10 * float(known.max())) / 10) if known.size else 0.1


def cosine_panel(
    matrix: NDArray[np.float64], tasks: Sequence[str], limit: float, *, title: str = "", bar: bool = True
) -> Panel:
    """The matrix [task, task] as a panel; entries that are NaN stay empty.

    Args:
        matrix: cosines; rows and columns in the order of `tasks`.
        tasks: names.
        limit: the colours reach from -limit to limit.
        title: of the panel.
        bar: whether a bar tells the colours' values; without it the panel is smaller, for several
            side by side, and if there are many tasks a bar stands in place of numbers.
    """
    count = len(tasks)
    few = count <= _NUMBERS_UP_TO
    cell, size, least = (0.62 if few else 0.42, 8.0 if few else 6.5, 2.2) if bar else (0.45 if few else 0.14, 7.2, 1.6)
    side = max(least, cell * count)

    def draw(axes: Axes) -> None:
        image = axes.imshow(matrix, cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
        for row, column in zip(*np.nonzero(np.isfinite(matrix) & (bar or few)), strict=True):
            value = float(matrix[row, column])
            colour = "#ffffff" if abs(value) > 0.6 * limit else "#222222"
            axes.text(column, row, number(value), ha="center", va="center", fontsize=size, color=colour)
        axes.set_xticks(range(count), tasks, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), tasks)
        axes.tick_params(length=0, labelsize=8 if few else 7 if bar else 6, labelcolor=INK)
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if bar or not few:
            colours = axes.figure.colorbar(image, ax=axes, shrink=0.7, aspect=30)
            colours.outline.set_visible(False)
            colours.set_label("mean cosine (negative: in conflict)" if bar else "", color=MUTED)

    width = side + (3.2 if bar else 1.6 if few else 2.2)
    return Panel(draw=draw, title=title, width=width, height=side + (1.6 if bar else 1.25), least=0.8 * width)
