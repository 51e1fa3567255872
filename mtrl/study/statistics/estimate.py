"""A number and how well it is known."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, of 95% unless said otherwise.

    Where the interval cannot be told, above all with a single run, it is all that is possible: from minus infinity to
    infinity, or 0 to 1 for a share; never one without width. So `low > 0` or `high < 0` is true only where the data
    support it. Drawings and JSON have to treat the infinities as "unknown" (`known`).
    """

    value: float
    """NaN if there are no runs at all."""
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether both ends of the interval are numbers."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def excludes(self, number: float = 0.0) -> bool:
        """Whether the number lies outside the interval; its ends belong to it."""
        return number < self.low or number > self.high
