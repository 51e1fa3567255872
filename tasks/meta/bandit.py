"""Bandits: an arm is pulled at every step, and pays at random around a mean of its own.

Source: Duan et al. 2016, "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning" (Bernoulli arms,
means uniform in [0, 1]).

The observation is always 0: all there is to know is what was pulled and what it paid.
"""

import random
from typing import Any

from gymnasium import spaces
from gymnasium.error import ResetNeeded

from tasks.meta.distributions import Normal, Spans
from tasks.meta.simulator import InstanceSimulator


class Bandit(InstanceSimulator):
    """Arms whose means are drawn independently.

    Args:
        arms: how many, at least 1.
        pulls: steps of an attempt.
        distribution: of the means; `Spans` makes the arms Bernoulli, `Normal` makes them normal with deviation 1.
    """

    noisy = True

    def __init__(self, arms: int, pulls: int, distribution: Spans | Normal) -> None:
        super().__init__(pulls)
        self.observation_space = spaces.Discrete(1)
        self.action_space = spaces.Discrete(arms)
        self.distribution, self.bernoulli = distribution, isinstance(distribution, Spans)
        self.means: list[float] = [0.0] * arms
        """Mean pay of each arm of this instance."""

    def draw(self, generator: random.Random) -> None:
        """See `InstanceSimulator`."""
        self.means = [self.distribution.draw(generator) for _ in self.means]

    @property
    def instance(self) -> tuple[float, ...]:
        """See `InstanceSimulator`."""
        return tuple(self.means)

    def start(self) -> int:
        """See `InstanceSimulator`."""
        return 0

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Pull an arm.

        Raises:
            ResetNeeded: the attempt is over, or has not begun.
        """
        left = self._left
        if not left:
            raise ResetNeeded("call reset() first")
        self._left = left = left - 1
        if self.bernoulli:
            reward = 1.0 if self._random.random() < self.means[action] else 0.0
        else:
            reward = self._random.gauss(self.means[action], 1.0)
        return 0, reward, not left, False, {}
