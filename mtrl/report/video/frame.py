"""A frame: a line on the task, the stage on the left, the panels on the right."""

from collections.abc import Sequence

from PIL import Image

from mtrl.report.lettering import font
from mtrl.report.video.canvas import CARD, FAINT, INK, PALE, Box, Canvas
from mtrl.report.video.panels import PANELS, Panel
from mtrl.report.video.stage import draw_stage
from mtrl.report.video.story import Story

WIDTH, MARGIN = 1024, 16
_STAGE = 460
_HEADER, _FOOTER, _TITLE, _GAP = 62, 26, 20, 10
_LEAST = 448
_PAID, _UNPAID = (0, 122, 90), (130, 136, 146)


class Frames:
    """Draws one frame after the other, all of the size that the first moment needs."""

    def __init__(self, story: Story, panels: Sequence[Panel] = PANELS) -> None:
        shown = [(panel, block) for panel in panels if (block := panel(story)).height]
        panels, blocks = [panel for panel, _ in shown], [block for _, block in shown]
        self.panels = panels
        self.heights = [block.height + (_TITLE if block.title else 0) for block in blocks]
        needed = sum(self.heights) + _GAP * (len(panels) - 1)
        inner = max(_LEAST, needed)
        growing = [place for place, block in enumerate(blocks) if block.grows]
        for place in growing:
            self.heights[place] += (inner - needed) // len(growing)
        body = inner + 2 * _GAP
        body += (_HEADER + body + _FOOTER) % 2  # video wants even numbers
        self.body = Box(MARGIN, _HEADER, WIDTH - MARGIN, _HEADER + body)

    def draw(self, story: Story) -> Image.Image:
        """The frame of the story's latest moment."""
        canvas = Canvas(WIDTH, self.body.bottom + _FOOTER)
        _header(canvas, story)
        draw_stage(canvas, Box(self.body.left, self.body.top, self.body.left + _STAGE, self.body.bottom), story)
        side = Box(self.body.left + _STAGE + MARGIN, self.body.top, self.body.right, self.body.bottom)
        canvas.fill(side, CARD, outline=FAINT, radius=6)
        top = side.top + _GAP
        for panel, height in zip(self.panels, self.heights, strict=True):
            block = panel(story)
            title = _TITLE if block.title else 0
            canvas.text(side.left + 12, top, block.title, 12, colour=PALE, width=side.width - 24)
            block.draw(canvas, Box(side.left + 12, top + title, side.right - 12, top + height))
            top += height + _GAP
        _footer(canvas, story, self.body.bottom)
        return canvas.image


def _header(canvas: Canvas, story: Story) -> None:
    scene, now = story.scene, story.now
    words = _attempt(story)
    width = font(13, "bold").getlength(words) + 24
    left = WIDTH - MARGIN - width
    canvas.fill(Box(round(left), 12, WIDTH - MARGIN, 36), _PAID if now.paid else _UNPAID, radius=12)
    canvas.text(left + width / 2, 24, words, 13, colour=CARD, face="bold", anchor="mm")
    trial = f"trial {now.trial + 1} of {scene.trials}" if scene.trials > 1 else ""
    canvas.text(left - 12, 24, trial, 13, colour=PALE, anchor="rm")
    title = f"{scene.task.name} (held out)" if scene.held_out else scene.task.name
    room = left - 24 - font(13).getlength(trial) - MARGIN
    canvas.text(MARGIN, 22, title, 20, face="bold", width=room, anchor="lm")
    canvas.text(
        MARGIN,
        46,
        now.mission or scene.task.id,
        13,
        colour=INK if now.mission else PALE,
        anchor="lm",
        width=WIDTH - 2 * MARGIN,
    )


def _attempt(story: Story) -> str:
    task, now = story.scene.task, story.now
    if not now.paid:
        return f"warm-up attempt {now.attempt + 1} of {task.warmup_attempts}: not paid"
    return f"attempt {now.attempt - task.warmup_attempts + 1} of {task.attempts}: paid"


def _footer(canvas: Canvas, story: Story, top: int) -> None:
    scene = story.scene
    actions = "likeliest actions" if scene.greedy else "actions drawn from the policy"
    what = "rewards and values are raw"
    words = (
        f"{scene.run} on {scene.suite}, after {scene.steps:,} steps; {actions}; evaluation seed {scene.seed}; {what}"
    )
    canvas.text(MARGIN, top + _FOOTER / 2, words, 11, colour=PALE, anchor="lm", width=WIDTH - 2 * MARGIN)
