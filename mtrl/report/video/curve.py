"""A curve that grows: its axes widen in round numbers, so that it does not tremble from frame to frame."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from mtrl.report.lettering import font, spoken
from mtrl.report.video.canvas import ACCENT, FAINT, GAIN, LOSS, PALE, Box, Canvas, Colour
from mtrl.report.video.story import Story

_GUTTER, _FOOT, _TICKS = 52, 17, 12
"""Pixels: left for the numbers of the axis, below for the steps, and the height of the reward's ticks."""
_FIRST_REACH = 25
UNPAID: Colour = (238, 239, 242)
_LIGHT = {GAIN: (150, 206, 188), LOSS: (226, 178, 184)}


def draw_curve(canvas: Canvas, box: Box, story: Story, points: Sequence[tuple[int, float]], *, rewards: bool) -> None:
    """Draw numbers over the steps of the trial; attempts that are not paid are shaded, each begins with a line.

    Args:
        points: (step, number), in order of the steps.
        rewards: whether to mark every reward below the curve.
    """
    plot = box.inside(_GUTTER, 4, 6, _FOOT + (_TICKS + 3 if rewards else 0))
    reach = round_reach(story.now.step)
    low, high = round_span([number for _, number in points])

    def x(step: float) -> float:
        return plot.left + step / reach * (plot.width - 1)

    def y(number: float) -> float:
        return plot.bottom - 1 - (number - low) / (high - low) * (plot.height - 1)

    bottom = plot.bottom + (_TICKS + 3 if rewards else 0)
    _attempts(canvas, story, plot, bottom, x)
    for number in {low, high, 0.0} if low < 0 < high else {low, high}:
        canvas.draw.line((plot.left, y(number), plot.right - 1, y(number)), fill=PALE if number == 0 else FAINT)
        if number in (low, high) or 11 < y(number) - plot.top < plot.height - 11:
            name = spoken(number)
            size = 11 if font(11).getlength(name) <= _GUTTER - 6 else 9
            canvas.text(plot.left - 6, y(number), name, size, colour=PALE, anchor="rm", width=_GUTTER - 6)
    canvas.text(plot.left, bottom + 3, "0", 11, colour=PALE, anchor="ma")
    canvas.text(plot.right, bottom + 3, f"step {reach}", 11, colour=PALE, anchor="ra")
    if rewards:
        _rewards(canvas, story, plot.bottom + 2, x)
    shown = thinned(points, 2 * plot.width)
    canvas.line(plot, [(x(step), y(number)) for step, number in shown], ACCENT)
    if points:
        canvas.dot(x(points[-1][0]), y(points[-1][1]), ACCENT)


def round_reach(steps: int) -> int:
    """The last step of the axis: 25, 50, 100, 200 and so on."""
    reach = _FIRST_REACH
    while reach < steps:
        reach *= 2
    return reach


def round_span(numbers: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that holds 0 and all the numbers: multiples of 1, 2.5 or 5 times a power of ten."""
    low, high = min(0.0, *numbers, 0.0), max(0.0, *numbers, 0.0)
    if low == high:
        return 0.0, 1.0
    size = 10.0 ** math.floor(math.log10(high - low))
    step = next(size * factor / 2 for factor in (1, 2, 5, 10, 20) if (high - low) / (size * factor) <= 1)
    return math.floor(low / step) * step, math.ceil(high / step) * step


def thinned(points: Sequence[tuple[int, float]], most: int) -> Sequence[tuple[int, float]]:
    """At most about so many of the points: of each stretch its least and its greatest, so that no peak is lost."""
    if len(points) <= most:
        return points
    size = math.ceil(2 * len(points) / most)
    kept: list[tuple[int, float]] = []
    for at in range(0, len(points), size):
        stretch = points[at : at + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(ends)
    return [*kept, points[-1]] if kept[-1] != points[-1] else kept


def _attempts(canvas: Canvas, story: Story, plot: Box, bottom: int, x: Callable[[float], float]) -> None:
    starts = [*story.attempts, (story.now.step, True)]
    for (start, paid), (end, _) in pairwise(starts):
        if not paid:
            canvas.fill(Box(round(x(start)), plot.top, round(x(end)) + 1, bottom), UNPAID)
        if start:
            canvas.draw.line((x(start), plot.top, x(start), bottom), fill=PALE)


def _rewards(canvas: Canvas, story: Story, top: int, x: Callable[[float], float]) -> None:
    largest = max((abs(reward) for _, reward, _ in story.rewards), default=0.0)
    for step, reward, paid in story.rewards:
        height = max(2, round(_TICKS * abs(reward) / largest))
        colour = GAIN if reward > 0 else LOSS
        at = round(x(step))
        y = top + _TICKS - height if reward > 0 else top  # gains stand, losses hang
        canvas.fill(Box(at - 1, y, at + 1, y + height), colour if paid else _LIGHT[colour])
