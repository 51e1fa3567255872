"""Comparisons: hand-worked numbers, scipy's tests, too few runs, and how often equal methods are told apart."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtrl.study.statistics.comparisons import paired_differences, probability_of_improvement
from mtrl.study.statistics.holm import holm


def by_seed(rows: Any, seeds: list[int] | None = None) -> dict[int, Any]:
    return dict(zip(seeds or range(len(rows)), rows, strict=True))


def test_the_probability_of_improvement_by_hand() -> None:
    x, y = np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([[2.0, 0.0], [1.0, 5.0]])
    # first task: 1 beats neither and ties with 1; 3 beats both: 2.5 of 4; second task: two ties, two losses: 1 of 4
    assert probability_of_improvement(x, y).value == pytest.approx((2.5 / 4 + 1 / 4) / 2)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(0, 100))
def test_improvement_and_its_opposite_are_all_there_is(runs_x: int, runs_y: int, tasks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(4, size=(runs_x, tasks)) / 1.0, rng.integers(4, size=(runs_y, tasks)) / 1.0
    there, back = (probability_of_improvement(*pair, replicates=50) for pair in ((x, y), (y, x)))
    assert there.value + back.value == pytest.approx(1.0)
    assert probability_of_improvement(x, x, replicates=50).value == pytest.approx(0.5)
    assert probability_of_improvement(np.exp(x), np.exp(y), replicates=50) == there  # only ranks count
    assert 0.0 <= there.low <= there.high <= 1.0


def test_methods_that_always_win_have_no_width_and_single_runs_leave_all_open() -> None:
    low, high = np.zeros((4, 3)), np.ones((5, 3))
    found = probability_of_improvement(high, low)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    for x, y in ((high[:1], low), (high, low[:1])):
        found = probability_of_improvement(x, y)
        assert (found.value, found.low, found.high) == (1.0, 0.0, 1.0)


def test_runs_of_both_methods_are_drawn_independently() -> None:
    # paired draws of the same rows could never tell these apart from a certain 1
    x = np.array([[1.0], [2.0], [3.0], [4.0]])
    found = probability_of_improvement(x + 0.5, x, replicates=4000)
    exact = np.array([np.mean(a[:, None] > b) for a, b in _two_draws(x[:, 0] + 0.5, x[:, 0])])
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(exact, [0.025, 0.975])), abs=1 / 16 + 1e-9)
    assert found.low < 0.4 and found.high > 0.8


def _two_draws(x: Any, y: Any) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(9)
    return [(rng.choice(x, len(x)), rng.choice(y, len(y))) for _ in range(4000)]


def test_runs_that_are_better_on_all_tasks_at_once_make_the_probability_less_certain() -> None:
    rng = np.random.default_rng(0)
    x, y = (np.repeat(rng.normal(size=(5, 1)), 9, axis=1) for _ in range(2))
    widths = {}
    for resample in ("tasks", "runs"):
        for interval in ("percentile", "t"):
            found = probability_of_improvement(x, y, resample=resample, interval=interval)  # type: ignore[arg-type]
            assert 0.0 <= found.low <= found.value <= found.high <= 1.0
            widths[resample, interval] = found.high - found.low
    assert widths["runs", "percentile"] > 2 * widths["tasks", "percentile"]
    assert widths["runs", "t"] > widths["runs", "percentile"] and widths["tasks", "t"] > widths["tasks", "percentile"]


def test_the_probability_of_improvement_refuses_other_tasks_and_nan() -> None:
    with pytest.raises(ValueError, match="found 2 tasks in x and 3 in y"):
        probability_of_improvement(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="y: expected finite numbers, found nan at run 1, task 0"):
        probability_of_improvement(np.zeros((2, 1)), np.array([[0.0], [math.nan]]))
    with pytest.raises(ValueError, match="x: expected a matrix"):
        probability_of_improvement(np.zeros(3), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="replicates"):
        probability_of_improvement(np.zeros((1, 1)), np.zeros((1, 1)), replicates=0)


def test_paired_differences_by_hand() -> None:
    baseline = by_seed([[0.0, 1.0], [1.0, 1.0], [2.0, 4.0]])
    method = by_seed([[1.0, 2.0], [3.0, 3.0], [5.0, 7.0]])  # 1, 2 and 3 more on average
    (found,) = paired_differences(baseline, {"pcgrad": method})
    assert (found.method, found.pairs, found.verdict) == ("pcgrad", 3, "not distinguishable")
    assert (found.difference.value, found.difference.low) == pytest.approx((2.0, -0.484), abs=1e-3)
    assert found.p_value == found.adjusted == pytest.approx(0.0742, abs=1e-4)


def test_paired_differences_are_scipys_tests_with_holms_correction() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(6, 4))
    rows = {f"m{shift}": base + shift + 0.1 * rng.normal(size=(6, 4)) for shift in (-0.2, 0.0, 0.02, 1.0)}
    found = paired_differences(by_seed(base), {name: by_seed(scores) for name, scores in rows.items()})
    expected = [stats.ttest_rel(scores.mean(axis=1), base.mean(axis=1)) for scores in rows.values()]
    assert [entry.method for entry in found] == list(rows)
    assert [entry.p_value for entry in found] == pytest.approx([test.pvalue for test in expected])
    assert [entry.adjusted for entry in found] == pytest.approx(holm([test.pvalue for test in expected]).tolist())
    for entry, test in zip(found, expected, strict=True):
        assert (entry.difference.low, entry.difference.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert [entry.verdict for entry in found] == ["worse", "not distinguishable", "not distinguishable", "better"]


def test_what_seeds_have_in_common_cancels() -> None:
    luck = 10 * np.random.default_rng(1).normal(size=(5, 1))
    base = luck + np.array([[0.00, 0.01, 0.02]])
    gain = np.array([[0.10], [0.11], [0.12], [0.09], [0.10]])
    method = by_seed((base + gain)[::-1], [4, 3, 2, 1, 0])
    (found,) = paired_differences(by_seed(base), {"m": method})
    assert found.verdict == "better" and found.difference.value == pytest.approx(0.104)


def test_only_seeds_that_both_have_count() -> None:
    baseline = by_seed([[0.0], [1.0], [2.0], [90.0]], [0, 1, 2, 7])
    method = by_seed([[-50.0], [1.1], [2.3]], [9, 1, 2])
    (found,) = paired_differences(baseline, {"m": method})
    assert found.pairs == 2 and found.difference.value == pytest.approx(0.2)


def test_methods_with_too_few_pairs_are_shown_but_not_tested() -> None:
    baseline = by_seed([[0.0], [1.0], [2.0]])
    good = by_seed([[1.0], [2.0], [3.01]])
    alone = paired_differences(baseline, {"good": good})[0]
    found = paired_differences(baseline, {"one": {0: [5.0]}, "good": good, "none": {8: [5.0]}, "failed": {}})
    assert [entry.pairs for entry in found] == [1, 3, 0, 0]
    assert [entry.verdict for entry in found] == ["not distinguishable", "better"] + 2 * ["not distinguishable"]
    assert found[1] == alone
    assert found[0].difference.value == 5.0 and math.isnan(found[2].difference.value)
    for entry in (found[0], found[2], found[3]):
        assert (entry.difference.low, entry.difference.high) == (-math.inf, math.inf)
        assert entry.p_value == entry.adjusted == 1.0


def test_the_correction_may_take_back_what_an_interval_says() -> None:
    baseline = by_seed(np.zeros((5, 1)))
    gain = by_seed(np.array([[1.0], [1.2], [0.2], [0.9], [0.1]]))
    noise = {f"n{k}": by_seed(np.array([[0.5], [-0.4], [0.3], [-0.6], [0.1]])) for k in range(5)}
    (alone,) = paired_differences(baseline, {"gain": gain})
    among = paired_differences(baseline, {"gain": gain, **noise})[0]
    assert alone.verdict == "better" and alone.difference.excludes(0.0)
    assert among.verdict == "not distinguishable" and among.difference == alone.difference


def test_equal_scores_are_not_told_apart_by_rounding() -> None:
    baseline = by_seed([[0.3, 0.3, 0.3]] * 3)
    (found,) = paired_differences(baseline, {"m": by_seed([[0.1 + 0.2, 0.3, 0.3]] * 3)})
    assert found.verdict == "not distinguishable" and found.adjusted == 1.0


@pytest.mark.parametrize("runs", [2, 5])
def test_equal_methods_are_rarely_told_apart_however_many_there_are(runs: int) -> None:
    rng = np.random.default_rng(runs)
    studies, wrong, misses = 300, 0, 0
    for _ in range(studies):
        luck, rows = rng.normal(size=(runs, 1)), rng.normal(size=(7, runs, 5))
        baseline, *others = (by_seed(luck + scores) for scores in rows)
        found = paired_differences(baseline, {str(at): scores for at, scores in enumerate(others)})
        wrong += any(entry.verdict != "not distinguishable" for entry in found)
        misses += found[0].difference.excludes(0.0)
    assert wrong / studies <= 0.09  # 0.05, and three standard errors
    assert 0.01 <= misses / studies <= 0.09


@pytest.mark.parametrize(
    ("baseline", "others", "said"),
    [
        ({0: [1.0, 2.0]}, {"m": {0: [1.0]}}, "method m: expected scores of the baseline's 2 tasks, found 1"),
        ({0: [1.0, 2.0], 1: [1.0]}, {}, r"the baseline: .* found \[1, 2\]"),
        ({0: []}, {}, "the baseline"),
        ({0: [1.0]}, {"m": {3: [math.nan]}}, "method m, seed 3: expected finite numbers"),
        ({0: [[1.0]]}, {}, "the baseline, seed 0: expected a flat list"),
    ],
)
def test_paired_differences_refuse_what_does_not_belong_together(baseline: Any, others: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        paired_differences(baseline, others)


def test_a_level_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"level: .* found 5"):
        paired_differences({0: [1.0]}, {}, level=5)
