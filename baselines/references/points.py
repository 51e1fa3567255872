"""Point robots: posterior sampling over goals, and what a known goal is worth.

Source: Strens 2000, "A Bayesian framework for reinforcement learning"; Osband et al. 2013: a goal that agrees with all
rewards so far is drawn, walked to as fast as it goes, and kept until a reward refutes it.
Departs: goals are thought to be one of many candidates. One is refuted when its reward at a place is not the one that
was paid, by more than the distance between neighbouring candidates explains.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from baselines.references.reference import Observation, begun
from tasks.meta.distributions import Arc
from tasks.meta.point import RADIUS, STEPS, STRIDE

Places: TypeAlias = NDArray[np.float64]
"""``[..., 2]``: x and y."""


def candidates(goals: Any, count: int) -> tuple[Places, float]:
    """About so many goals, evenly spaced over where goals are drawn from.

    Args:
        goals: `tasks.meta.distributions.Arc` or ``Square``.
        count: at least 1.
    Returns:
        The goals ``[candidate, 2]``, and the most that any goal is away from the nearest of them.
    """
    if isinstance(goals, Arc):
        spans = goals.degrees.parts
        gap = sum(high - low for low, high in spans) / count
        parts = [np.linspace(low, high, max(1, round((high - low) / gap)), endpoint=False) for low, high in spans]
        half = [(high - low) / len(part) / 2.0 for (low, high), part in zip(spans, parts, strict=True)]
        angle = np.radians(np.concatenate([part + shift for part, shift in zip(parts, half, strict=True)]))
        return np.stack([np.cos(angle), np.sin(angle)], axis=1), float(np.radians(max(half)))
    side = max(1, round(count**0.5))
    line = (np.arange(side) + 0.5) * (2.0 / side) - 1.0
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), 2.0**0.5 / side


def pay(place: Places, goal: Places, *, sparse: bool) -> Places:
    """The reward at a place, ``[...]``."""
    distance = np.linalg.norm(place - goal, axis=-1)
    return np.where(distance <= RADIUS, 1.0 - distance, 0.0) if sparse else -distance


def stride(place: Places, goal: Places, *, discrete: bool) -> Places:
    """The move that brings each coordinate as near as it goes, in strides."""
    move: Places = np.clip((goal - place) / STRIDE, -1.0, 1.0)
    return np.rint(move) if discrete else move


def known_values(goals: Any, *, sparse: bool, discrete: bool, count: int = 40_000) -> Places:
    """What an attempt is worth to who knows the goal, for goals evenly spaced over where they are drawn from.

    Of so many goals on an arc the mean is exact to 2e-5, of 1,000,000 in the square to 2e-4 (a move or the radius lies
    on one side or the other of a whole row of them).
    """
    goal, _ = candidates(goals, count)
    place, value = np.zeros_like(goal), np.zeros(len(goal))
    for _ in range(STEPS):
        place = place + STRIDE * stride(place, goal, discrete=discrete)
        value += pay(place, goal, sparse=sparse)
    return value


class PointSampler:
    """Walks to a sampled goal.

    Args:
        goals: what goals are drawn from, as for `candidates`.
        sparse: how a distance is paid.
        discrete: whether actions are numbers of moves, in place of two numbers from -1 to 1.
        count: about how many candidates.
    """

    def __init__(
        self,
        num_slots: int,
        generator: np.random.Generator,
        *,
        goals: Any,
        sparse: bool,
        discrete: bool,
        count: int = 400,
    ) -> None:
        self.sparse, self.discrete, self.generator = sparse, discrete, generator
        self.candidates, self.tolerance = candidates(goals, count)
        self.possible: NDArray[np.bool_] = np.ones((num_slots, len(self.candidates)), np.bool_)
        self.target: NDArray[np.int64] = np.full(num_slots, -1)
        self.place: Places = np.zeros((num_slots, 2))

    def act(self, observation: Observation) -> NDArray[Any]:
        """See `baselines.references.reference.Reference`.

        Raises:
            ValueError: the observation is of another number of slots, or rewards contradict the prior.
        """
        self._watch(observation)
        slots = np.arange(len(self.target))
        kept = (self.target >= 0) & self.possible[slots, self.target]
        lost = np.flatnonzero(~kept)
        draw = np.where(self.possible[lost], self.generator.random((len(lost), len(self.candidates))), -1.0)
        self.target[lost] = draw.argmax(axis=1)
        self.place = observation["vector"].astype(np.float64)
        move = stride(self.place, self.candidates[self.target], discrete=self.discrete)
        self.place = self.place + STRIDE * move
        if self.discrete:
            number: NDArray[np.int64] = np.rint(3.0 * move[:, 0] + move[:, 1] + 4.0).astype(np.int64)
            return number
        return move.astype(np.float32)

    def _watch(self, observation: Observation) -> None:
        """Refute the goals that would not have paid what the last step did; it ended in `place`."""
        new, old = begun(observation, len(self.target))
        self.possible[new], self.target[new] = True, -1
        distance = np.linalg.norm(self.place[old, None] - self.candidates, axis=-1)
        paid = observation["previous_reward"][old, None].astype(np.float64)
        near = self.tolerance + 1e-6  # rewards are seen as float32
        if self.sparse:
            beyond = distance >= RADIUS - near
            agrees = np.where(paid > 0.0, np.abs(1.0 - distance - paid) <= near, beyond)
        else:
            agrees = np.abs(distance + paid) <= near
        self.possible[old] &= agrees
        if not self.possible.any(axis=1).all():
            raise ValueError("no goal is left that agrees with the rewards: it lies outside where goals are drawn from")
