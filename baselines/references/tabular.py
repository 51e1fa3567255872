"""Tabular MDPs: what a slot has seen, plans for fixed horizons, and policies that plan when an attempt begins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from baselines.references.reference import Observation, begun
from tasks.meta.distributions import dirichlet

Values: TypeAlias = NDArray[np.float64]
Policy: TypeAlias = NDArray[np.int64]
"""``[slot, step, state]``: an action for every step of an attempt."""


@dataclass(frozen=True)
class Shape:
    """Sizes of an MDP, and what its moves are drawn from."""

    states: int
    actions: int
    horizon: int
    """Steps of an attempt."""
    concentration: float = 1.0
    """Of the symmetric Dirichlet distribution of the next state's probabilities; 1: flat."""


@dataclass(frozen=True)
class Posterior:
    """After a symmetric Dirichlet prior of transitions, and reward means from Normal(1, 1) with unit noise."""

    moves: Values
    """``[slot, state, action, next state]`` how often seen."""
    pulls: Values
    """``[slot, state, action]`` how often a reward was seen."""
    total: Values
    """``[slot, state, action]`` sum of these rewards."""
    concentration: float
    """Of the prior: how often each move counts as seen beforehand."""

    @classmethod
    def prior(cls, num_slots: int, shape: Shape) -> "Posterior":
        """Nothing seen."""
        pairs = (num_slots, shape.states, shape.actions)
        return cls(np.zeros((*pairs, shape.states)), np.zeros(pairs), np.zeros(pairs), shape.concentration)

    def at(self, slots: NDArray[np.int64]) -> "Posterior":
        """That of these slots."""
        return Posterior(self.moves[slots], self.pulls[slots], self.total[slots], self.concentration)

    def mean_rewards(self) -> Values:
        """``[slot, state, action]``; their variance is 1 / (1 + pulls)."""
        return (1.0 + self.total) / (1.0 + self.pulls)

    def mean_moves(self) -> Values:
        """``[slot, state, action, next state]``"""
        weights = self.concentration + self.moves
        mean: Values = weights / weights.sum(axis=-1, keepdims=True)
        return mean

    def sample(self, generator: np.random.Generator) -> tuple[Values, Values]:
        """Transitions and rewards of one MDP for every slot."""
        moves = dirichlet(generator, self.concentration + self.moves)
        rewards = self.mean_rewards() + generator.standard_normal(self.pulls.shape) / np.sqrt(1.0 + self.pulls)
        return moves, rewards


Plan: TypeAlias = Callable[[Posterior, np.random.Generator], Policy]
"""What to do in the next attempt."""


def value_iteration(moves: Values, rewards: Values, horizon: int) -> tuple[Policy, Values]:
    """The best policy for so many steps.

    Args:
        moves: ``[slot, state, action, next state]`` probabilities.
        rewards: ``[slot, state, action]`` means.
        horizon: steps, at least 1.
    Returns:
        Policy, and ``[slot, state]`` its value from the first step on.
    """
    slots, states, actions = rewards.shape
    policy = np.empty((slots, horizon, states), np.int64)
    value = np.zeros((slots, states))
    for step in range(horizon - 1, -1, -1):
        ahead = rewards + (moves.reshape(slots, states * actions, states) @ value[..., None]).reshape(rewards.shape)
        policy[:, step], value = ahead.argmax(axis=-1), ahead.max(axis=-1)
    return policy, value


class TabularPolicy:
    """Follows a plan in every attempt, and makes the next one from all that the trial has shown.

    Args:
        epsilon: share of steps with a random action, 0 to 1.
    """

    def __init__(
        self, num_slots: int, generator: np.random.Generator, *, shape: Shape, plan: Plan, epsilon: float = 0.0
    ) -> None:
        if not 0.0 <= epsilon <= 1.0:
            raise ValueError(f"expected epsilon, the share of random actions, from 0 to 1, got {epsilon}")
        self.shape, self.plan, self.generator, self.epsilon = shape, plan, generator, epsilon
        self.posterior = Posterior.prior(num_slots, shape)
        self.policy: Policy = np.zeros((num_slots, shape.horizon, shape.states), np.int64)
        self.state: NDArray[np.int64] = np.zeros(num_slots, np.int64)
        self.step: NDArray[np.int64] = np.zeros(num_slots, np.int64)

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """See `baselines.references.reference.Reference`.

        Raises:
            ValueError: the observation is of other numbers of slots or states, or an attempt is too long.
        """
        slots = np.arange(len(self.state))
        state = self._watch(observation)
        start = observation["attempt_start"] == 1
        self.step = np.where(start, 0, self.step + 1)
        if self.step.max() >= self.shape.horizon:
            raise ValueError(f"an attempt has more steps than the horizon of {self.shape.horizon}")
        if start.any():
            begins = np.flatnonzero(start)
            self.policy[begins] = self.plan(self.posterior.at(begins), self.generator)
        self.state = state
        actions = self.policy[slots, self.step, state]
        explores = self.generator.random(len(slots)) < self.epsilon
        return np.where(explores, self.generator.integers(self.shape.actions, size=len(slots)), actions)

    def _watch(self, observation: Observation) -> NDArray[np.int64]:
        """Take in the last transition; the state that ends an attempt is not shown, its reward is."""
        new, old = begun(observation, len(self.state))
        if observation["vector"].shape[1] != self.shape.states:
            raise ValueError(
                f"expected one of {self.shape.states} states, got {observation['vector'].shape[1]} numbers: "
                "play the task in a suite of its own"
            )
        seen = self.posterior
        seen.moves[new] = seen.pulls[new] = seen.total[new] = 0.0
        state: NDArray[np.int64] = observation["vector"].argmax(axis=1)
        action = observation["previous_action"]
        seen.pulls[old, self.state[old], action[old]] += 1.0
        seen.total[old, self.state[old], action[old]] += observation["previous_reward"][old]
        inside = old[observation["attempt_start"][old] == 0]
        seen.moves[inside, self.state[inside], action[inside], state[inside]] += 1.0
        return state


def known_values(shape: Shape, *, count: int, seed: int) -> Values:
    """What an attempt is worth to who knows the MDP, for so many MDPs from the prior; none can get more."""
    generator = np.random.default_rng(seed)
    moves, rewards = Posterior.prior(count, shape).sample(generator)
    return value_iteration(moves, rewards, shape.horizon)[1][:, 0]
