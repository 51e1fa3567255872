"""What is believed of a Bernoulli arm: its mean is uniform over some ranges, until pulls tell more.

After s successes and f failures the posterior is a Beta(1 + s, 1 + f) distribution cut to the ranges. Its mean is that
of the whole one times the share of a Beta(2 + s, 1 + f) in the ranges over its own share there.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tasks.meta.distributions import Spans

Values = NDArray[np.float64]


class Belief:
    """Posterior of a Bernoulli arm.

    Args:
        prior: where its mean lies; uniform over all of it.
    """

    def __init__(self, prior: Spans) -> None:
        self.parts = prior.parts
        self.everywhere = prior.parts == ((0.0, 1.0),)

    def mean(self, successes: Values, failures: Values) -> Values:
        """Posterior means, of the shape of the counts."""
        a, b = 1.0 + successes, 1.0 + failures
        whole: Values = a / (a + b)
        if self.everywhere:
            return whole
        share, moved = self._shares(a, b).sum(axis=0), self._shares(a + 1.0, b).sum(axis=0)
        nearest = whole.clip(self.parts[0][0], self.parts[-1][1])
        # Where pulls contradict the prior so much that no number is small enough, it is at its nearest end.
        found: Values = np.where(share > 0.0, whole * moved / np.where(share > 0.0, share, 1.0), nearest)
        return found

    def sample(self, successes: Values, failures: Values, generator: np.random.Generator) -> Values:
        """A draw from the posterior of each, of the shape of the counts."""
        a, b = 1.0 + successes, 1.0 + failures
        if self.everywhere:
            return generator.beta(a, b)
        up_to = self._shares(a, b).cumsum(axis=0)
        chosen = (generator.random(a.shape) * up_to[-1] >= up_to).sum(axis=0).clip(max=len(self.parts) - 1)
        low, high = (np.array([part[end] for part in self.parts])[chosen] for end in (0, 1))
        place = generator.random(a.shape)
        above = low > a / (a + b)  # there the upper tail is the exact one
        lower = [special.betainc(a, b, end) for end in (low, high)]
        upper = [special.betaincc(a, b, end) for end in (low, high)]
        drawn = np.where(
            above,
            special.betainccinv(a, b, upper[0] + place * (upper[1] - upper[0])),
            special.betaincinv(a, b, lower[0] + place * (lower[1] - lower[0])),
        )
        found: Values = drawn.clip(low, high)
        return found

    def _shares(self, a: Values, b: Values) -> Values:
        """Shares [part, ...] of a Beta distribution that lie in each range."""
        above = a / (a + b)
        return np.stack(
            [
                np.where(
                    low > above,
                    special.betaincc(a, b, low) - special.betaincc(a, b, high),
                    special.betainc(a, b, high) - special.betainc(a, b, low),
                )
                for low, high in self.parts
            ]
        )


UNIFORM = Belief(Spans(((0.0, 1.0),)))
"""Of an arm whose mean may be anything from 0 to 1."""
