"""Bandits: what a slot has seen of its arms, and policies that pull the arm of the highest index."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from baselines.references.reference import Observation, begun

Values: TypeAlias = NDArray[np.float64]


class Arms:
    """Sufficient statistics of Bernoulli arms, and of Gaussian ones with known noise.

    Args:
        num_slots: bandits side by side.
        num_arms: of each.
    """

    def __init__(self, num_slots: int, num_arms: int) -> None:
        self.pulls: Values = np.zeros((num_slots, num_arms))
        """``[slot, arm]``"""
        self.total: Values = np.zeros((num_slots, num_arms))
        """``[slot, arm]`` sum of rewards."""
        self.time: Values = np.zeros(num_slots)
        """``[slot]`` pulls of all arms."""

    def watch(self, observation: Observation) -> None:
        """Take in what the last pull gave.

        Raises:
            ValueError: the observation is of another number of slots.
        """
        new, old = begun(observation, len(self.pulls))
        self.pulls[new] = self.total[new] = 0.0
        arm = observation["previous_action"][old]
        self.pulls[old, arm] += 1.0
        self.total[old, arm] += observation["previous_reward"][old]
        self.time = observation["time"].astype(np.float64)

    def counts(self) -> tuple[Values, Values]:
        """Successes and failures ``[slot, arm]`` of Bernoulli arms."""
        return self.total, self.pulls - self.total

    def normal(self, scale: float) -> tuple[Values, Values]:
        """Mean and standard deviation ``[slot, arm]`` of the posterior of means from Normal(0, scale), unit noise."""
        precision = scale**-2 + self.pulls
        return self.total / precision, precision**-0.5


Index: TypeAlias = Callable[[Arms, np.random.Generator], Values]
"""How good it is to pull each arm, ``[slot, arm]``."""


class IndexPolicy:
    """Pulls the arm of the highest index, the first of them where several are alike."""

    def __init__(self, num_slots: int, generator: np.random.Generator, *, num_arms: int, index: Index) -> None:
        self.arms, self.generator, self.index = Arms(num_slots, num_arms), generator, index

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """See `baselines.references.reference.Reference`."""
        self.arms.watch(observation)
        actions: NDArray[np.int64] = self.index(self.arms, self.generator).argmax(axis=1)
        return actions
