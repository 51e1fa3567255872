"""A matrix as a picture: a colour an entry, and numbers where there are few."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from mtrl.report.lettering import font, spoken
from mtrl.report.video.canvas import ACCENT, CARD, FAINT, INK, LOSS, PALE, Box, Canvas, Colour

_NUMBERED = 160
"""Entries up to which there are numbers."""
_WIDEST_NAME = 220
_HIGH, _WIDE, _WIDE_NUMBERED, _MARGIN = 18, 18, 46, 6


def heat_map(
    values: Float[NDArray[np.float64], "row column"], rows: Sequence[str], columns: Sequence[str]
) -> UInt8[NDArray[np.uint8], "height width 3"]:
    """The picture, pixel by pixel: white is 0, blue 1, red −1; NaN stays grey.

    Args:
        values: in [−1, 1]; larger ones have the colours of 1 and −1.
        rows, columns: names. Those of columns are left out where they are wider than an entry.
    """
    numbered = values.size <= _NUMBERED
    wide = _WIDE_NUMBERED if numbered else _WIDE
    left = _MARGIN + min(_WIDEST_NAME, max(font(12).getlength(name) for name in rows)) + _MARGIN
    canvas = Canvas(round(left + wide * len(columns) + _MARGIN), _MARGIN + _HIGH * (len(rows) + 1) + _MARGIN)
    for place, name in enumerate(columns):
        if font(12).getlength(name) < wide:
            canvas.text(left + (place + 0.5) * wide, _MARGIN + _HIGH / 2, name, 12, colour=PALE, anchor="mm")
    for row, name in enumerate(rows):
        top = _MARGIN + _HIGH * (row + 1)
        canvas.text(_MARGIN, top + _HIGH / 2, name, 12, width=_WIDEST_NAME, anchor="lm")
        for column in range(len(columns)):
            value = float(values[row, column])
            start = round(left + column * wide)
            canvas.fill(Box(start, top, start + wide - 1, top + _HIGH - 1), _colour(value))
            if numbered and np.isfinite(value):
                ink = CARD if abs(value) > 0.5 else INK
                canvas.text(start + wide / 2, top + _HIGH / 2, spoken(round(value, 2)), 11, colour=ink, anchor="mm")
    return np.asarray(canvas.image)


def _colour(value: float) -> Colour:
    if not np.isfinite(value):
        return FAINT
    share, end = min(1.0, abs(value)), ACCENT if value >= 0 else LOSS
    red, green, blue = (round(255 + share * (part - 255)) for part in end)
    return red, green, blue
