"""How often intervals of 95% contain the truth, with few runs: what the bootstrap's docstring says in numbers."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mtrl.study.statistics import bootstrap as module
from mtrl.study.statistics.aggregates import AGGREGATES, iqm, mean
from mtrl.study.statistics.bootstrap import bootstrap

WAYS: tuple[tuple[Any, Any], ...] = (("tasks", "percentile"), ("tasks", "t"), ("runs", "percentile"), ("runs", "t"))
TASKS = 27


def coverage(
    statistic: Callable[[Any], float], runs: int, correlation: float, way: tuple[Any, Any], studies: int, seed: int = 0
) -> float:
    """Per cent of simulated studies whose interval contains the true value, 0 for each of these statistics."""
    rng = np.random.default_rng(seed)
    hits = 0
    for study in range(studies):
        common, own = rng.normal(size=(runs, 1)), rng.normal(size=(runs, TASKS))
        scores = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
        found = bootstrap(scores, statistic, replicates=400, seed=study, resample=way[0], interval=way[1])
        hits += not found.excludes(0.0)
    return 100 * hits / studies


def test_with_5_runs_the_default_interval_is_a_little_too_narrow_even_for_independent_tasks() -> None:
    assert 87 <= coverage(iqm, 5, 0.0, WAYS[0], 400) <= 95


def test_with_5_runs_whose_seeds_matter_the_default_interval_is_far_too_narrow() -> None:
    assert coverage(mean, 5, 0.5, WAYS[0], 300) <= 50


def test_with_5_runs_percentiles_of_whole_runs_are_too_narrow_and_t_is_not() -> None:
    assert coverage(mean, 5, 0.5, WAYS[2], 400) <= 90
    assert coverage(mean, 5, 0.5, WAYS[3], 400) >= 92


@pytest.mark.parametrize(("name", "runs", "correlation"), [("mean", 2, 0.5), ("iqm", 3, 0.0), ("median", 5, 0.1)])
def test_whole_runs_with_t_keep_what_they_promise_with_any_number_of_runs(
    name: str, runs: int, correlation: float
) -> None:
    assert coverage(AGGREGATES[name], runs, correlation, WAYS[3], 300) >= 91


def stated() -> list[tuple[str, int, float, list[float]]]:
    """The rows of the table in the docstring."""
    rows = re.findall(r"^ {4}(mean|iqm) +(\d+) +([\d.]+) +(\d+) +(\d+) +(\d+) +(\d+)$", module.__doc__ or "", re.M)
    return [(row[0], int(row[1]), float(row[2]), [float(cell) for cell in row[3:]]) for row in rows]


def test_the_docstring_has_a_table() -> None:
    assert len(stated()) == 18


@pytest.mark.slow
@pytest.mark.parametrize(("name", "runs", "correlation", "expected"), stated())
def test_the_numbers_in_the_docstring_are_those_that_come_out(
    name: str, runs: int, correlation: float, expected: list[float]
) -> None:
    studies = 500
    for way, per_cent in zip(WAYS, expected, strict=True):
        share = min(per_cent, 99) / 100
        four_errors = 400 * np.sqrt(share * (1 - share) * (1 / studies + 1 / 2000))
        found = coverage(AGGREGATES[name], runs, correlation, way, studies, seed=1)
        assert found == pytest.approx(per_cent, abs=four_errors + 1), way  # the table is rounded
