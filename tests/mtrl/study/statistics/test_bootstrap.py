"""The bootstrap against exact distributions, its two ways of drawing, and profiles."""

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest

from mtrl.study.statistics import bootstrap as module
from mtrl.study.statistics.aggregates import AGGREGATES, iqm, mean
from mtrl.study.statistics.bootstrap import bootstrap, profile
from mtrl.study.statistics.student import mean_interval


def normal(runs: int, tasks: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0.5, 0.3, size=(runs, tasks))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_ends_are_quantiles_of_the_exact_bootstrap_distribution(confidence: float) -> None:
    scores = normal(3, 2)
    drawn = [
        np.mean([scores[list(first), 0], scores[list(second), 1]])
        for first in itertools.product(range(3), repeat=3)
        for second in itertools.product(range(3), repeat=3)
    ]
    found = bootstrap(scores, mean, replicates=50_000, confidence=confidence)
    tail = (1 - confidence) / 2
    # the distribution is of steps, so the end lies between quantiles a little to either side
    for end, share in ((found.low, tail), (found.high, 1 - tail)):
        below, above = np.quantile(drawn, [max(0, share - 0.005), min(1, share + 0.005)])
        assert below - 1e-12 <= end <= above + 1e-12
    assert found.value == pytest.approx(scores.mean())


def test_whole_runs_with_t_give_the_ordinary_interval_of_the_mean() -> None:
    scores = normal(5, 6)
    expected, _ = mean_interval(scores.mean(axis=1))
    found = bootstrap(scores, mean, replicates=40_000, resample="runs", interval="t")
    assert (found.low - found.value) == pytest.approx(expected.low - expected.value, rel=0.02)
    assert (found.high - found.value) == pytest.approx(expected.high - expected.value, rel=0.02)


def test_drawing_tasks_by_themselves_does_not_see_what_runs_have_in_common() -> None:
    bad_seeds = np.repeat(normal(6, 1), 16, axis=1)  # a seed is as good or bad on all tasks
    opposed = np.hstack([normal(6, 1), -normal(6, 1)])  # every run has the mean 0
    wide = bootstrap(bad_seeds, mean, replicates=20_000, resample="runs", interval="t")
    narrow = bootstrap(bad_seeds, mean, replicates=20_000, resample="tasks", interval="t")
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(math.sqrt(16), rel=0.05)
    none = bootstrap(opposed, mean, resample="runs")
    some = bootstrap(opposed, mean, resample="tasks")
    assert none.high - none.low < 1e-12 < 0.1 < some.high - some.low


@pytest.mark.parametrize("name", AGGREGATES)
@pytest.mark.parametrize("resample", ["tasks", "runs"])
def test_all_replicates_at_once_are_those_one_by_one(name: str, resample: Any) -> None:
    scores, statistic = normal(4, 3), AGGREGATES[name]
    at_once = bootstrap(scores, statistic, replicates=300, resample=resample)
    one_by_one = bootstrap(scores, lambda matrix: statistic(matrix), replicates=300, resample=resample)
    assert (at_once.low, at_once.high) == pytest.approx((one_by_one.low, one_by_one.high))
    assert at_once.low < at_once.value < at_once.high


def test_the_seed_alone_decides_the_draws() -> None:
    state = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global state is what must not change
    first = bootstrap(normal(5, 4), iqm, seed=3)
    assert first == bootstrap(normal(5, 4), iqm, seed=3)
    assert first != bootstrap(normal(5, 4), iqm, seed=4)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_bounded_memory_changes_nothing_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = normal(5, 4)
    whole = bootstrap(scores, mean, replicates=5000)
    monkeypatch.setattr(module, "_CHUNK", 7 * 20)
    sizes = [len(rows) for rows in module.draws(5, 4, 30, np.random.default_rng(0), "tasks")]
    assert sizes == [7, 7, 7, 7, 2]
    parts = bootstrap(scores, mean, replicates=5000)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=0.02)


@pytest.mark.parametrize("resample", ["tasks", "runs"])
@pytest.mark.parametrize("interval", ["percentile", "t"])
def test_a_single_run_says_nothing_of_other_runs(resample: Any, interval: Any) -> None:
    found = bootstrap(normal(1, 5), mean, resample=resample, interval=interval)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert found.value == pytest.approx(normal(1, 5).mean())
    assert not found.known and not found.excludes(0.0) and not found.excludes(1e9)


def test_runs_that_are_all_alike_have_no_width() -> None:
    found = bootstrap(np.tile([0.25, 0.75], (4, 1)), mean)
    assert found.value == found.low == found.high == 0.5
    assert found.excludes(0.4) and not found.excludes(0.5)


def test_more_confidence_is_wider() -> None:
    widths = []
    for confidence in (0.5, 0.8, 0.95, 0.99):
        found = bootstrap(normal(6, 3), iqm, confidence=confidence)
        widths.append(found.high - found.low)
    assert widths == sorted(widths) and widths[0] < widths[-1]


@pytest.mark.parametrize("name", AGGREGATES)
def test_two_thousand_replicates_of_5_runs_and_27_tasks_take_less_than_a_second(name: str) -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        bootstrap(normal(5, 27), AGGREGATES[name])
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0


def test_a_profile_is_the_share_of_pairs_above() -> None:
    scores = np.array([[0.0, 0.5, 1.0], [0.2, 0.5, 1.0]])
    share, low, high = profile(scores, [-1.0, 0.0, 0.2, 0.5, 0.9, 1.0])
    assert share == pytest.approx([1.0, 5 / 6, 4 / 6, 2 / 6, 2 / 6, 0.0])  # strictly above
    assert ((low <= share) & (share <= high)).all()
    assert (low[0], high[0], low[-1], high[-1]) == (1.0, 1.0, 0.0, 0.0)
    # at 0 only the first task differs between runs: none, one or both of its draws are above
    assert (low[1], high[1]) == pytest.approx((4 / 6, 6 / 6))


@pytest.mark.parametrize("interval", ["percentile", "t"])
@pytest.mark.parametrize("resample", ["tasks", "runs"])
def test_the_band_at_a_threshold_is_the_interval_of_that_share(resample: Any, interval: Any) -> None:
    scores, options = normal(5, 9), {"resample": resample, "interval": interval, "seed": 5}
    share, low, high = profile(scores, [0.2, 0.5, 0.7], **options)
    assert (np.diff(share) <= 0).all()
    for place, threshold in enumerate((0.2, 0.5, 0.7)):
        alone = bootstrap(scores, lambda matrix, t=threshold: float((matrix > t).mean()), **options)  # type: ignore[misc]
        assert (share[place], low[place], high[place]) == pytest.approx(
            (alone.value, max(0, alone.low), min(1, alone.high))
        )


def test_the_band_of_a_single_run_is_all_that_a_share_can_be() -> None:
    share, low, high = profile(normal(1, 4), np.linspace(0, 1, 5))
    assert share.shape == (5,) and (low == 0).all() and (high == 1).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"replicates": 0}, "replicates: expected at least 1, found 0"),
        ({"confidence": 95}, "confidence: .* found 95"),
        ({"confidence": 0.0}, "confidence"),
        ({"resample": "run"}, "resample: .* found 'run'"),
        ({"interval": "bca"}, "interval: .* found 'bca'"),
    ],
)
@pytest.mark.parametrize("runs", [1, 3])
def test_options_out_of_range_are_refused(options: dict[str, Any], said: str, runs: int) -> None:
    with pytest.raises(ValueError, match=said):
        bootstrap(normal(runs, 2), mean, **options)
    with pytest.raises(ValueError, match=said):
        profile(normal(runs, 2), [0.5], **options)


@pytest.mark.parametrize("wrong", [[[0.1, math.nan]], [0.1, 0.2], [[]]])
def test_wrong_scores_and_thresholds_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="scores: expected"):
        bootstrap(np.array(wrong), mean)
    with pytest.raises(ValueError, match="scores: expected"):
        profile(np.array(wrong), [0.5])
    with pytest.raises(ValueError, match="thresholds: expected"):
        profile(normal(2, 2), [[0.5]])
    with pytest.raises(ValueError, match="thresholds: expected"):
        profile(normal(2, 2), [math.nan])
