"""The simulator behind `tasks.clash`."""

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from tasks.clash import DIMENSIONS

Point = NDArray[np.float32]
_MOST = 16.0


class ClashSimulator(gymnasium.Env[Point, Any]):
    """Points; 0 is left, 1 is right.

    Args:
        angle: of the task's direction, in radians.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  # as in the base class
    action_names = ("left", "right")

    def __init__(self, angle: float) -> None:
        self.observation_space = spaces.Box(-_MOST, _MOST, (DIMENSIONS,), np.float32)
        self.action_space = spaces.Discrete(2)
        self._cos, self._sin, self._playing = math.cos(angle), math.sin(angle), False
        self._point = np.zeros(DIMENSIONS, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Point, dict[str, Any]]:
        """Show the first point."""
        super().reset(seed=seed)
        self._playing = True
        self._point = self.np_random.standard_normal(DIMENSIONS, np.float32).clip(-_MOST, _MOST)
        return self._point.copy(), {}

    def step(self, action: Any) -> tuple[Point, float, bool, bool, dict[str, Any]]:
        """Push; the point stays.

        Raises:
            ResetNeeded: the episode is over, or has not begun.
        """
        if not self._playing:
            raise ResetNeeded("call reset() first")
        along = self._cos * float(self._point[0]) + self._sin * float(self._point[1])
        reward = 1.0 if (action == 1) == (along > 0) else -1.0
        self._playing = False
        return self._point.copy(), reward, True, False, {}
