"""A hallway with a sign: where reading pays and sampling a hypothesis never reads.

Source: Zintgraf et al. 2020, "VariBAD: A Very Good Method for Bayes-Adaptive Deep RL via Meta-Learning" (where sampling
falls short of the Bayes optimum); Liu et al. 2021, "Decoupling Exploration and Exploitation for Meta-Reinforcement
Learning without Sacrifices" (DREAM; a sign that has to be read). Posterior sampling plays the optimal policy of one
sampled task after another, so it never does what is optimal in none of them.
Departs: the hallway and its sizes are ours.

    L . . . S . . . R        an attempt begins at S; either end ends it, the right one with 1, the wrong one with 0
            .
            ?                the sign, two steps below, tells which end is the right one

The ends are 4 steps from the start, an attempt has 12. The instance is the end that pays, each with probability 1/2.

- Who reads the sign (2 steps there, 2 back, 4 to the end) earns 1 in every attempt.
- With a known end the shortest way is 4 steps along the hallway, whichever end it is: the sign is on no such way.
  Whoever goes without reading tries one end an attempt, and knows from then on: 1/2 in the first attempt, 1 in all
  others.

So in trials of two attempts the optimum is 2, and the best without reading 1.5.
"""

import random
from typing import Any

from gymnasium import spaces
from gymnasium.error import ResetNeeded

from tasks.meta.simulator import InstanceSimulator

HALF, STEPS = 4, 12
START, SIDE_WAY = HALF, 2 * HALF + 1
SIGN_LEFT, SIGN_RIGHT = SIDE_WAY + 1, SIDE_WAY + 2
"""What is seen: 0 to 8 along the hallway, 9 below the start, 10 or 11 at the sign, which then tells the end."""
LEFT, RIGHT, UP, DOWN = range(4)


class Hallway(InstanceSimulator):
    """See the module."""

    action_names = ("left", "right", "up", "down")

    def __init__(self) -> None:
        super().__init__(STEPS)
        self.observation_space = spaces.Discrete(SIGN_RIGHT + 1)
        self.action_space = spaces.Discrete(len(self.action_names))
        self.goal = 0
        """The end that pays: 0 or 8."""
        self._moves: list[tuple[int, int, int, int]] = []
        self._seen = START

    def draw(self, generator: random.Random) -> None:
        """See `InstanceSimulator`."""
        right = generator.random() < 0.5
        self.goal = 2 * HALF if right else 0
        self._moves = _RIGHT_MOVES if right else _LEFT_MOVES

    @property
    def instance(self) -> tuple[float, ...]:
        """See `InstanceSimulator`."""
        return (float(self.goal > 0),)

    def start(self) -> int:
        """See `InstanceSimulator`."""
        self._seen = START
        return START

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Walk.

        Raises:
            ResetNeeded: the attempt is over, or has not begun.
        """
        left = self._left
        if not left:
            raise ResetNeeded("call reset() first")
        self._seen = seen = self._moves[self._seen][action]
        at_end = seen in (0, 2 * HALF)
        self._left = left = 0 if at_end else left - 1
        return seen, 1.0 if seen == self.goal else 0.0, not left, False, {}


def _moves(sign: int) -> list[tuple[int, int, int, int]]:
    """``[seen][action]``: what is seen next."""
    hallway = [(max(x - 1, 0), min(x + 1, 2 * HALF), x, SIDE_WAY if x == START else x) for x in range(2 * HALF + 1)]
    return [*hallway, (SIDE_WAY, SIDE_WAY, START, sign), *[(sign, sign, SIDE_WAY, sign)] * 2]


_LEFT_MOVES, _RIGHT_MOVES = _moves(SIGN_LEFT), _moves(SIGN_RIGHT)
