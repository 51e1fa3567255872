"""What the agent sees, straight from minigrid's list of cells; equal to minigrid's own views, and several times faster.

Minigrid cuts, turns and masks the grid cell by cell through method calls, for every step. Here the cells of a view are
read through a table of places, and what walls and doors hide is a table of two rows of seven bits.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

VIEW = 7
"""Cells in a row of the agent's view, and rows; the agent is in the middle of the last row and looks up."""
TILE = 8
"""Pixels in a row of a cell of the image."""
UNSEEN, EMPTY, WALL, AGENT = 0, 24, 68, 240
"""Cell numbers: ``state + 4 * (colour + 6 * object)`` in minigrid's codes."""
LARGEST_CODE = 10
"""Largest of minigrid's codes of objects, colours and states: the object "agent"."""
_MIDDLE = VIEW // 2


CODES = np.array([(number // 24, number // 4 % 6, number % 4) for number in range(256)], np.uint8)
"""``[cell number, 3]``: object, colour and state."""


def egocentric_cells(simulator: Any) -> bytes:
    """Numbers of the 49 cells before the agent, row by row from the farthest; what is hidden is `UNSEEN`.

    The agent's own cell holds what it carries, as in minigrid.
    """
    grid = simulator.grid
    column, row = simulator.agent_pos
    cells, places = grid.grid, _places(grid.width, grid.height, int(column), int(row), simulator.agent_dir)
    numbers, opaque = [], [0] * VIEW
    for index, place in enumerate(places):
        if place < 0:
            numbers.append(WALL)
            opaque[index // VIEW] |= 1 << index % VIEW
            continue
        cell = cells[place]
        if cell is None:
            numbers.append(EMPTY)
            continue
        kind, colour, state = cell.encode()
        numbers.append(state + 4 * (colour + 6 * kind))
        if not cell.see_behind():
            opaque[index // VIEW] |= 1 << index % VIEW
    carried = simulator.carrying
    numbers[-1 - _MIDDLE] = EMPTY if carried is None else _number(carried)
    entered = 1 << _MIDDLE
    for line in range(VIEW - 1, -1, -1):
        hidden, entered = _sight(entered, opaque[line])
        for place in hidden:
            numbers[line * VIEW + place] = UNSEEN
    return bytes(numbers)


def all_cells(simulator: Any) -> bytes:
    """Numbers of all cells of the grid, row by row from the top, with the agent; what it carries is not to be seen."""
    numbers = [EMPTY if cell is None else _number(cell) for cell in simulator.grid.grid]
    column, row = simulator.agent_pos
    numbers[row * simulator.grid.width + column] = AGENT + simulator.agent_dir
    return bytes(numbers)


def codes(cells: bytes, height: int) -> NDArray[np.uint8]:
    """``[height, width, 3]``: object, colour and state of each cell."""
    seen: NDArray[np.uint8] = CODES[np.frombuffer(cells, np.uint8)].reshape(height, -1, 3)
    return seen


def picture(cells: bytes) -> NDArray[np.uint8]:
    """The egocentric cells as ``[56, 56, 3]`` pixels, drawn as minigrid draws them."""
    tiles, own = _tiles()
    numbers = np.frombuffer(cells, np.uint8)
    drawn = tiles[numbers]
    drawn[-1 - _MIDDLE] = own[numbers[-1 - _MIDDLE]]
    side = VIEW * TILE
    return np.ascontiguousarray(drawn.reshape(VIEW, VIEW, TILE, TILE, 3).swapaxes(1, 2)).reshape(side, side, 3)


def _number(cell: Any) -> int:
    kind, colour, state = cell.encode()
    number: int = state + 4 * (colour + 6 * kind)
    return number


@cache
def _places(width: int, height: int, column: int, row: int, direction: int) -> tuple[int, ...]:
    """Where the 49 cells are in minigrid's list; -1: beyond the grid."""
    ahead = ((1, 0), (0, 1), (-1, 0), (0, -1))[direction]
    aside = (-ahead[1], ahead[0])  # to the agent's right
    places = []
    for far in range(VIEW - 1, -1, -1):
        for right in range(-_MIDDLE, VIEW - _MIDDLE):
            x = column + far * ahead[0] + right * aside[0]
            y = row + far * ahead[1] + right * aside[1]
            places.append(y * width + x if 0 <= x < width and 0 <= y < height else -1)
    return tuple(places)


@cache
def _sight(entered: int, opaque: int) -> tuple[tuple[int, ...], int]:
    """Which cells of a row stay hidden, and which of the next row are seen from it, by minigrid's two sweeps.

    Args:
        entered: bits of the cells that are seen from the row before.
        opaque: bits of the cells that nothing is seen behind.
    """
    seen, following = entered, 0
    for places, step in ((range(VIEW - 1), 1), (range(VIEW - 1, 0, -1), -1)):
        for place in places:
            if seen >> place & 1 and not opaque >> place & 1:
                seen |= 1 << place + step
                following |= 1 << place | 1 << place + step
    return tuple(place for place in range(VIEW) if not seen >> place & 1), following


@cache
def _tiles() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """``[cell number, 8, 8, 3]`` twice: cells as they are seen, and with the agent in them."""
    from minigrid.core.grid import Grid
    from minigrid.core.world_object import WorldObj

    tiles, own = np.zeros((2, 256, TILE, TILE, 3), np.uint8)
    tiles[UNSEEN] = Grid.render_tile(None, highlight=False, tile_size=TILE)
    for number in range(EMPTY, AGENT):
        kind, colour, state = CODES[number].tolist()
        if kind in (1, 2, 4, 5, 6, 7) and (kind == 4 or state == 0) and state < 3:  # only a door has states
            cell = WorldObj.decode(kind, colour, state)
            tiles[number] = Grid.render_tile(cell, highlight=True, tile_size=TILE)
            own[number] = Grid.render_tile(cell, agent_dir=3, highlight=True, tile_size=TILE)
    return tiles, own
