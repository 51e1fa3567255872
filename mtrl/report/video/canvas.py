"""Where panels are drawn: boxes, colours, and lines that are not jagged."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from mtrl.report.lettering import Face, cut, font

Colour = tuple[int, int, int]

INK: Colour = (28, 32, 38)
PALE: Colour = (110, 118, 128)
FAINT: Colour = (222, 225, 230)
PAPER: Colour = (244, 245, 247)
CARD: Colour = (255, 255, 255)
ACCENT: Colour = (0, 114, 178)
CHOSEN: Colour = (213, 94, 0)
GAIN: Colour = (0, 132, 94)
LOSS: Colour = (178, 24, 43)
_FINER = 2


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top

    def inside(self, left: int, top: int, right: int, bottom: int) -> "Box":
        """The box without so many pixels at each side."""
        return Box(self.left + left, self.top + top, self.right - right, self.bottom - bottom)


class Canvas:
    """A picture to draw on."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def fill(self, box: Box, colour: Colour, *, outline: Colour | None = None, radius: int = 0) -> None:
        """A rectangle; one without pixels is left out."""
        if box.width > 0 and box.height > 0:
            edges = (box.left, box.top, box.right - 1, box.bottom - 1)
            self.draw.rounded_rectangle(edges, radius, fill=colour, outline=outline)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int,
        *,
        colour: Colour = INK,
        face: Face = "plain",
        width: float | None = None,
        anchor: str = "la",
    ) -> None:
        """One line, cut where `width` ends. The anchor is Pillow's: "la" is left and top, "rm" right and middle."""
        self.draw.text(
            (x, y),
            text if width is None else cut(text, width, size, face),
            fill=colour,
            font=font(size, face),
            anchor=anchor,
        )

    def line(self, box: Box, points: Sequence[tuple[float, float]], colour: Colour, *, width: int = 2) -> None:
        """A smooth line through points within the box; what was drawn there before stays below it."""
        if len(points) < 2 or box.width < 1 or box.height < 1:
            return
        size = (box.width * _FINER, box.height * _FINER)
        mask = Image.new("L", size)
        moved = [((x - box.left) * _FINER, (y - box.top) * _FINER) for x, y in points]
        ImageDraw.Draw(mask).line(moved, fill=255, width=width * _FINER, joint="curve")
        self.image.paste(colour, (box.left, box.top, box.right, box.bottom), mask.reduce(_FINER))

    def dot(self, x: float, y: float, colour: Colour, *, radius: float = 3.5) -> None:
        """A disc."""
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
