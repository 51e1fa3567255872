"""Student's t: the interval of a mean, and of a mean difference of pairs, from few runs.

Source: Student 1908, "The Probable Error of a Mean".

For normal data these intervals are right with any number of runs from two on, where a bootstrap's are too narrow.

Departs: values that are all equal say nothing of how much others would differ, for a variance of 0 is what a score that
is stuck at its floor or ceiling shows, and no estimate. Their interval is unknown and p is 1, where the source has an
interval without width and p = 0. Whoever knows that a single value is uncertain, as a score from so many trials is,
says by how much (`least`): the standard deviation counts as no less than that.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.scores import checked_numbers

ROUNDING = 1e-12
"""A difference of scores below this times the largest score (and 1) is rounding, not a difference."""


LEAST_SEEDS = 3
"""Fewer tell nothing apart: of two, p is below 0.05 as soon as they differ by less than 0.16 of their mean, which is a
matter of how scores are rounded and bounded rather than of normal data."""


def mean_interval(values: ArrayLike, *, confidence: float = 0.95, least: float = 0.0) -> tuple[Estimate, float]:
    """Mean of independent values with its t-interval, and the two-sided p-value of a true mean of 0.

    Args:
        values: may be empty.
        confidence: between 0 and 1.
        least: the standard deviation of a single value is at least this.
    Returns:
        With one value the interval is from minus infinity to infinity and p is 1; without any the mean is NaN as well.
        So it is where all values are equal (up to rounding) and `least` is 0.
    Raises:
        ValueError: a value is not finite.
    """
    found = checked_numbers(values, "values")
    if len(found) < 2:
        return _unknown(float(found[0]) if len(found) else math.nan)
    deviation = float(found.std(ddof=1))
    deviation = max(least, deviation if deviation > ROUNDING * float(np.abs(found).max()) else 0.0)
    return _student(float(found.mean()), deviation / math.sqrt(len(found)), len(found) - 1, confidence)


def paired_interval(
    x: ArrayLike, y: ArrayLike, *, confidence: float = 0.95, least: float = 0.0
) -> tuple[Estimate, float]:
    """Mean of x - y over pairs, with its t-interval, and the two-sided p-value of no difference.

    Args:
        x, y: of the same length; may be empty.
        least: the standard deviation of a single difference is at least this.
    Returns:
        As `mean_interval`.
    Raises:
        ValueError: a value is not finite, or the lengths differ.
    """
    first, second = checked_numbers(x, "x"), checked_numbers(y, "y")
    if len(first) != len(second):
        raise ValueError(f"expected pairs, found {len(first)} and {len(second)} values")
    return mean_interval(_without_rounding(first - second, first, second), confidence=confidence, least=least)


def _student(mean: float, error: float, freedom: float, confidence: float) -> tuple[Estimate, float]:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: expected a number between 0 and 1 such as 0.95, found {confidence}")
    half = error * float(stats.t.ppf((1.0 + confidence) / 2.0, freedom))
    if error == 0.0:
        return _unknown(mean)
    return Estimate(mean, mean - half, mean + half), 2.0 * float(stats.t.sf(abs(mean) / error, freedom))


def _unknown(value: float) -> tuple[Estimate, float]:
    return Estimate(value, -math.inf, math.inf), 1.0


def _without_rounding(
    difference: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Differences with those set to 0 that are rounding: otherwise runs that are equal could differ "significantly"."""
    largest = max(float(np.abs(x).max(initial=1.0)), float(np.abs(y).max(initial=1.0)))
    return np.where(np.abs(difference) <= ROUNDING * largest, 0.0, difference)
