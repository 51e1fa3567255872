"""Student's t against scipy's tests, by hand, and where there is too little data."""

import math

import numpy as np
import pytest
from scipy import stats

from mtrl.study.statistics.student import mean_interval, paired_interval


def test_by_hand() -> None:
    # mean 2, standard error 1 / sqrt(3), quantile 4.303 of two degrees of freedom
    found, p_value = mean_interval([1.0, 2.0, 3.0])
    assert (found.value, found.low, found.high) == pytest.approx((2.0, -0.484, 4.484), abs=1e-3)
    assert p_value == pytest.approx(0.0742, abs=1e-4)


@pytest.mark.parametrize("count", [2, 3, 5, 30])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_means_and_pairs_are_those_of_scipy(count: int, confidence: float) -> None:
    rng = np.random.default_rng(count)
    x, y = rng.normal(0.3, 1.0, count), rng.normal(0.0, 2.0, count)
    expected = stats.ttest_1samp(x, 0.0)
    found, p_value = mean_interval(x, confidence=confidence)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(confidence)))
    assert (found.value, p_value) == pytest.approx((x.mean(), expected.pvalue))
    expected = stats.ttest_rel(x, y)
    found, p_value = paired_interval(x, y, confidence=confidence)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(confidence)))
    assert p_value == pytest.approx(expected.pvalue)


def test_one_value_says_nothing_of_others_and_none_is_no_mean() -> None:
    for found, p_value in (mean_interval([0.7]), paired_interval([0.9], [0.2])):
        assert (found.value, found.low, found.high) == (pytest.approx(0.7), -math.inf, math.inf)
        assert p_value == 1.0
    for found, p_value in (mean_interval([]), paired_interval([], [])):
        assert math.isnan(found.value) and (found.low, found.high) == (-math.inf, math.inf)
        assert p_value == 1.0 and not found.excludes(0.0)


def test_values_that_are_all_equal_say_nothing_of_others() -> None:
    """Rounding is no variance either."""
    for (found, p_value), value in (
        (mean_interval([0.5, 0.5, 0.5]), 0.5),
        (mean_interval([0.1 + 0.2, 0.3, 0.3]), 0.3),
        (paired_interval([0.4, 0.7, 0.5], [0.3, 0.6, 0.4]), 0.1),
    ):
        assert found.value == pytest.approx(value) and p_value == 1.0
        assert (found.low, found.high) == (-math.inf, math.inf) and not found.excludes(0.0)


def test_a_deviation_that_is_known_beforehand_bounds_that_of_the_values() -> None:
    found, p_value = paired_interval([0.4, 0.7, 0.5], [0.3, 0.6, 0.4], least=0.02)
    half = stats.t.ppf(0.975, 2) * 0.02 / math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1 - half, 0.1 + half))
    assert p_value == pytest.approx(2 * stats.t.sf(0.1 / (0.02 / math.sqrt(3)), 2))
    wide = [0.1, 0.9, 0.4]
    assert mean_interval(wide, least=0.02) == mean_interval(wide)  # they vary more than that


def test_rounding_is_no_difference() -> None:
    x, y = [0.1 + 0.2, 0.1 + 0.2], [0.3, 0.3]
    assert x != y
    found, p_value = paired_interval(x, y)
    assert (found.value, p_value) == (0.0, 1.0)
    assert paired_interval([1e6 + 1e-8, 1e6 + 2e-8], [1e6, 1e6])[1] == 1.0
    assert paired_interval([1e-9, 2e-9], [0.0, 0.0])[1] < 1.0


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="expected pairs, found 1 and 2"):
        paired_interval([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="x: expected finite numbers, found nan at place 1"):
        paired_interval([1.0, math.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="values: expected a flat list"):
        mean_interval([[1.0, 2.0]])
    with pytest.raises(ValueError, match="confidence"):
        mean_interval([1.0, 2.0], confidence=95)
