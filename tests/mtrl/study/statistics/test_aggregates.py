"""The aggregates: hand-worked numbers, what they do not react to, and what they refuse."""

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mtrl.study.statistics.aggregates import AGGREGATES, STACKED, iqm, mean, median, optimality_gap

MATRICES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-10, 10))


def test_hand_worked_numbers() -> None:
    scores = np.array([[0.0, 0.2, 3.0], [0.4, 0.6, 1.0]])
    assert mean(scores) == pytest.approx(5.2 / 6)
    assert median(scores) == pytest.approx(0.4)  # of 0.2, 0.4 and 2
    assert iqm(scores) == pytest.approx(2.2 / 4)  # 6 pairs: the quarter is 1.5, so one goes at either end
    assert optimality_gap(scores) == pytest.approx((1.0 + 0.8 + 0.6 + 0.4) / 6)
    assert optimality_gap(scores, target=0.5) == pytest.approx((0.5 + 0.3 + 0.1) / 6)


def test_the_middle_half_is_what_the_interquartile_mean_sees() -> None:
    scores = np.arange(16.0).reshape(4, 4) ** 2
    changed = scores.copy()
    changed[0, :] = -1e6, -1.0, -3.0, -2.0  # the least quarter
    changed[3, :] = 1e9  # the largest
    assert iqm(changed) == iqm(scores) == pytest.approx(sum(x**2 for x in range(4, 12)) / 8)
    assert mean(changed) != mean(scores)


def test_what_exceeds_the_target_does_not_make_up_for_what_is_below() -> None:
    assert optimality_gap(np.array([[0.5, 1.0]])) == optimality_gap(np.array([[0.5, 100.0]])) == 0.25
    assert optimality_gap(np.array([[1.0, 7.0]])) == 0.0


@given(MATRICES, st.floats(0.1, 5), st.floats(-3, 3))
def test_means_and_the_median_move_with_the_unit_of_the_scores(scores: Any, scale: float, shift: float) -> None:
    for statistic in (mean, median, iqm):
        assert statistic(scale * scores + shift) == pytest.approx(scale * statistic(scores) + shift, abs=1e-9)


@given(MATRICES)
def test_the_order_of_runs_within_a_task_and_of_tasks_does_not_matter(scores: Any) -> None:
    shuffled = np.random.default_rng(0).permuted(scores, axis=0)[:, ::-1]
    for statistic in AGGREGATES.values():
        assert statistic(shuffled) == pytest.approx(statistic(scores), abs=1e-12)


def test_the_interquartile_mean_is_the_mean_of_the_sorted_middle_for_every_size() -> None:
    rng = np.random.default_rng(1)
    for runs, tasks in permutations(range(1, 8), 2):
        scores = rng.normal(size=(runs, tasks))
        cut = runs * tasks // 4
        middle = sorted(scores.ravel().tolist())[cut : runs * tasks - cut]
        assert iqm(scores) == pytest.approx(math.fsum(middle) / len(middle))


@pytest.mark.parametrize("name", AGGREGATES)
def test_a_stack_gives_the_number_of_each_of_its_matrices(name: str) -> None:
    stack = np.random.default_rng(2).normal(size=(7, 5, 4))
    alone = [AGGREGATES[name](matrix) for matrix in stack]
    assert STACKED[AGGREGATES[name]](stack) == pytest.approx(alone)


@pytest.mark.parametrize("name", AGGREGATES)
@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([[0.1, math.nan], [0.2, 0.3]], r"found nan at run 0, task 1 \(1 such of 4\)"),
        ([[0.1, 0.2], [0.2, -math.inf]], "found -inf at run 1, task 1"),
        ([[0.1, None]], "found nan at run 0, task 1"),
        ([0.1, 0.2], r"found shape \(2,\)"),
        ([[[0.1]]], r"found shape \(1, 1, 1\)"),
        (np.empty((0, 3)), r"found shape \(0, 3\)"),
        (np.empty((3, 0)), r"found shape \(3, 0\)"),
        ([[0.1, 0.2], [0.3]], "rows of different lengths"),
        ([["high"]], "numpy cannot make one"),
    ],
)
def test_what_is_no_matrix_of_finite_numbers_is_refused(name: str, scores: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AGGREGATES[name](scores)
