"""UCB1: pull the arm of the highest upper confidence bound.

Source: Auer, Cesa-Bianchi and Fischer 2002, "Finite-time analysis of the multiarmed bandit problem", figure 1: the mean
so far plus sqrt(2 ln t / n) after t pulls, n of them of this arm; arms not yet pulled come first.
Departs: the width can be multiplied by a constant, which Duan et al. 2016 ("RL^2") tune. And the mean may be that of
the posterior; the prior then stands for pulls that have been made, so that no arm has to be pulled once.
"""

import numpy as np

from baselines.references.arms import Arms, Index, Values
from baselines.references.belief import UNIFORM, Belief


def ucb1(constant: float = 1.0) -> Index:
    """As published, for any reward whose noise has a deviation of the order of 1 or less.

    Args:
        constant: factor of the width, at least 0.
    Raises:
        ValueError: the constant is below 0.
    """
    _check(constant)

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        with np.errstate(divide="ignore", invalid="ignore"):
            width = np.sqrt(2.0 * np.log(np.maximum(arms.time, 1.0))[:, None] / arms.pulls)
            bound = arms.total / arms.pulls + constant * width
        return np.where(arms.pulls == 0.0, np.inf, bound)

    return index


def bernoulli(constant: float, belief: Belief = UNIFORM) -> Index:
    """With the posterior mean, whose prior counts as two pulls."""
    _check(constant)

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        width = np.sqrt(2.0 * np.log1p(arms.time)[:, None] / (2.0 + arms.pulls))
        bound: Values = belief.mean(*arms.counts()) + constant * width
        return bound

    return index


def gaussian(scale: float, constant: float) -> Index:
    """With the mean and the deviation of the posterior of means from Normal(0, scale)."""
    _check(constant)

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        mean, deviation = arms.normal(scale)
        bound: Values = mean + constant * np.sqrt(2.0 * np.log1p(arms.time))[:, None] * deviation
        return bound

    return index


def _check(constant: float) -> None:
    if not constant >= 0.0:
        raise ValueError(f"expected a constant of at least 0, got {constant}: a negative one avoids what is unknown")
