"""The contact sheet: a tile for every task with its first frames, its vector over time and the random return."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mtrl.report.grid_picture import draw_grid
from mtrl.report.lettering import cut, font
from tasks.compose.watch import Sight

STRIP_STEPS = 48
"""Steps that a vector's strip shows."""
FRAMES = 4
TILE, FRAME, GAP, MARGIN, STRIP, HEADER = 376, 86, 4, 12, 86, 68
"""Pixels: width of a tile, side of a frame, between frames, around everything, heights of a strip and of the title."""
INK, PALE, PAPER, CARD = (28, 32, 38), (110, 118, 128), (244, 245, 247), (255, 255, 255)
LOW, MIDDLE, HIGH = np.array([33, 102, 172.0]), np.array([247, 247, 247.0]), np.array([178, 24, 43.0])
ROWS = ("image", "grid", "render")
"""Rows of frames: what the agent sees, then what the simulator draws for people."""


def draw_sheet(name: str, description: str, sights: Sequence[Sight], held_out: set[str]) -> Image.Image:
    """All tasks in as square a sheet as can be.

    Args:
        sights: at least one.
        held_out: names of tasks that training never sees; they are marked.
    """
    columns = min(len(sights), max(2, round(math.sqrt(0.72 * len(sights)))), 8)
    lines = [sights[start : start + columns] for start in range(0, len(sights), columns)]
    heights = [max(_height(sight) for sight in line) for line in lines]
    width = max(columns, 2) * (TILE + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, sum(heights) + MARGIN * (len(lines) + 1) + HEADER), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 10), name, fill=INK, font=font(20, "bold"))
    count = f"{len(sights)} tasks" + (f", {len(held_out)} of them held out" if held_out else "")
    draw.text((MARGIN, 36), cut(f"{count}. {description}", width - 2 * MARGIN, 12), fill=PALE, font=font(12))
    legend = "image, grid and vector: what the agent sees; render: the simulator's drawing, which it does not see"
    draw.text((MARGIN, 54), cut(legend, width - 2 * MARGIN, 11), fill=PALE, font=font(11))
    top = HEADER + MARGIN
    for line, height in zip(lines, heights, strict=True):
        for place, sight in enumerate(line):
            left = MARGIN + place * (TILE + MARGIN)
            draw.rounded_rectangle((left, top, left + TILE, top + height), 6, fill=CARD, outline=(222, 225, 230))
            _tile(sheet, sight, left + 10, top + 8, sight.task.name in held_out)
        top += height + MARGIN
    return sheet


def _height(sight: Sight) -> int:
    rows = sum(bool(sight.frames.get(key)) for key in ROWS)
    return 74 + rows * (FRAME + 20) + (STRIP + 22 if sight.vectors else 0)


def _tile(sheet: Image.Image, sight: Sight, left: int, top: int, held_out: bool) -> None:
    draw = ImageDraw.Draw(sheet)
    inner = TILE - 20
    title = f"{sight.task.name}  (held out)" if held_out else sight.task.name
    draw.text((left, top), cut(title, inner, 15, "bold"), fill=INK, font=font(15, "bold"))
    draw.text((left, top + 20), cut(sight.mission or sight.task.id, inner, 11), fill=PALE, font=font(11))
    top += 38
    for key in ROWS:
        if sight.frames.get(key):
            _frames(sheet, key, sight.frames[key], left, top)
            top += FRAME + 20
    if sight.vectors:
        _strip(sheet, sight, left, top, inner)
        top += STRIP + 22
    draw.text((left, top), cut(_earned(sight), inner, 12), fill=INK, font=font(12))


def _earned(sight: Sight) -> str:
    count = len(sight.returns)
    half = f" ± {(sight.interval[1] - sight.interval[0]) / 2:.3g}" if sight.interval else ""
    trials = f"{count} trials" if count > 1 else "1 trial"
    return f"random return {sight.mean:.3g}{half}  ({trials}, {sight.steps / count:.0f} steps each)".replace("-", "−")


def _frames(sheet: Image.Image, key: str, frames: Sequence[NDArray[np.uint8]], left: int, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    last = min(len(frames), 25) - 1
    chosen = sorted({round(place * last / (FRAMES - 1)) for place in range(FRAMES)})
    for place, step in enumerate(chosen):
        picture = draw_grid(frames[step], FRAME) if key == "grid" else _square(frames[step])
        x = left + place * (FRAME + GAP)
        sheet.paste(picture, (x, top))
        draw.text((x, top + FRAME + 2), f"{key}, step 0" if place == 0 else f"{step}", fill=PALE, font=font(10))


def _square(frame: NDArray[np.uint8]) -> Image.Image:
    """A frame within a square, its proportions kept; small pictures stay sharp."""
    pixels = frame if frame.shape[2] == 3 else np.repeat(frame[:, :, -1:], 3, axis=2)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = FRAME / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)
    square = Image.new("RGB", (FRAME, FRAME), (232, 234, 238))
    square.paste(picture, ((FRAME - size[0]) // 2, (FRAME - size[1]) // 2))
    return square


def _strip(sheet: Image.Image, sight: Sight, left: int, top: int, width: int) -> None:
    """Entries from top to bottom, steps from left to right, each entry in units of its own largest size."""
    draw = ImageDraw.Draw(sheet)
    values = np.stack(sight.vectors[:STRIP_STEPS], axis=1).astype(np.float64)
    size = np.abs(values).max(axis=1, keepdims=True)
    values = values / np.where(size > 0, size, 1.0)
    part = np.abs(values)[:, :, None]
    ends = np.where(values[:, :, None] < 0, LOW, HIGH)
    colours = (MIDDLE * (1 - part) + ends * part).astype(np.uint8)
    heat = STRIP - 14
    resampling = Image.Resampling.NEAREST if len(colours) <= heat else Image.Resampling.BOX
    cell = width // STRIP_STEPS
    picture = Image.fromarray(colours).resize((cell * colours.shape[1], heat), resampling)
    sheet.paste(picture, (left, top))
    draw.rectangle((left, top, left + cell * STRIP_STEPS, top + heat - 1), outline=(222, 225, 230))
    _rewards(draw, sight.rewards[:STRIP_STEPS], left, top + heat + 2, cell)
    words = f"vector of {len(values)} over {values.shape[1]} steps (blue −, red +, by entry); below: reward"
    draw.text((left, top + STRIP + 2), cut(words, width, 10), fill=PALE, font=font(10))


def _rewards(draw: ImageDraw.ImageDraw, rewards: Sequence[float], left: int, top: int, cell: int) -> None:
    largest = max((abs(reward) for reward in rewards), default=0.0)
    for step, reward in enumerate(rewards):
        if reward and math.isfinite(reward):
            height = max(2, round(10 * abs(reward) / largest))
            x = left + step * cell
            colour = tuple(int(part) for part in (HIGH if reward > 0 else LOW))
            draw.rectangle((x, top + 10 - height, x + cell - 2, top + 10), fill=colour)
