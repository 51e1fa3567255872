"""A policy as bars: a row an action, thin columns where actions are very many, ranges where they are continuous."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from mtrl.report.lettering import Face, font, spoken
from mtrl.report.video.canvas import ACCENT, CHOSEN, FAINT, INK, PALE, Box, Canvas
from mtrl.report.video.story import Story

MANY = 33
"""Up to so many actions each has a row with its name."""
_ROW, _GAP = 18, 14


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An action, or those of other tasks together."""

    name: str
    probability: float
    value: float | None
    chosen: bool


def entries(story: Story) -> list[Entry]:
    """All actions of the task, then what other tasks' come to.

    Raises:
        ValueError: there is nothing to decide.
    """
    scene, now = story.scene, story.now
    if now.thought is None or not isinstance(now.action, int):
        raise ValueError(f"expected a discrete action, found {now.action}")
    own, values = len(scene.action_names), now.thought.action_values
    found = [
        Entry(
            name=name,
            probability=float(now.thought.policy[place]),
            value=None if values is None else float(values[place]),
            chosen=place == now.action,
        )
        for place, name in enumerate(scene.action_names)
    ]
    if scene.others:
        rest = float(now.thought.policy[own:].sum())
        found.append(Entry(name="others", probability=rest, value=None, chosen=now.action >= own))
    return found


def columns_of(count: int) -> int:
    """Into how many columns so many rows are parted."""
    return 1 if count <= 8 else 2 if count <= 16 else 3


def bars_height(count: int) -> int:
    """Pixels that so many actions need."""
    count = min(count, MANY)
    return _ROW * ceil(count / columns_of(count))


def draw_bars(canvas: Canvas, box: Box, story: Story) -> None:
    """A row for each action: name, bar, probability, and where there is room its value; thin columns if very many."""
    shown = entries(story)
    if len(shown) > MANY:
        _thin(canvas, box, shown)
        return
    values = any(entry.value is not None for entry in shown)
    longest = max(font(12, "bold").getlength(entry.name) for entry in shown)
    for entry, cell in zip(shown, _cells(box, len(shown)), strict=True):
        middle = cell.top + _ROW / 2
        valued = values and cell.width >= 190
        left = cell.left + min(longest, cell.width * 0.45) + 8
        right = cell.right - (92 if valued else 40)
        colour = CHOSEN if entry.chosen else INK
        face: Face = "bold" if entry.chosen else "plain"
        canvas.text(
            cell.left, middle, entry.name, 12, colour=colour, face=face, width=left - cell.left - 8, anchor="lm"
        )
        bar = Box(round(left), cell.top + 3, round(right), cell.bottom - 3)
        canvas.fill(bar, FAINT)
        part = round(bar.width * entry.probability)
        canvas.fill(Box(bar.left, bar.top, bar.left + part, bar.bottom), CHOSEN if entry.chosen else ACCENT)
        canvas.text(right + 36, middle, f"{entry.probability:.2f}", 12, colour=colour, anchor="rm")
        if valued and entry.value is not None:
            canvas.text(cell.right, middle, spoken(entry.value), 12, colour=PALE, anchor="rm", width=52)


def _thin(canvas: Canvas, box: Box, shown: Sequence[Entry]) -> None:
    """A thin column for each, and the likeliest by name."""
    plot = box.inside(0, 4, 0, 22)
    largest = max(entry.probability for entry in shown)
    canvas.fill(plot, FAINT)
    for place, entry in enumerate(shown):
        left = plot.left + plot.width * place // len(shown)
        right = max(left + 1, plot.left + plot.width * (place + 1) // len(shown) - 1)
        height = ceil(plot.height * entry.probability / largest)
        colour = CHOSEN if entry.chosen else ACCENT
        canvas.fill(Box(left, plot.bottom - height, right, plot.bottom), colour)
    first = sorted(shown, key=lambda entry: -entry.probability)[:4]
    words = "likeliest: " + ",  ".join(f"{entry.name} ({entry.probability:.2f})" for entry in first)
    canvas.text(plot.left, plot.bottom + 5, words, 12, colour=PALE, width=plot.width)


def draw_ranges(canvas: Canvas, box: Box, story: Story) -> None:
    """A row for each number of a continuous action, of the first ones if they are very many."""
    now, names = story.now, story.scene.action_names
    if now.thought is None or not isinstance(now.action, np.ndarray):
        raise ValueError(f"expected a continuous action, found {now.action}")
    count = min(len(names), MANY)
    for place, cell in enumerate(_cells(box, count)):
        middle = cell.top + _ROW / 2
        low, median, high = now.thought.policy[:, place].tolist()
        action = float(now.action[place])
        canvas.text(cell.left, middle, names[place], 12, anchor="lm", width=34)
        line = Box(cell.left + 40, cell.top + 3, cell.right - 52, cell.bottom - 3)
        canvas.fill(line, FAINT)

        def x(number: float, line: Box = line) -> float:
            return line.left + (number + 1) / 2 * (line.width - 1)

        canvas.fill(Box(round(x(low)), line.top, round(x(high)) + 1, line.bottom), (158, 200, 226))
        canvas.fill(Box(round(x(median)) - 1, line.top, round(x(median)) + 1, line.bottom), ACCENT)
        canvas.dot(x(action), middle, CHOSEN)
        words = f"{action:+.2f}".replace("-", "−")
        canvas.text(cell.right, middle, words, 12, colour=CHOSEN, face="bold", anchor="rm")


def _cells(box: Box, count: int) -> list[Box]:
    """A cell for each row, column after column."""
    columns = columns_of(count)
    rows = ceil(count / columns)
    width = (box.width - (columns - 1) * _GAP) // columns
    return [
        Box(left, top, left + width, top + _ROW)
        for place in range(count)
        for left, top in [(box.left + place // rows * (width + _GAP), box.top + place % rows * _ROW)]
    ]
