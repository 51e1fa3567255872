"""Dark rooms: walkers who know which cells may still hold what they look for.

Two ways to choose the next cell: *sampled*, posterior sampling (Strens 2000, "A Bayesian framework for reinforcement
learning"; Osband et al. 2013): a cell that may hold the goal is drawn, walked to by the shortest way and kept until it
is refuted; and *nearest*, greedy coverage: the nearest such cell but the one underfoot, which leaving tests as well,
so that every step tests a cell where that is possible. Who has found the goal goes straight to it from then on.
"""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from baselines.references.reference import Observation, begun

Choice: TypeAlias = Literal["sampled", "nearest"]
STAY = 4
LEFT, RIGHT, UP, DOWN = range(4)


class Walker:
    """Looks for one goal, or for a key and then for a door, in rooms where a step tests the cell that it leaves.

    Args:
        side: cells along a wall; cell ``side * y + x`` is seen as its number.
        cells: those that goals are drawn from, all alike.
        goals: to be found one after the other in every attempt: 1, or 2 for key and door.
        choice: how to choose among the cells that are left.
    Raises:
        ValueError: there is no such choice.
    """

    def __init__(
        self,
        num_slots: int,
        generator: np.random.Generator,
        *,
        side: int,
        cells: tuple[int, ...],
        goals: int,
        choice: Choice,
    ) -> None:
        if choice not in ("sampled", "nearest"):
            raise ValueError(f"expected choice to be 'sampled' or 'nearest', got {choice!r}")
        self.side, self.goals, self.choice, self.generator = side, goals, choice, generator
        self.prior = np.isin(np.arange(side * side), cells)
        self.possible: NDArray[np.bool_] = np.tile(self.prior, (num_slots, goals, 1))
        """``[slot, goal, cell]``: not refuted; only the goal's own once it is found."""
        self.found: NDArray[np.bool_] = np.zeros((num_slots, goals), np.bool_)
        """``[slot, goal]``"""
        self.stage: NDArray[np.int64] = np.zeros(num_slots, np.int64)
        """``[slot]`` the goal that is looked for now."""
        self.cell: NDArray[np.int64] = np.zeros(num_slots, np.int64)
        self.target: NDArray[np.int64] = np.full((num_slots, goals), -1)
        """``[slot, goal]`` where it is looked for; -1: nowhere yet."""
        y, x = np.divmod(np.arange(side * side), side)
        self.distance = np.abs(x[:, None] - x) + np.abs(y[:, None] - y)

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """See `baselines.references.reference.Reference`.

        Raises:
            ValueError: the observation is of other numbers of slots or cells, or rewards contradict the prior.
        """
        self._watch(observation)
        slots = np.arange(len(self.cell))
        possible = self.possible[slots, self.stage]
        if not possible.any(axis=1).all():
            raise ValueError("no cell is left that could hold the goal: it lies outside the cells that were given")
        target = self.target[slots, self.stage]
        refuted = (target < 0) | ~possible[slots, target]
        lost = np.flatnonzero(refuted | ((self.choice == "nearest") & (target == self.cell)))
        if self.choice == "nearest":
            steps = np.where(possible[lost], self.distance[self.cell[lost]], np.inf)
            steps[np.arange(len(lost)), self.cell[lost]] += self.side**2  # to stay would test it no sooner
            target[lost] = steps.argmin(axis=1)
        else:
            drawn = self.generator.random((len(lost), self.side**2))
            target[lost] = np.where(possible[lost], drawn, -1.0).argmax(axis=1)
        self.target[slots, self.stage] = target
        down, right = target // self.side - self.cell // self.side, target % self.side - self.cell % self.side
        return np.where(right, np.where(right > 0, RIGHT, LEFT), np.where(down, np.where(down > 0, DOWN, UP), STAY))

    def _watch(self, observation: Observation) -> None:
        """The last reward tells whether the goal is in the cell that the last step left."""
        new, old = begun(observation, len(self.cell))
        if observation["vector"].shape[1] != self.side**2:
            raise ValueError(
                f"expected one of {self.side**2} cells, got {observation['vector'].shape[1]} numbers: "
                "play the task in a suite of its own"
            )
        self.possible[new], self.found[new], self.target[new], self.stage[new] = self.prior, False, -1, 0
        paid = observation["previous_reward"][old] > 0.0
        found, empty = old[paid], old[~paid]
        here = np.zeros_like(self.possible[found, 0])
        here[np.arange(len(found)), self.cell[found]] = True
        self.possible[found, self.stage[found]], self.found[found, self.stage[found]] = here, True
        empty = empty[~self.found[empty, self.stage[empty]]]  # what is found may pay only once
        self.possible[empty, self.stage[empty], self.cell[empty]] = False
        self.stage[found] = np.minimum(self.stage[found] + 1, self.goals - 1)
        self.stage[observation["attempt_start"] == 1] = 0
        self.cell = observation["vector"].argmax(axis=1)


def dark_values(side: int, cells: tuple[int, ...], steps: int, *, once: bool) -> NDArray[np.float64]:
    """What an attempt is worth to who knows the goal, for every goal."""
    paid = np.maximum(steps - _from_centre(side)[list(cells)], 0)
    return np.minimum(paid, 1.0) if once else paid.astype(np.float64)


def key_door_values(side: int, cells: tuple[int, ...], steps: int) -> NDArray[np.float64]:
    """What an attempt is worth to who knows key and door, for every two cells."""
    y, x = np.divmod(np.array(cells), side)
    between = np.abs(x[:, None] - x) + np.abs(y[:, None] - y)
    to_key = _from_centre(side)[list(cells)][:, None]
    to_door = to_key + np.maximum(between, 1)
    value: NDArray[np.float64] = ((to_key < steps) * 1.0 + (to_door < steps)).ravel()
    return value


def _from_centre(side: int) -> NDArray[np.int64]:
    y, x = np.divmod(np.arange(side * side), side)
    steps: NDArray[np.int64] = np.abs(x - side // 2) + np.abs(y - side // 2)
    return steps
