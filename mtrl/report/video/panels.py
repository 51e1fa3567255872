"""The panels beside the stage. Each is a function from the story to a block, and a line in `PANELS`.

A further one is one function more. It must ask for the same height at every moment of a film, also when there is
nothing to show: then it draws nothing. One of no height is left out of the film.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mtrl.report.lettering import font, spoken
from mtrl.report.video.bars import bars_height, columns_of, draw_bars, draw_ranges
from mtrl.report.video.canvas import ACCENT, FAINT, LOSS, PALE, Box, Canvas
from mtrl.report.video.curve import draw_curve
from mtrl.report.video.story import Story

_EXPERTS_ROW = 24
_ENTROPY_WIDTH = 66
_HEADS, _HEADS_ROW = 3, 17
_LEAST_NUMBERED = 36
"""Pixels that an expert must have for its weight to be written out."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """What a panel shows now."""

    height: int
    """Pixels, without the title's line."""
    draw: Callable[[Canvas, Box], None]
    title: str = ""
    """Empty: there is no line for it."""
    grows: bool = False
    """Whether it shares the room that is left."""


Panel = Callable[[Story], Block]


def figures(story: Story) -> Block:
    """The numbers of this moment."""
    now, thought = story.now, story.now.thought
    shown = {
        "step": str(now.step),
        "reward": "–" if now.reward is None else spoken(now.reward),
        "return so far": spoken(now.return_),
        "value": "–" if thought is None or thought.value is None else spoken(thought.value),
        "entropy": "–" if thought is None else spoken(thought.entropy),
    }

    def draw(canvas: Canvas, box: Box) -> None:
        each = box.width / len(shown)
        for place, (name, number) in enumerate(shown.items()):
            x = box.left + place * each
            canvas.text(x, box.top, name, 12, colour=PALE, width=each - 6)
            size = 17 if font(17, "bold").getlength(number) < each - 6 else 12
            canvas.text(x, box.top + 26, number, size, face="bold", width=each - 6, anchor="lm")

    return Block(height=40, draw=draw)


def return_curve(story: Story) -> Block:
    """What has been earned, and when."""
    warmup = " (grey: not paid)" if story.scene.task.warmup_attempts else ""
    return Block(
        title=f"return so far; below: rewards{warmup}",
        height=112,
        grows=True,
        draw=lambda canvas, box: draw_curve(canvas, box, story, story.returns, rewards=True),
    )


def value_curve(story: Story) -> Block:
    """What the critics expect."""

    def draw(canvas: Canvas, box: Box) -> None:
        if story.values:
            draw_curve(canvas, box, story, story.values, rewards=False)
        else:
            words = "held out: the critics have no unit for its returns"
            canvas.text(box.left, box.top + 8, words, 12, colour=PALE, width=box.width)

    return Block(title=f"value of the critics, discount {story.scene.discount:g}", height=92, draw=draw, grows=True)


def policy(story: Story) -> Block:
    """How likely each action is, or where continuous ones are likely to be."""
    scene = story.scene
    if scene.continuous:
        count, draw_policy = len(scene.action_names), draw_ranges
        title = "policy from −1 to 1 (16 to 84%, and median); dot: the action"
    else:
        count, draw_policy = len(scene.action_names) + bool(scene.others), draw_bars
        valued = story.values and columns_of(count) < 3
        others = f"; others: {scene.others} that the task lacks" if scene.others else ""
        title = f"policy: each action's probability{' and value' if valued else ''}{others}"

    def draw(canvas: Canvas, box: Box) -> None:
        if story.now.thought is None:
            canvas.text(box.left, box.top + 2, "nothing to decide", 12, colour=PALE)
        else:
            draw_policy(canvas, box, story)

    return Block(title=title, height=bars_height(count), draw=draw)


def experts(story: Story) -> Block:
    """The weight of each expert now, and how evenly they are used: a row a mixture."""
    counts = story.scene.experts

    def draw(canvas: Canvas, box: Box) -> None:
        if story.now.thought is None:
            return
        for row, gates in enumerate(story.now.thought.gates):
            top = box.top + row * _EXPERTS_ROW
            shares = abs(gates) / max(abs(gates).sum(), 1e-12)
            entropy = float(-(shares * np.log(np.maximum(shares, 1e-12))).sum())
            canvas.text(box.right, top + 10, f"{entropy:z.2f} nats", 12, colour=PALE, anchor="rm")
            each = (box.width - _ENTROPY_WIDTH) / len(shares)
            for place, (gate, share) in enumerate(zip(gates.tolist(), shares.tolist(), strict=True)):
                left = round(box.left + place * each)
                if each >= _LEAST_NUMBERED:
                    canvas.text(left, top, f"{gate:z.2f}".replace("-", "−"), 11, width=each - 3)
                bar = Box(left, top + 14, round(left + each) - 3, top + 20)
                canvas.fill(bar, FAINT)
                colour = ACCENT if gate >= 0 else LOSS
                canvas.fill(Box(left, bar.top, left + round(bar.width * share), bar.bottom), colour)

    title = "experts: weight, share (red: negative), entropy" + (", a row a mixture" if len(counts) > 1 else "")
    return Block(title=title, height=_EXPERTS_ROW * len(counts), draw=draw)


def heads(story: Story) -> Block:
    """Which tasks' policy heads are most like this one's."""
    nearest = [f"{name} {cosine:z.2f}".replace("-", "−") for name, cosine in story.scene.heads[:_HEADS]]

    def draw(canvas: Canvas, box: Box) -> None:
        for row, words in enumerate(nearest):
            canvas.text(box.left, box.top + row * _HEADS_ROW, words, 12, width=box.width)

    several = len(story.scene.heads) > len(nearest)
    title = f"policy heads most like this task's (cosine{f'; {_HEADS} of {len(story.scene.heads)}' if several else ''})"
    return Block(title=title, height=_HEADS_ROW * len(nearest), draw=draw)


PANELS: tuple[Panel, ...] = (figures, return_curve, value_curve, experts, heads, policy)
"""From top to bottom."""
