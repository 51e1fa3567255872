"""Thompson sampling: pull the arm that is best in one sample from the posterior.

Source: Thompson 1933, "On the likelihood that one unknown probability exceeds another in view of the evidence of two
samples"; the optimistic form: May, Korda, Lee and Leslie 2012, "Optimistic Bayesian sampling in contextual-bandit
problems", where no sample may fall below the posterior mean.
"""

import numpy as np

from baselines.references.arms import Arms, Index, Values
from baselines.references.belief import UNIFORM, Belief


def bernoulli(belief: Belief = UNIFORM, *, optimistic: bool = False) -> Index:
    """For Bernoulli arms; by default their means are uniform on [0, 1]."""

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        sample = belief.sample(*arms.counts(), generator)
        return np.maximum(sample, belief.mean(*arms.counts())) if optimistic else sample

    return index


def gaussian(scale: float, *, optimistic: bool = False) -> Index:
    """For arms whose means are Normal(0, scale), with unit noise."""

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        mean, deviation = arms.normal(scale)
        sample = generator.standard_normal(mean.shape)
        return mean + deviation * (np.maximum(sample, 0.0) if optimistic else sample)

    return index
