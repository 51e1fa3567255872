"""The report's numbers against hand-worked ones."""

import math
from typing import Any

import pytest

from mtrl.report.marks import short
from mtrl.report.statistics import (
    binned,
    disagreements,
    interval_of_mean,
    mean_of,
    median_of,
    score_interval,
    verdict,
)
from mtrl.report.words import listed, number, span


def test_half_widths_of_independent_tasks_add_in_squares() -> None:
    # half-widths 3 and 4 around 3 and 5: sqrt(9 + 16) / 2 around 4
    assert interval_of_mean([(0.0, 6.0), (1.0, 9.0)]) == pytest.approx((4.0 - 2.5, 4.0 + 2.5))
    assert interval_of_mean([(0.25, 0.75)]) == pytest.approx((0.25, 0.75))
    assert interval_of_mean([]) is None


@pytest.mark.parametrize("count", [1, 4, 25])
def test_the_mean_of_like_tasks_is_known_better_by_the_root_of_their_number(count: int) -> None:
    low, high = interval_of_mean([(-1.0, 3.0)] * count) or (math.nan, math.nan)
    assert (low, high) == pytest.approx((1 - 2 / math.sqrt(count), 1 + 2 / math.sqrt(count)))


@pytest.mark.parametrize(
    ("ours", "random", "said"),
    [
        ((0.2, 0.3), (0.0, 0.1), "above random"),
        ((-0.3, -0.2), (0.0, 0.1), "below random"),
        ((0.1, 0.3), (0.0, 0.1), "not told apart from random"),
        ((-0.3, 0.0), (0.0, 0.1), "not told apart from random"),
        ((-1.0, 1.0), (0.0, 0.1), "not told apart from random"),
        ((0.04, 0.06), (0.0, 0.1), "not told apart from random"),
        (None, (0.0, 0.1), "unknown"),
        ((0.1, 0.3), None, "unknown"),
    ],
)
def test_only_intervals_that_exclude_each_other_tell_apart(ours: Any, random: Any, said: str) -> None:
    assert verdict(ours, random) == said


def test_a_scored_task_without_an_interval_leaves_the_mean_without_one() -> None:
    known = {"score": 0.5, "score_interval": [0.4, 0.6]}
    unscored = {"score": None, "score_interval": None}
    assert score_interval({"tasks": {"a": known, "b": unscored}}) == pytest.approx((0.4, 0.6))
    assert score_interval({"tasks": {"a": known, "b": {"score": 0.1, "score_interval": None}}}) is None
    assert score_interval({"tasks": {"a": unscored}}) is None


def measured(tasks: list[str], cosine: list[list[float | None]], norms: list[float] | None = None) -> dict[str, Any]:
    return {"tasks": tasks, "cosine": cosine, "norms": norms or [1.0] * len(tasks)}


def test_pairs_are_averaged_over_the_measurements_that_have_both_and_the_worst_comes_first() -> None:
    both = measured(["a", "b"], [[1, -0.5], [-0.5, 1]], [1.0, 2.0])
    later = measured(["b", "a", "c"], [[1, 0.1, 0.9], [0.1, 1, 0.3], [0.9, 0.3, 1]])
    found = disagreements([both, later], ["a", "b", "c"])
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.cosine for pair in found] == pytest.approx([-0.2, 0.3, 0.9])
    assert [(pair.negative, pair.measurements) for pair in found] == [(0.5, 2), (0.0, 1), (0.0, 1)]


@pytest.mark.parametrize(
    "silent",
    [
        measured(["a", "b"], [[1, 0.0], [0.0, 0.0]], [1.0, 0.0]),
        measured(["a", "b"], [[0.0, 0.0], [0.0, 1.0]], [0.0, 1.0]),
        measured(["a", "b"], [[1, None], [None, 1]]),
    ],
    ids=["second", "first", "no number"],
)
def test_a_task_without_a_gradient_has_no_angle(silent: dict[str, Any]) -> None:
    assert disagreements([silent], ["a", "b"]) == []
    both = measured(["a", "b"], [[1, -0.5], [-0.5, 1]])
    (pair,) = disagreements([silent, both], ["a", "b"])
    assert (pair.cosine, pair.negative, pair.measurements) == (-0.5, 1.0, 1)


def test_points_are_binned_evenly_without_those_that_are_missing() -> None:
    assert binned([0, 1, 2, 3, 4], [1.0, 3.0, None, 5.0, math.nan], 2) == ([0.5, 3.0], [2.0, 5.0])
    assert binned([], [], 5) == ([], [])
    assert binned([1, 2], [None, None], 5) == ([], [])


@pytest.mark.parametrize("count", [1, 7, 8, 80, 81, 1000])
def test_there_are_at_most_so_many_bins_and_few_points_are_left_alone(count: int) -> None:
    xs, ys = list(range(count)), [float(x) ** 2 for x in range(count)]
    found_xs, found_ys = binned(xs, ys, 8)
    assert len(found_xs) == len(found_ys) <= 8
    assert found_xs == sorted(found_xs)
    if count <= 8:
        assert (found_xs, found_ys) == (xs, ys)


def test_means_and_medians_are_over_the_records_that_have_the_number() -> None:
    records = [{"x": 4.0}, {"x": 1.0}, {"x": None}, {}, {"x": 2.0}, {"x": 10.0}]
    assert mean_of(records, "x") == 4.25
    assert median_of(records, "x") == 3.0
    assert median_of(records[:-1], "x") == 2.0
    assert mean_of([], "x") is None and median_of([{"x": None}], "x") is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.126, "0.13"), (-1.5, "−1.50"), (-0.001, "0.00"), (0, "0.00")]
)
def test_numbers_have_a_proper_minus_sign_and_no_negative_zero(value: float | None, text: str) -> None:
    assert number(value) == text


def test_intervals_and_lists_are_words() -> None:
    assert span([-0.5, 0.25]) == "−0.50 to 0.25" and span(None) == "–"
    assert [listed(list(names)) for names in ("A", "AB", "ABC")] == ["A", "A and B", "A, B and C"]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (999, "999"), (1500, "1.5k"), (160_000, "160k"), (2.5e6, "2.5M"), (-2e9, "-2G")]
)
def test_counts_on_axes_are_short(value: float, text: str) -> None:
    assert short(value) == text
