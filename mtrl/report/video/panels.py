"""The panels beside the stage. Each is a function from the story to a block, and a line in `PANELS`.

A further one is one function more. It must ask for the same height at every moment of a film, also when there is
nothing to show: then it draws nothing. One of no height is left out of the film.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mtrl.report.lettering import font, spoken
from mtrl.report.video.bars import bars_height, columns_of, draw_bars, draw_ranges
from mtrl.report.video.canvas import ACCENT, FAINT, PALE, Box, Canvas
from mtrl.report.video.curve import draw_curve
from mtrl.report.video.story import Story

_EXPERTS_ROW = 18


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
    """How much each expert counts now, a row a mixture."""
    counts = story.scene.experts

    def draw(canvas: Canvas, box: Box) -> None:
        if story.now.thought is None:
            return
        for row, gates in enumerate(story.now.thought.gates):
            shares = abs(gates) / max(abs(gates).sum(), 1e-12)
            each = box.width / len(shares)
            for place, share in enumerate(shares):
                left = round(box.left + place * each)
                cell = Box(
                    left, box.top + row * _EXPERTS_ROW, round(left + each) - 3, box.top + row * _EXPERTS_ROW + 14
                )
                canvas.fill(cell, FAINT)
                canvas.fill(Box(cell.left, cell.top, cell.left + round(cell.width * share), cell.bottom), ACCENT)

    title = "experts: share of each" + (", a row a mixture" if len(counts) > 1 else "")
    return Block(title=title, height=_EXPERTS_ROW * len(counts), draw=draw)


PANELS: tuple[Panel, ...] = (figures, return_curve, value_curve, experts, policy)
"""From top to bottom."""
