"""The stage: what the simulator draws; without a drawing the image or grid it shows; without these, a text."""

from typing import Any

import numpy as np
from PIL import Image

from mtrl.report.grid_picture import draw_grid
from mtrl.report.lettering import cut, spoken, wrap
from mtrl.report.video.canvas import CARD, CHOSEN, FAINT, GAIN, INK, LOSS, PALE, Box, Canvas
from mtrl.report.video.story import Moment, Scene, Story
from mtrl.report.video.window import spell

_CAPTION = 34
_ROW = 19
_SIZES = (44, 30, 22, 17, 14)
_BACK = (232, 234, 238)
_IMAGE_SIDE = 16


def draw_stage(canvas: Canvas, box: Box, story: Story) -> None:
    """What there is to see now, and below it the action and the last reward."""
    canvas.fill(box, CARD, outline=FAINT, radius=6)
    above = box.inside(8, 8, 8, _CAPTION)
    picture = picture_of(story.now, min(above.width, above.height))
    if picture is None:
        _text(canvas, above, story)
    else:
        _paste(canvas, above, picture)
    _caption(canvas, Box(box.left + 12, box.bottom - _CAPTION, box.right - 12, box.bottom), story)


def picture_of(moment: Moment, side: int) -> Image.Image | None:
    """The simulator's drawing, or what it shows the agent if that is an image or a grid."""
    if moment.sight.picture is not None:
        return Image.fromarray(moment.sight.picture)
    observation = moment.sight.observation
    parts = observation if isinstance(observation, dict) else {"": observation}
    for name, part in parts.items():
        array = np.asarray(part) if isinstance(part, np.ndarray) else None
        if array is None or array.ndim != 3 or array.dtype.kind not in "ui":
            continue
        if array.dtype == np.uint8 and min(array.shape[:2]) >= _IMAGE_SIDE:
            return Image.fromarray(array if array.shape[2] == 3 else np.repeat(array[:, :, -1:], 3, axis=2))
        if name == "grid":
            return draw_grid(array.astype(np.uint8), side)
    return None


def name_of(scene: Scene, moment: Moment) -> str:
    """What the agent does, in words; an arrow leads to what replaced an action that the task does not have."""
    action = moment.action
    if action is None:
        return "–"
    if isinstance(action, np.ndarray):
        return " ".join(f"{number:+.2f}" for number in action[: len(scene.action_names)]).replace("-", "−")
    if action < len(scene.action_names):
        return scene.action_names[action]
    return f"{action} → {spell(moment.played)}"


def describe(observation: Any) -> str:
    """An observation in one line."""
    if isinstance(observation, dict):
        return "; ".join(f"{name}: {describe(part)}" for name, part in observation.items())
    if isinstance(observation, tuple | list):
        return " | ".join(describe(part) for part in observation)
    if isinstance(observation, np.ndarray) and observation.ndim:
        if observation.size > 256:
            return f"{'×'.join(map(str, observation.shape))} numbers"
        return " ".join(describe(entry) for entry in observation.ravel().tolist())
    if isinstance(observation, np.ndarray | np.generic):
        observation = observation.item()
    if isinstance(observation, float):  # of even length, so that nothing jumps
        return (f"{observation:+.3f}" if abs(observation) < 1e4 else f"{observation:+.2e}").replace("-", "−")
    return str(observation).replace("-", "−") if isinstance(observation, int) else str(observation)


def _paste(canvas: Canvas, box: Box, picture: Image.Image) -> None:
    """The picture as large as it fits; small ones stay sharp."""
    scale = min(box.width / picture.width, box.height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    shown = picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)
    canvas.fill(box, _BACK)
    canvas.image.paste(shown, (box.left + (box.width - size[0]) // 2, box.top + (box.height - size[1]) // 2))


def _caption(canvas: Canvas, box: Box, story: Story) -> None:
    now, middle = story.now, box.top + box.height / 2
    if now.reward is not None:
        colour = GAIN if now.reward > 0 else LOSS if now.reward < 0 else PALE
        canvas.text(box.right, middle, f"reward {spoken(now.reward)}", 13, colour=colour, face="bold", anchor="rm")
    room = box.width - 130
    if now.end is not None:
        words = "the trial is over" if now.end == "trial" else "the attempt is over"
        canvas.text(box.left, middle, words, 14, face="bold", anchor="lm", width=room)
        return
    canvas.text(box.left, middle, "action", 12, colour=PALE, anchor="lm")
    name = name_of(story.scene, now)
    if isinstance(now.action, int) and now.action >= len(story.scene.action_names):
        name += " (replaced)"
    canvas.text(box.left + 48, middle, name, 14, colour=CHOSEN, face="bold", anchor="lm", width=room - 48)


def _text(canvas: Canvas, box: Box, story: Story) -> None:
    """The observation large, and below it the last steps, one a line."""
    canvas.text(box.left + 8, box.top + 4, "observation", 12, colour=PALE)
    words = describe(story.now.sight.observation)
    high, width = box.height // 3, box.width - 16
    size = next((s for s in _SIZES if len(wrap(words, width, s, "mono")) * (s + 6) <= high), _SIZES[-1])
    lines = wrap(words, width, size, "mono")[: max(1, high // (size + 6))]
    for place, line in enumerate(lines):
        canvas.text(box.left + 8, box.top + 24 + place * (size + 6), line, size, face="mono")
    _steps(canvas, Box(box.left, box.top + 44 + len(lines) * (size + 6), box.right, box.bottom), story)


def _steps(canvas: Canvas, box: Box, story: Story) -> None:
    at = {"step": box.left + 46, "observation": box.left + 62, "action": box.right - 170, "reward": box.right - 8}
    for name, x in at.items():
        canvas.text(x, box.top, name, 12, colour=PALE, anchor="ra" if name in ("step", "reward") else "la")
    top, room = box.top + 20, (box.height - 20) // _ROW
    shown = list(story.recent)[-room:]
    for place, moment in enumerate(shown):
        y = top + place * _ROW
        after = shown[place + 1].reward if place + 1 < len(shown) else None
        if moment is story.now:
            canvas.fill(Box(box.left, y - 1, box.right, y + _ROW - 2), _BACK, radius=3)
        if moment.reward is None and place:
            canvas.draw.line((box.left, y - 1, box.right - 1, y - 1), fill=PALE)
        canvas.text(at["step"], y, str(moment.step), 13, face="mono", colour=PALE, anchor="ra")
        room_left = at["action"] - at["observation"] - 10
        canvas.text(at["observation"], y, describe(moment.sight.observation), 13, face="mono", width=room_left)
        name = "(over)" if moment.end is not None else name_of(story.scene, moment)
        colour = PALE if moment.end is not None else CHOSEN if moment is story.now else INK
        canvas.text(at["action"], y, cut(name, 100, 13, "mono"), 13, face="mono", colour=colour)
        if after is not None and moment.end is None:
            colour = GAIN if after > 0 else LOSS if after < 0 else PALE
            canvas.text(at["reward"], y, spoken(after), 13, face="mono", colour=colour, anchor="ra")
