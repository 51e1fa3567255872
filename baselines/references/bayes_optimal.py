"""The exact Bayes optimum of Bernoulli bandits with few pulls, by dynamic programming over what may have been seen.

Source: Bellman 1956, "A problem in the sequential design of experiments": the value of what is known of all arms, with
so many pulls left, is the best arm's expected reward plus the expected value of what will then be known. Arms are
alike at first, so that their order does not matter: a state is the sorted successes and failures of all arms.
"""

from functools import cached_property
from math import comb

import numpy as np

from baselines.references.arms import Arms, Values
from baselines.references.belief import UNIFORM, Belief

MOST_STATES = 1_000_000


def count_states(num_arms: int, pulls: int) -> int:
    """How many states of at most so many pulls there are; counting ends once they are more than `MOST_STATES`."""
    each = pulls // num_arms
    if (least := comb(comb(each + 2, 2) + num_arms - 1, num_arms)) > MOST_STATES:  # of arms with as many pulls at most
        return least
    ways = [[int(arms == total == 0) for total in range(pulls + 1)] for arms in range(num_arms + 1)]
    for pulled in range(pulls + 1):
        for _ in range(pulled + 1):  # kinds of arm with so many pulls: 0 .. pulled successes
            for arms in range(1, num_arms + 1):
                for total in range(pulled, pulls + 1):
                    ways[arms][total] += ways[arms - 1][total - pulled]
        if sum(ways[num_arms]) > MOST_STATES:
            break
    return sum(ways[num_arms])


class BayesOptimal:
    """Value and policy; the value of pulling each arm is an index (`baselines.references.arms.Index`).

    Args:
        num_arms: at least 1.
        pulls: in a trial, at least 1.
        belief: of each arm's mean; by default it is uniform on [0, 1].
    Raises:
        ValueError: there are no arms, no pulls or, with several arms, more than `MOST_STATES` states.
    """

    def __init__(self, num_arms: int, pulls: int, belief: Belief = UNIFORM) -> None:
        if num_arms < 1 or pulls < 1:
            raise ValueError(f"expected at least one arm and one pull, got {num_arms} and {pulls}")
        self.num_arms, self.pulls, self.belief = num_arms, pulls, belief
        if num_arms == 1:  # nothing to choose: what is expected of the arm stays, whatever may be seen
            return
        if count_states(num_arms, pulls - 1) > MOST_STATES:
            raise ValueError(
                f"expected at most {MOST_STATES:,} states, but {num_arms} arms and {pulls} pulls have more: the exact "
                "optimum is for few pulls; see gittins for more"
            )
        self._arms = [(s, n - s) for n in range(pulls + 1) for s in range(n + 1)]
        self._code = {arm: code for code, arm in enumerate(self._arms)}
        self._means = belief.mean(*np.array(self._arms, np.float64).T).tolist()
        self._values: dict[tuple[int, ...], float] = {}

    @cached_property
    def value(self) -> float:
        """Expected sum of the rewards of a trial."""
        if self.num_arms == 1:
            return float(self.pulls * self.belief.mean(np.zeros(1), np.zeros(1))[0])
        return self._value((0,) * self.num_arms, self.pulls)

    def __call__(self, arms: Arms, generator: np.random.Generator) -> Values:
        """The expected sum of all rewards from here on, after pulling each arm, ``[slot, arm]``."""
        n, s = arms.pulls.astype(np.int64), arms.total.astype(np.int64)
        if self.num_arms == 1:
            expected: Values = (self.pulls - n) * self.belief.mean(arms.total, arms.pulls - arms.total)
            return expected
        states, inverse = np.unique(n * (n + 1) // 2 + s, axis=0, return_inverse=True)
        left = self.pulls - n.sum(axis=1)
        values: Values = np.empty(states.shape)
        for row, at in enumerate(np.unique(inverse, return_index=True)[1]):
            values[row] = [self._pull(tuple(states[row].tolist()), arm, int(left[at])) for arm in range(self.num_arms)]
        of_slots: Values = values[inverse.reshape(-1)]
        return of_slots

    def _value(self, state: tuple[int, ...], left: int) -> float:
        if left == 0:
            return 0.0
        found = self._values.get(state)
        if found is None:
            alike = [arm for arm in range(self.num_arms) if arm == 0 or state[arm] != state[arm - 1]]
            found = self._values[state] = max(self._pull(state, arm, left) for arm in alike)
        return found

    def _pull(self, state: tuple[int, ...], arm: int, left: int) -> float:
        successes, failures = self._arms[state[arm]]
        mean: float = self._means[state[arm]]
        if left == 1:
            return mean
        others = state[:arm] + state[arm + 1 :]
        won, lost = self._code[successes + 1, failures], self._code[successes, failures + 1]
        return (
            mean
            + mean * self._value(tuple(sorted((*others, won))), left - 1)
            + (1.0 - mean) * self._value(tuple(sorted((*others, lost))), left - 1)
        )
