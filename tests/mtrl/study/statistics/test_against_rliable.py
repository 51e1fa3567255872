"""The same numbers as rliable, the source's own library: aggregates, profiles, probability of improvement."""

from typing import Any

import numpy as np
import pytest

from mtrl.study.statistics.aggregates import AGGREGATES
from mtrl.study.statistics.bootstrap import bootstrap, profile
from mtrl.study.statistics.comparisons import probability_of_improvement

REASON = "rliable is not installed: pip install -c constraints.txt '.[dev]'"
library = pytest.importorskip("rliable.library", reason=REASON)
metrics = pytest.importorskip("rliable.metrics", reason=REASON)

THEIRS = {
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "iqm": metrics.aggregate_iqm,
    "optimality-gap": metrics.aggregate_optimality_gap,
}
SHAPES = [(1, 1), (2, 3), (3, 1), (5, 27), (10, 6)]


@pytest.fixture(autouse=True)
def _their_draws() -> None:
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator


def scores(runs: int, tasks: int, seed: int = 0) -> Any:
    """Rounded, so that some are equal, between methods too."""
    return np.random.default_rng(seed).normal(0.6, 0.4, size=(runs, tasks)).round(1)


@pytest.mark.parametrize("name", AGGREGATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_aggregates_are_equal(name: str, shape: tuple[int, int]) -> None:
    ours = AGGREGATES[name](scores(*shape))
    assert ours == pytest.approx(float(THEIRS[name](scores(*shape))), abs=1e-12)


@pytest.mark.parametrize("name", AGGREGATES)
def test_intervals_are_close_with_many_replicates(name: str) -> None:
    matrix = scores(5, 27)
    _, found = library.get_interval_estimates({"x": matrix}, lambda s: np.array([THEIRS[name](s)]), reps=10_000)
    low, high = found["x"][:, 0]
    ours = bootstrap(matrix, AGGREGATES[name], replicates=10_000)
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.05 * (high - low))


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_profiles_are_equal_and_their_bands_close(shape: tuple[int, int]) -> None:
    matrix, thresholds = scores(*shape), np.linspace(-0.5, 1.5, 9)
    shares, bands = library.create_performance_profile({"x": matrix}, thresholds, reps=4000)
    share, low, high = profile(matrix, thresholds, replicates=4000)
    assert share == pytest.approx(shares["x"], abs=1e-12)
    # shares move in steps of one pair, and an end may fall to either side of a step
    assert np.abs(np.stack([low, high]) - bands["x"]).max() <= 1 / matrix.size + 0.01


@pytest.mark.parametrize(("runs_x", "runs_y"), [(1, 1), (2, 5), (5, 5), (10, 3)])
def test_the_probability_of_improvement_is_equal(runs_x: int, runs_y: int) -> None:
    x, y = scores(runs_x, 8, seed=1), scores(runs_y, 8, seed=2)
    y[: min(runs_x, runs_y), 0] = x[: min(runs_x, runs_y), 0]
    theirs = float(metrics.probability_of_improvement(x, y))
    assert probability_of_improvement(x, y).value == pytest.approx(theirs, abs=1e-12)


def test_intervals_of_the_probability_of_improvement_are_close() -> None:
    x, y = scores(5, 3, seed=1), scores(4, 3, seed=2)
    _, found = library.get_interval_estimates(
        {"x,y": [x, y]}, lambda a, b: np.array([metrics.probability_of_improvement(a, b)]), reps=400
    )
    low, high = found["x,y"][:, 0]
    ours = probability_of_improvement(x, y, replicates=10_000)
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.12 * (high - low))
