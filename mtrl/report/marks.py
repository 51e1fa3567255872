"""What several charts draw: bands, levels, axes of counts and time, intervals in rows, names at the ends of lines."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mtrl.report.drawing import GRID, INK, MUTED, LineStyle
from mtrl.report.words import number


def band(axes: Axes, bounds: Sequence[tuple[float, float, float]], colour: str, *, alpha: float = 0.2) -> None:
    """An area between two lines; `bounds` holds (x, low, high), where these are finite."""
    known = [point for point in bounds if all(map(math.isfinite, point))]
    if known:
        xs, low, high = zip(*known, strict=True)
        axes.fill_between(xs, low, high, color=colour, alpha=alpha, linewidth=0)


def level(axes: Axes, value: float, name: str) -> None:
    """A dashed horizontal line with its name, if it has one, at the right."""
    axes.axhline(value, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
    axes.text(
        1.02, value, name, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, color=MUTED, clip_on=False
    )


def count_axis(axes: Axes, axis: str) -> None:
    """The x axis from 0, with few ticks; counts are short ("160k"), `seconds` are not."""
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(length=3, color=GRID)
    if axis != "seconds":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def plain_log(axes: Axes) -> None:
    """A logarithmic y axis whose ticks are written as numbers: ones, twos and fives, and more where these are few."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))

    def label(value: float, _: object) -> str:
        low, high = axes.get_ylim()
        digit = round(value / 10 ** math.floor(math.log10(value)))
        return f"{value:g}" if digit in (2, 5) or (high < 10 * low and digit in (3, 7)) else ""

    axes.yaxis.set_minor_formatter(FuncFormatter(label))


def time_unit(longest: float) -> tuple[float, str]:
    """Seconds per unit, and the axis' label, for times up to so many seconds."""
    for seconds, name, least in ((3600.0, "hours", 2 * 3600), (60.0, "minutes", 120)):
        if longest > least:
            return seconds, f"wall-clock ({name})"
    return 1.0, "wall-clock (seconds)"


def short(value: float) -> str:
    """A count in few characters: 160k, 2.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.10g}{letter}"
    return f"{value:g}"


def interval_row(
    axes: Axes,
    place: int,
    value: float,
    low: float,
    high: float,
    style: LineStyle,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    filled: bool = True,
) -> None:
    """A point and its interval in row `place`; bounds that are not finite draw no interval.

    A value beyond `limits`, where the axis will end, becomes an arrow at that end with the number beside it.
    """
    if value < limits[0] or value > limits[1]:
        at, away = (limits[0], 1) if value < limits[0] else (limits[1], -1)
        axes.plot([at], [place], marker="<" if away == 1 else ">", color=style.colour, markersize=5.5, linestyle="")
        axes.annotate(
            number(value),
            (at, place),
            xytext=(7 * away, 0),
            textcoords="offset points",
            ha="left" if away == 1 else "right",
            va="center",
            fontsize=7.5,
            color=MUTED,
        )
        return
    if math.isfinite(low) and math.isfinite(high):
        axes.plot([low, high], [place, place], color=style.colour, linewidth=2.2, solid_capstyle="butt")
    if math.isfinite(value):
        face = style.colour if filled else "none"
        marker = style.marker or "o"
        axes.plot(
            [value], [place], marker=marker, color=style.colour, markersize=5.0, markerfacecolor=face, linestyle=""
        )


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Rows with names, the first at the top, and vertical grid lines."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.tick_params(axis="x", length=3, color=GRID)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4))


def end_labels(
    axes: Axes, ends: Sequence[tuple[float, float, str, LineStyle]], *, height: float, size: float = 8.0
) -> None:
    """Names at the right of the axes, each joined to the end of its line; they do not overlap while they fit.

    Args:
        axes: with its final limits and scales.
        ends: x and y of each line's last point, its name and its style.
        height: of the axes in inches, about.
        size: of the letters, in points.
    """
    known = [end for end in ends if math.isfinite(end[0]) and math.isfinite(end[1])]
    if not known:
        return
    fractions = [float(axes.transLimits.transform(axes.transScale.transform(end[:2]))[1]) for end in known]
    gap = 1.25 * size / 72 / height
    for (x, y, name, style), place in zip(known, spread_out(fractions, gap, 0.0, 1.0), strict=True):
        axes.annotate(
            name,
            xy=(x, y),
            xycoords="data",
            xytext=(1.06, place),
            textcoords="axes fraction",
            va="center",
            fontsize=size,
            color=INK,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": style.colour,
                "linewidth": 0.9,
                "relpos": (0.0, 0.5),
                "shrinkA": 1.5,
                "shrinkB": 2.5,
            },
        )


def spread_out(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the values, in the same order, at least `gap` apart, inside `low` to `high` if there is room.

    Groups of places that are too near are laid out evenly around their mean, as in isotonic regression.
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    room = max(high - low, gap * (len(values) - 1))
    groups: list[tuple[float, int]] = []  # (lowest place, how many)
    for i in order:
        centre, count = min(max(values[i], low), high), 1
        start = centre
        while groups and groups[-1][0] + groups[-1][1] * gap > start:
            before, size = groups.pop()
            centre = ((before + (size - 1) * gap / 2) * size + (start + (count - 1) * gap / 2) * count) / (size + count)
            count += size
            start = centre - (count - 1) * gap / 2
            start = min(max(start, low), low + room - (count - 1) * gap)
        groups.append((start, count))
    places = [start + k * gap for start, count in groups for k in range(count)]
    found = [0.0] * len(values)
    for i, place in zip(order, places, strict=True):
        found[i] = place
    return found


def line(axes: Axes, xs: Sequence[float], ys: Sequence[float], style: LineStyle, *, marks: int = 10) -> None:
    """A line with about so many markers."""
    axes.plot(xs, ys, linewidth=style.width, markevery=max(1, len(xs) // marks), **style.keywords)
