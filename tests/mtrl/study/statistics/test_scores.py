"""Scores by name become matrices without mixing anything up."""

import math
from typing import Any

import pytest

from mtrl.study.statistics.scores import score_matrix


def test_scores_are_placed_by_name_whatever_their_order() -> None:
    runs: Any = {3: {"a": 0.1, "none": None, "b": 0.2}, 1: {"b": 0.4, "a": 0.3}}
    seeds, tasks, matrix = score_matrix(runs)
    assert (seeds, tasks) == ([3, 1], ["a", "b"])
    assert matrix.tolist() == [[0.1, 0.2], [0.3, 0.4]]


def test_nothing_makes_an_empty_matrix() -> None:
    assert score_matrix({})[2].shape == (0, 0)
    assert score_matrix({0: {"a": None}, 1: {}})[2].shape == (2, 0)


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({0: {"a": 0.1}, 1: {"b": 0.1}}, r"task a: .* seeds \[0, 1\], found none with \[1\]"),
        ({0: {"a": 0.1}, 1: {"a": None}}, "found none with"),
        ({0: {"a": math.nan}}, "task a, seed 0: expected a finite score or None, found nan"),
    ],
)
def test_gaps_and_nan_are_refused(runs: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        score_matrix(runs)
