"""Thompson sampling: pull the arm that is best in one sample from the posterior.

Source: Thompson 1933, "On the likelihood that one unknown probability exceeds another in view of the evidence of two
samples"; the optimistic form: May, Korda, Lee and Leslie 2012, "Optimistic Bayesian sampling in contextual-bandit
problems", where no sample may fall below the posterior mean.
"""

import numpy as np

from baselines.references.arms import Arms, Index, Values


def bernoulli(*, optimistic: bool = False) -> Index:
    """For arms whose means are uniform on [0, 1]."""

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        a, b = arms.beta()
        sample = generator.beta(a, b)
        return np.maximum(sample, a / (a + b)) if optimistic else sample

    return index


def gaussian(scale: float, *, optimistic: bool = False) -> Index:
    """For arms whose means are Normal(0, scale), with unit noise."""

    def index(arms: Arms, generator: np.random.Generator) -> Values:
        mean, deviation = arms.normal(scale)
        sample = generator.standard_normal(mean.shape)
        return mean + deviation * (np.maximum(sample, 0.0) if optimistic else sample)

    return index
