"""Letters in pictures: fonts that come with matplotlib, and texts that fit."""

from functools import cache
from pathlib import Path
from typing import Literal

from PIL import ImageFont

Face = Literal["plain", "bold", "mono"]
_FILES = {"plain": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf", "mono": "DejaVuSansMono.ttf"}


@cache
def font(size: int, face: Face = "plain") -> ImageFont.FreeTypeFont:
    """A font; `size` in pixels."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf" / _FILES[face], size)


def cut(text: str, width: float, size: int, face: Face = "plain") -> str:
    """As much of a text as fits into so many pixels."""
    letters = font(size, face)
    if letters.getlength(text) <= width:
        return text
    while text and letters.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def wrap(text: str, width: float, size: int, face: Face = "plain") -> list[str]:
    """The text in lines of at most so many pixels, broken between words, and within words that are too long."""
    letters, lines = font(size, face), [""]
    for word in text.split():
        if not lines[-1] or letters.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}".strip()
        else:
            lines.append(word)
        while letters.getlength(lines[-1]) > width and len(lines[-1]) > 1:
            long, fits = lines[-1], 1
            while letters.getlength(long[: fits + 1]) <= width:
                fits += 1
            lines[-1:] = [long[:fits], long[fits:]]
    return lines


def spoken(value: float) -> str:
    """A number as short as can be, three digits of it exact, with a proper minus sign."""
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    else:
        text = f"{value:z.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")
