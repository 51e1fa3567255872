"""Gittins indices of Bernoulli arms: optimal for discounted rewards, and close to it for a fixed number of pulls.

Source: Gittins 1979, "Bandit processes and dynamic allocation indices"; computed by calibration (Gittins, Glazebrook
and Weber 2011, "Multi-armed Bandit Allocation Indices", chapter 8): the index of an arm is the sure reward a step
for which one would retire as gladly as pull the arm and retire later,

    V(a, b) = max(m / (1 - g), p + g [p V(a + 1, b) + (1 - p) V(a, b + 1)]),   p = a / (a + b).

Departs: an arm that has been pulled `depth` times is taken for known, V = max(m, p) / (1 - g); the index is
interpolated between the `levels` retirement rewards that are tried. Pulls in a trial are not discounted, so that the
discount is a setting to tune (as in Duan et al. 2016, "RL^2", who choose the best of several approximations).
"""

import numpy as np

from baselines.references.arms import Arms, Index, Values
from baselines.references.belief import UNIFORM, Belief


def gittins_table(
    pulls: int, discount: float, *, depth: int | None = None, levels: int = 400, belief: Belief = UNIFORM
) -> Values:
    """Indices of arms.

    Args:
        pulls: arms with fewer pulls than this are given, at least 1.
        discount: of a reward one pull later, above 0 and below 1.
        depth: pulls after which an arm is taken for known (default: 300 more than `pulls`).
        levels: retirement rewards tried between 0 and 1, at least 2.
        belief: of an arm's mean; by default it is uniform on [0, 1].
    Returns:
        ``[pulls, successes]``, NaN where there are more successes than pulls.
    Raises:
        ValueError: a setting is out of its range.
    """
    depth = pulls + 300 if depth is None else depth
    if not (1 <= pulls <= depth and 0.0 < discount < 1.0 and levels >= 2):
        raise ValueError(
            "expected 1 <= pulls <= depth, 0 < discount < 1 and levels >= 2, "
            f"got pulls={pulls}, depth={depth}, discount={discount} and levels={levels}"
        )
    sure = np.linspace(0.0, 1.0, levels)
    retire = sure / (1.0 - discount)
    table = np.full((pulls, pulls), np.nan)
    value = np.maximum(sure, _means(depth, belief)) / (1.0 - discount)
    for pulled in range(depth - 1, -1, -1):
        mean = _means(pulled, belief)
        gain = mean + discount * (mean * value[1:] + (1.0 - mean) * value[:-1]) - retire
        value = retire + np.maximum(gain, 0.0)
        if pulled < pulls:
            last = (gain >= 0.0).sum(axis=1).clip(1, levels - 1) - 1  # gain falls as the sure reward rises
            here, after = (np.take_along_axis(gain, at[:, None], axis=1)[:, 0] for at in (last, last + 1))
            table[pulled, : pulled + 1] = sure[last] + here / (here - after) * sure[1]
    return table


def tuned_discount(pulls: int) -> float:
    """A discount that is near the best of those tried for 10, 100 and 500 pulls: 1 - 3 / pulls."""
    return max(0.5, 1.0 - 3.0 / pulls)


def gittins(pulls: int, discount: float, belief: Belief = UNIFORM) -> Index:
    """Pulls the arm of the highest index, for as many pulls as given."""
    table = gittins_table(pulls, discount, belief=belief)

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        return table[arms.pulls.astype(np.int64), arms.total.astype(np.int64)]

    return index


def _means(pulled: int, belief: Belief) -> Values:
    """Posterior means ``[successes, 1]`` after so many pulls."""
    successes = np.arange(pulled + 1.0)[:, None]
    return belief.mean(successes, pulled - successes)
