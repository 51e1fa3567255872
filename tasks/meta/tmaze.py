"""Passive T-mazes: what is seen first decides the turn at the end of a corridor.

Source: Ni et al. 2023, "When Do Transformers Shine in RL? Decoupling Memory from Credit Assignment"
(passive T-maze), after Bakker 2001, "Reinforcement Learning with Long Short-Term Memory".
Departs: observations are numbers in place of two coordinates each; what can be told from them is the same.

The junction is L steps to the right of the start, an attempt has L + 1. Each of the first L steps costs 1 / L if the
agent is then less far to the right than it could be; the last pays 1 in the right arm and 0 elsewhere. So the optimum
is 1, without memory it is 1/2, and standing still returns -1. The way is the same for all; only recall is measured.
"""

import random
from typing import Any

from gymnasium import spaces
from gymnasium.error import ResetNeeded

from tasks.meta.simulator import InstanceSimulator

CORRIDOR, SIGN_UP, SIGN_DOWN, JUNCTION, ARM_UP, ARM_DOWN = range(6)
"""What is seen; the sign only once, when an attempt begins."""
RIGHT, UP, LEFT, DOWN = range(4)


class TMaze(InstanceSimulator):
    """See the module.

    Args:
        length: L, steps from the start to the junction, at least 1.
    """

    action_names = ("right", "up", "left", "down")

    def __init__(self, length: int) -> None:
        super().__init__(length + 1)
        self.observation_space = spaces.Discrete(ARM_DOWN + 1)
        self.action_space = spaces.Discrete(len(self.action_names))
        self.length, self.up = length, True
        self._x = 0

    def draw(self, generator: random.Random) -> None:
        """See `InstanceSimulator`."""
        self.up = generator.random() < 0.5

    @property
    def instance(self) -> tuple[float, ...]:
        """See `InstanceSimulator`."""
        return (float(self.up),)

    def start(self) -> int:
        """See `InstanceSimulator`."""
        self._x = 0
        return SIGN_UP if self.up else SIGN_DOWN

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Walk. The junction is reached with one step left at most, so there is no way back from an arm.

        Raises:
            ResetNeeded: the attempt is over, or has not begun.
        """
        left, length = self._left, self.length
        if not left:
            raise ResetNeeded("call reset() first")
        self._left = left = left - 1
        seen = JUNCTION if self._x == length else CORRIDOR
        if action == RIGHT and self._x < length:
            self._x += 1
            seen = JUNCTION if self._x == length else CORRIDOR
        elif action == LEFT and self._x > 0:
            self._x -= 1
            seen = CORRIDOR
        elif seen == JUNCTION and action in (UP, DOWN):
            seen = ARM_UP if action == UP else ARM_DOWN
        if left:
            reward = -1.0 / length if self._x < length + 1 - left else 0.0
        else:
            reward = 1.0 if seen == (ARM_UP if self.up else ARM_DOWN) else 0.0
        return seen, reward, not left, False, {}
