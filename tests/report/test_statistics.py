"""The report's numbers against hand-worked ones."""

import math

import pytest

from mtrl.report.statistics import binned, disagreements, interval_of_mean, median_of, score_interval, verdict


def test_half_widths_of_independent_tasks_add_in_squares() -> None:
    low, high = interval_of_mean([(0.0, 6.0), (1.0, 9.0)]) or (math.nan, math.nan)
    assert (low, high) == pytest.approx((4.0 - 2.5, 4.0 + 2.5))
    assert interval_of_mean([]) is None


@pytest.mark.parametrize(
    ("ours", "random", "said"),
    [
        ((0.2, 0.3), (0.0, 0.1), "above random"),
        ((-0.3, -0.2), (0.0, 0.1), "below random"),
        ((0.1, 0.3), (0.0, 0.1), "not told apart from random"),
        (None, (0.0, 0.1), "unknown"),
        ((0.1, 0.3), None, "unknown"),
    ],
)
def test_only_intervals_that_exclude_each_other_tell_apart(
    ours: tuple[float, float], random: object, said: str
) -> None:
    assert verdict(ours, random) == said  # type: ignore[arg-type]


def test_a_scored_task_without_an_interval_leaves_the_mean_without_one() -> None:
    known = {"score": 0.5, "score_interval": [0.4, 0.6]}
    assert score_interval({"tasks": {"a": known, "b": {"score": None, "score_interval": None}}}) == pytest.approx(
        (0.4, 0.6)
    )
    assert score_interval({"tasks": {"a": known, "b": {"score": 0.1, "score_interval": None}}}) is None


def test_pairs_are_averaged_over_the_measurements_that_have_both_and_the_worst_comes_first() -> None:
    both = {"tasks": ["a", "b"], "cosine": [[1, -0.5], [-0.5, 1]], "norms": [1.0, 2.0]}
    later = {
        "tasks": ["b", "a", "c"],
        "cosine": [[1, 0.1, 0.9], [0.1, 1, 0.3], [0.9, 0.3, 1]],
        "norms": [1.0, 1.0, 1.0],
    }
    silent = {"tasks": ["a", "b"], "cosine": [[1, 0.0], [0.0, 0.0]], "norms": [1.0, 0.0]}
    found = disagreements([both, later, silent], ["a", "b", "c"])
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found[0].cosine == pytest.approx(-0.2)
    assert (found[0].negative, found[0].measurements) == (0.5, 2)


def test_points_are_binned_evenly_without_those_that_are_missing() -> None:
    assert binned([0, 1, 2, 3, 4], [1.0, 3.0, None, 5.0, math.nan], 2) == ([0.5, 3.0], [2.0, 5.0])


def test_the_median_of_an_even_count_is_the_mean_of_the_middle() -> None:
    assert median_of([{"x": 4.0}, {"x": 1.0}, {"x": None}, {"x": 2.0}, {"x": 10.0}], "x") == 3.0
    assert median_of([], "x") is None
