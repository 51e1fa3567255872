"""Random tabular decision processes.

Source: Duan et al. 2016, "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning", after Osband et al. 2013,
"(More) Efficient Reinforcement Learning via Posterior Sampling": the next state's probabilities from a flat Dirichlet
distribution (or from one of another concentration), mean rewards from Normal(1, 1), rewards from Normal(mean, 1), the
same state at every start.
"""

import random
from bisect import bisect
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from tasks.meta.distributions import Dirichlet
from tasks.meta.simulator import InstanceSimulator


class TabularMDP(InstanceSimulator):
    """States that are seen, rewards that depend on state and action. An attempt begins in state 0.

    Args:
        states: how many, at least 1.
        actions: how many, at least 1.
        horizon: steps of an attempt.
        distribution: of the next state's probabilities.
    """

    noisy = True

    def __init__(
        self, states: int, actions: int, horizon: int, distribution: Dirichlet = Dirichlet(concentration=1.0)
    ) -> None:
        super().__init__(horizon)
        self.observation_space = spaces.Discrete(states)
        self.action_space = spaces.Discrete(actions)
        self.states, self.actions, self.distribution = states, actions, distribution
        self.transitions: NDArray[np.float64] = np.zeros((states, actions, states))
        """``[state, action, next state]``: this instance's probabilities."""
        self.means: NDArray[np.float64] = np.zeros((states, actions))
        """``[state, action]``: this instance's mean rewards."""
        self._rows: list[list[float]] = []
        self._pay: list[float] = []
        self._state = 0

    def draw(self, generator: random.Random) -> None:
        """See `InstanceSimulator`."""
        tables = np.random.default_rng(generator.getrandbits(64))
        self.transitions = self.distribution.draw(tables, (self.states, self.actions, self.states))
        self.means = tables.normal(1.0, 1.0, (self.states, self.actions))
        self._rows = self.transitions.cumsum(axis=-1).reshape(-1, self.states).tolist()
        self._pay = self.means.ravel().tolist()

    @property
    def instance(self) -> tuple[float, ...]:
        """See `InstanceSimulator`."""
        return tuple(self._pay)

    def start(self) -> int:
        """See `InstanceSimulator`."""
        self._state = 0
        return 0

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Act; the reward is that of the state which the step leaves.

        Raises:
            ResetNeeded: the attempt is over, or has not begun.
        """
        left = self._left
        if not left:
            raise ResetNeeded("call reset() first")
        self._left = left = left - 1
        pair = self._state * self.actions + action
        reward = self._random.gauss(self._pay[pair], 1.0)
        # The last sum may fall short of 1 by a rounding error, so it is not looked at.
        self._state = state = bisect(self._rows[pair], self._random.random(), 0, self.states - 1)
        return state, reward, not left, False, {}
