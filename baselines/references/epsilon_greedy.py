"""Epsilon-greedy: the arm of the highest posterior mean, but now and then any arm.

Source: Sutton and Barto 2018, "Reinforcement Learning: An Introduction", section 2.2.
Departs: the mean is that of the posterior, as in Duan et al. 2016 ("RL^2"); arms of the same mean are drawn alike.
"""

from collections.abc import Callable

import numpy as np

from baselines.references.arms import Arms, Index, Values
from baselines.references.belief import UNIFORM, Belief


def bernoulli(epsilon: float, belief: Belief = UNIFORM) -> Index:
    """For Bernoulli arms; by default their means are uniform on [0, 1]."""
    return _greedy(lambda arms: belief.mean(*arms.counts()), epsilon)


def gaussian(scale: float, epsilon: float) -> Index:
    """For arms whose means are Normal(0, scale), with unit noise."""
    return _greedy(lambda arms: arms.normal(scale)[0], epsilon)


def _greedy(means: Callable[[Arms], Values], epsilon: float) -> Index:
    if not 0.0 <= epsilon <= 1.0:
        raise ValueError(f"expected epsilon, the share of random pulls, from 0 to 1, got {epsilon}")

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        noise = generator.random(arms.pulls.shape)
        explores = generator.random(len(noise)) < epsilon
        return np.where(explores[:, None], noise, means(arms) + 1e-9 * noise)

    return index
