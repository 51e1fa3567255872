"""Point robots: a point in the plane, moved to a goal that is not seen.

Source: Rakelly et al. 2019, "Efficient Off-Policy Meta-Reinforcement Learning via Probabilistic Context Variables"
(PEARL), 2-D navigation; Zintgraf et al. 2020, "VariBAD: A Very Good Method for Bayes-Adaptive Deep RL via
Meta-Learning", goals on a half circle.
Departs: the discrete robot, whose nine moves are by a stride or none along either axis.

An attempt begins in the origin. A step pays by the distance d to the goal after it: minus d, or where rewards are
sparse 1 - d within 0.2 of the goal and 0 elsewhere. The coordinates move independently, so with a known goal the best
is to bring each as near as it goes, as fast as it goes.
"""

import math
import random
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from tasks.meta.distributions import Arc, Square
from tasks.meta.simulator import InstanceSimulator

STEPS = 20
STRIDE = 0.1
"""The most that a coordinate moves in a step."""
RADIUS = 0.2
"""Distance from the goal within which a sparse reward is paid."""
MOVES = tuple(product((-1, 0, 1), repeat=2))
"""The discrete robot's moves (x, y), in strides."""
_REACH = STEPS * STRIDE

Place = NDArray[np.float32]


class Robot(InstanceSimulator):
    """What both robots share.

    Args:
        goals: what the goal is drawn from.
        sparse: how a distance is paid.
    """

    def __init__(self, goals: Arc | Square, *, sparse: bool) -> None:
        super().__init__(STEPS)
        self.observation_space = spaces.Box(-_REACH, _REACH, (2,), np.float32)
        self.goals, self.sparse = goals, sparse
        self.goal = (0.0, 0.0)
        """(x, y) of this instance's goal."""

    def draw(self, generator: random.Random) -> None:
        """See `InstanceSimulator`."""
        self.goal = self.goals.draw(generator)

    def pay(self, x: float, y: float) -> float:
        """The reward of a step that ends at a place."""
        distance = math.hypot(x - self.goal[0], y - self.goal[1])
        if self.sparse:
            return 1.0 - distance if distance <= RADIUS else 0.0
        return -distance

    @property
    def instance(self) -> tuple[float, ...]:
        """See `InstanceSimulator`."""
        return self.goal


class PointRobot(Robot):
    """Actions are moves (x, y), at most `STRIDE` along either axis; beyond that they are cut off."""

    def __init__(self, goals: Arc | Square, *, sparse: bool) -> None:
        super().__init__(goals, sparse=sparse)
        self.action_space = spaces.Box(-STRIDE, STRIDE, (2,), np.float32)
        self._x = self._y = 0.0

    def start(self) -> Place:
        """See `InstanceSimulator`."""
        self._x = self._y = 0.0
        return np.zeros(2, np.float32)

    def step(self, action: Any) -> tuple[Place, float, bool, bool, dict[str, Any]]:
        """Move.

        Raises:
            ResetNeeded: the attempt is over, or has not begun.
        """
        left = self._left
        if not left:
            raise ResetNeeded("call reset() first")
        self._left = left = left - 1
        right, up = action.tolist() if isinstance(action, np.ndarray) else map(float, action)
        self._x = x = self._x + (-STRIDE if right < -STRIDE else right if right < STRIDE else STRIDE)
        self._y = y = self._y + (-STRIDE if up < -STRIDE else up if up < STRIDE else STRIDE)
        return np.array((x, y), np.float32), self.pay(x, y), not left, False, {}


class DiscretePointRobot(Robot):
    """Actions are numbers of `MOVES`: one stride in one of eight directions, or none."""

    action_names = tuple(
        " ".join(word for word in (("down", "", "up")[y + 1], ("left", "", "right")[x + 1]) if word) or "stay"
        for x, y in MOVES
    )

    def __init__(self, goals: Arc | Square, *, sparse: bool) -> None:
        super().__init__(goals, sparse=sparse)
        self.action_space = spaces.Discrete(len(MOVES))
        self._x = self._y = 0  # in strides, so that rounding errors do not add up

    def start(self) -> Place:
        """See `InstanceSimulator`."""
        self._x = self._y = 0
        return _place(0, 0)

    def step(self, action: Any) -> tuple[Place, float, bool, bool, dict[str, Any]]:
        """Move.

        Raises:
            ResetNeeded: the attempt is over, or has not begun.
        """
        left = self._left
        if not left:
            raise ResetNeeded("call reset() first")
        self._left = left = left - 1
        right, up = MOVES[action]
        self._x, self._y = x, y = self._x + right, self._y + up
        return _place(x, y), self.pay(STRIDE * x, STRIDE * y), not left, False, {}


@cache
def _place(x: int, y: int) -> Place:
    place = np.array((STRIDE * x, STRIDE * y), np.float32)
    place.flags.writeable = False
    return place
