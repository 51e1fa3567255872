"""Dark rooms: a position is all that is seen; where the reward lies must be found, and remembered.

Source: Laskin et al. 2022, "In-context Reinforcement Learning with Algorithm Distillation" (Dark Room, Dark Room
Hard, Dark Key-to-Door).
Departs: a cell pays in the step that begins there, so that with the start in the centre and a known goal d steps away
20 steps earn 20 - d; averaged over the 81 cells of a 9 x 9 room that is 20 - 40/9 = 15.56, the optimum 15.6 to which
results are usually compared (paid on arrival it would be 16.54). Attempts at key and door begin in the centre, too.
"""

import random
from typing import Any

from gymnasium import spaces
from gymnasium.error import ResetNeeded

from tasks.meta.distributions import Cells
from tasks.meta.simulator import InstanceSimulator


class Room(InstanceSimulator):
    """A square room, walked from its centre. Cell ``side * y + x`` is seen as its number.

    Args:
        side: cells along a wall, odd.
        steps: most steps of an attempt.
        goals: what goals are drawn from.
    """

    action_names = ("left", "right", "up", "down", "stay")

    def __init__(self, side: int, steps: int, goals: Cells) -> None:
        super().__init__(steps)
        self.observation_space = spaces.Discrete(side * side)
        self.action_space = spaces.Discrete(len(self.action_names))
        self.side, self.goals = side, goals
        self.moves = [_neighbours(cell, side) for cell in range(side * side)]
        """``[cell][action]``: the next cell."""
        self._cell = self.centre = side * side // 2


class DarkRoom(Room):
    """One goal that pays 1.

    Args:
        side: cells along a wall, odd.
        steps: of an attempt.
        goals: what the goal is drawn from.
        once: whether it pays once an attempt, in place of in every step that begins there.
    """

    def __init__(self, side: int, steps: int, goals: Cells, *, once: bool) -> None:
        super().__init__(side, steps, goals)
        self.goal, self.once = self.centre, once
        self._paying = True

    def draw(self, generator: random.Random) -> None:
        """See `InstanceSimulator`."""
        self.goal = self.goals.draw(generator)

    @property
    def instance(self) -> tuple[float, ...]:
        """See `InstanceSimulator`."""
        return tuple(map(float, divmod(self.goal, self.side)))

    def start(self) -> int:
        """See `InstanceSimulator`."""
        self._cell, self._paying = self.centre, True
        return self._cell

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Walk.

        Raises:
            ResetNeeded: the attempt is over, or has not begun.
        """
        left, cell, reward = self._left, self._cell, 0.0
        if not left:
            raise ResetNeeded("call reset() first")
        self._left = left = left - 1
        if cell == self.goal and self._paying:
            reward, self._paying = 1.0, not self.once
        self._cell = cell = self.moves[cell][action]
        return cell, reward, not left, False, {}


class KeyDoor(Room):
    """A key, which pays 1 when it is reached, then a door, which pays 1 and ends the attempt.

    Both are drawn from ``goals``, and may lie in one cell.
    """

    def __init__(self, side: int, steps: int, goals: Cells) -> None:
        super().__init__(side, steps, goals)
        self.key = self.door = self.centre
        self._has_key = False

    def draw(self, generator: random.Random) -> None:
        """See `InstanceSimulator`."""
        self.key, self.door = self.goals.draw(generator), self.goals.draw(generator)

    @property
    def instance(self) -> tuple[float, ...]:
        """See `InstanceSimulator`."""
        return tuple(float(n) for cell in (self.key, self.door) for n in divmod(cell, self.side))

    def start(self) -> int:
        """See `InstanceSimulator`."""
        self._cell, self._has_key = self.centre, False
        return self._cell

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Walk.

        Raises:
            ResetNeeded: the attempt is over, or has not begun.
        """
        left, cell, reward = self._left, self._cell, 0.0
        if not left:
            raise ResetNeeded("call reset() first")
        left -= 1
        if self._has_key:
            if cell == self.door:
                reward, left = 1.0, 0
        elif cell == self.key:
            reward, self._has_key = 1.0, True
        self._left = left
        self._cell = cell = self.moves[cell][action]
        return cell, reward, not left, False, {}


def _neighbours(cell: int, side: int) -> tuple[int, ...]:
    y, x = divmod(cell, side)
    return (
        cell - (x > 0),
        cell + (x < side - 1),
        cell - side * (y > 0),
        cell + side * (y < side - 1),
        cell,
    )
