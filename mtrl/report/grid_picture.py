"""A grid of object, colour and state codes as coloured cells.

Source: the codes are those of Chevalier-Boisvert et al. 2023, "Minigrid & Miniworld"; other codes get colours of their
own from a fixed wheel.
"""

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

UNSEEN, EMPTY, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(11)
GROUND: dict[int, Colour] = {
    UNSEEN: (58, 62, 70),
    EMPTY: (22, 24, 28),
    WALL: (128, 132, 140),
    FLOOR: (44, 48, 56),
    GOAL: (60, 170, 90),
    LAVA: (235, 110, 30),
}
COLOURS: tuple[Colour, ...] = (
    (228, 56, 52),
    (66, 190, 84),
    (64, 120, 240),
    (160, 84, 210),
    (240, 212, 64),
    (170, 174, 182),
)
LETTERS = {KEY: "key", BALL: "ball", BOX: "box", DOOR: "door", AGENT: "agent"}


def draw_grid(codes: NDArray[np.uint8], side: int) -> Image.Image:
    """Draw a grid into a square.

    Args:
        codes: [height, width, channel]; channel 0 is the object, 1 its colour, 2 its state, as far as there are any.
        side: of the square, in pixels.
    """
    height, width = codes.shape[:2]
    cell = max(1, side // max(height, width))
    picture = Image.new("RGB", (side, side), (232, 234, 238))
    draw = ImageDraw.Draw(picture)
    left, top = (side - cell * width) // 2, (side - cell * height) // 2
    for row in range(height):
        for column in range(width):
            object_, colour, state = (*codes[row, column].tolist(), 0, 0)[:3]
            x, y = left + column * cell, top + row * cell
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=_ground(object_))
            _shape(draw, object_, COLOURS[colour % len(COLOURS)], state, (x, y, x + cell - 2, y + cell - 2))
    return picture


def _ground(object_: int) -> Colour:
    if object_ in GROUND:
        return GROUND[object_]
    if object_ in LETTERS:
        return GROUND[EMPTY]
    red, green, blue = colorsys.hsv_to_rgb(object_ * 0.381966 % 1.0, 0.6, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def _shape(draw: ImageDraw.ImageDraw, object_: int, colour: Colour, state: int, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    inset = max(1, (right - left) // 5)
    inner = (left + inset, top + inset, right - inset, bottom - inset)
    middle = (top + bottom) // 2
    match object_:
        case 4:  # a door: open (0) is its frame alone, locked (2) is full
            draw.rectangle(box, outline=colour, width=max(1, inset // 2), fill=None if state != 2 else colour)
            if state == 1:
                draw.rectangle(inner, outline=colour)
        case 5:
            draw.ellipse((left + inset, top + inset, left + 3 * inset, top + 3 * inset), outline=colour, width=2)
            draw.line((left + 3 * inset, top + 2 * inset, right, top + 2 * inset), fill=colour, width=2)
        case 6:
            draw.ellipse(inner, fill=colour)
        case 7:
            draw.rectangle(inner, outline=colour, width=2)
            draw.line((left + inset, middle, right - inset, middle), fill=colour)
        case 10:
            draw.polygon(_arrow(inner, state % 4), fill=COLOURS[0])


def _arrow(box: tuple[int, int, int, int], direction: int) -> list[tuple[int, int]]:
    left, top, right, bottom = box
    x, y = (left + right) // 2, (top + bottom) // 2
    return [
        [(left, top), (left, bottom), (right, y)],
        [(left, top), (right, top), (x, bottom)],
        [(right, top), (right, bottom), (left, y)],
        [(left, bottom), (right, bottom), (x, top)],
    ][direction]
