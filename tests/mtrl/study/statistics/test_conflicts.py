"""Diagnostics of several runs: cosines by name, an order of tasks, series on common steps, sacrificed tasks."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtrl.study.statistics.conflicts import cluster_order, mean_cosine, mean_over_time, sacrificed, series_of
from mtrl.study.statistics.holm import holm


def cosines(tasks: int, seed: int, width: int = 4) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(tasks, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def test_cosines_are_averaged_by_name_over_the_runs_that_measured_them() -> None:
    first: Any = [[1, -0.5, None], [-0.5, 1, 0.25], [None, 0.25, 1]]
    second: Any = [[1, 0.1], [0.1, 1]]
    found = mean_cosine([(["a", "b", "c"], first), (["b", "a"], second)])
    assert found.tasks == ("a", "b", "c")
    assert found.cosine[0, 1] == found.cosine[1, 0] == pytest.approx(-0.2)
    assert found.cosine[1, 2] == 0.25 and math.isnan(found.cosine[0, 2])
    assert found.runs.tolist() == [[2, 2, 0], [2, 2, 1], [0, 1, 1]]


def test_the_mean_of_one_matrix_is_itself_and_of_none_is_empty() -> None:
    matrix = cosines(5, 0)
    assert mean_cosine([(list("abcde"), matrix.tolist())]).cosine == pytest.approx(matrix)
    empty = mean_cosine([])
    assert empty.tasks == () and empty.cosine.shape == (0, 0)


@pytest.mark.parametrize(
    ("tasks", "cosine", "said"),
    [
        (["a"], [[1, 0.5], [0.5, 1]], r"square matrix of 1 tasks, found shape \(2, 2\)"),
        (["a", "b"], [[1, 0.5], [0.4, 1]], "symmetric"),
        (["a", "b"], [[1, None], [0.4, 1]], "symmetric"),
        (["a", "b"], [[4, 3], [3, 4]], "found 3.0 to 4.0; inner products"),
        (["a", "a"], [[1, 0], [0, 1]], "every task once"),
        (["a", "b"], [[1, 0], [0]], "rows that make none"),
    ],
)
def test_what_is_no_cosine_matrix_is_refused(tasks: Any, cosine: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mean_cosine([(tasks, cosine)])


def test_rounded_cosines_are_taken_as_they_are_meant() -> None:
    found = mean_cosine([(["a", "b"], [[1.000001, 0.333333], [0.333334, 1.0]])])
    assert found.cosine.max() == 1.0 and found.cosine[0, 1] == found.cosine[1, 0]


@given(st.permutations(range(9)))
def test_tasks_that_agree_stand_together_wherever_they_stood(places: list[int]) -> None:
    group = np.array(places) % 3
    matrix = np.where(group[:, None] == group, 0.8, -0.3) + 0.2 * np.eye(9)
    ordered = group[cluster_order(matrix)].tolist()
    assert sum(first != second for first, second in pairwise(ordered)) == 2


@pytest.mark.parametrize("tasks", [0, 1, 2, 3])
def test_few_tasks_have_an_order_too(tasks: int) -> None:
    assert sorted(cluster_order(np.eye(tasks))) == list(range(tasks))


def test_an_order_and_its_reverse_are_the_same_picture() -> None:
    for seed in range(10):
        order = cluster_order(cosines(6, seed))
        assert sorted(order) == list(range(6)) and order[0] < order[-1]


def test_pairs_that_were_not_measured_count_as_unrelated() -> None:
    matrix = cosines(6, 3)
    matrix[0, 4] = matrix[4, 0] = 0.0
    gap = matrix.copy()
    gap[0, 4] = gap[4, 0] = math.nan
    assert cluster_order(gap) == cluster_order(matrix)
    with pytest.raises(ValueError, match="square"):
        cluster_order(np.zeros((2, 3)))


def test_a_series_is_what_the_records_have() -> None:
    records: Any = [{"steps": 1, "x": 0.5}, {"steps": 2}, {"steps": 3, "x": None}, {"steps": 4, "x": math.nan}]
    assert series_of([*records, {"steps": 9, "x": 2}], "x") == ([1.0, 9.0], [0.5, 2.0])
    assert series_of([], "x") == ([], [])


def test_equal_steps_are_kept_and_each_point_has_its_t_interval() -> None:
    values = np.random.default_rng(0).normal(size=(4, 3))
    found = mean_over_time([([0, 10, 30], row) for row in values])
    assert found.steps.tolist() == [0, 10, 30] and found.runs.tolist() == [4, 4, 4]
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found.mean == pytest.approx(values.mean(axis=0))
    assert found.low == pytest.approx(expected.low) and found.high == pytest.approx(expected.high)


def test_lines_are_followed_exactly_on_steps_that_no_run_had() -> None:
    runs = [
        (np.array(steps), 2.0 * np.array(steps) + shift) for steps, shift in (([0, 7, 20], 0.0), ([2, 5, 9, 30], 2))
    ]
    found = mean_over_time(runs, points=10)
    assert found.steps == pytest.approx(np.linspace(2, 20, 10))  # where both are
    assert found.mean == pytest.approx(2 * found.steps + 1)
    assert (found.runs == 2).all()
    assert found.high - found.mean == pytest.approx(12.706 * np.ones(10), abs=1e-3)  # standard error 1


def test_no_run_is_continued_beyond_its_ends() -> None:
    found = mean_over_time([([0, 10], [1.0, 1.0]), ([5, 20], [3.0, 3.0]), ([], [])], grid=[-1, 0, 5, 10, 20, 21])
    assert found.runs.tolist() == [0, 1, 2, 2, 1, 0]
    assert found.mean[1:5].tolist() == [1.0, 2.0, 2.0, 3.0] and np.isnan(found.mean[[0, 5]]).all()
    assert found.low[[1, 4]].tolist() == [-math.inf] * 2 and found.high[[1, 4]].tolist() == [math.inf] * 2
    assert np.isnan(found.low[[0, 5]]).all() and np.isfinite(found.low[[2, 3]]).all()


def test_a_single_step_in_common_is_a_single_point() -> None:
    found = mean_over_time([([0, 10], [1.0, 3.0]), ([10, 20], [5.0, 1.0])])
    assert (found.steps.tolist(), found.mean.tolist(), found.runs.tolist()) == ([10.0], [4.0], [2])


def test_no_runs_give_an_empty_band() -> None:
    found = mean_over_time([])
    assert found.steps.shape == found.mean.shape == found.runs.shape == (0,)
    assert np.isnan(mean_over_time([([], [])], grid=[1.0, 2.0]).mean).all()


@pytest.mark.parametrize(
    ("series", "options", "said"),
    [
        ([([0, 1], [1.0])], {}, "2 steps and 1 values"),
        ([([0, 0], [1.0, 2.0])], {}, "increase"),
        ([([0, 1], [1.0, math.nan])], {}, "values: expected finite numbers, found nan at place 1"),
        ([([0, 1], [1.0, 2.0]), ([5, 6], [1.0, 2.0])], {}, "begins at 5 and one that ends at 1"),
        ([([0, 1], [1.0, 2.0])], {"points": 1}, "at least 2 points"),
        ([([0, 1], [1.0, 2.0])], {"confidence": 1.0}, "confidence"),
    ],
)
def test_what_is_no_series_is_refused(series: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mean_over_time(series, **options)


def rows(matrix: Any, names: str = "abcdefgh", seeds: list[int] | None = None) -> dict[int, dict[str, float]]:
    return {
        seed: dict(zip(names, row, strict=False))
        for seed, row in zip(seeds or range(len(matrix)), np.asarray(matrix).tolist(), strict=True)
    }


def test_sacrificed_tasks_are_those_that_lose_for_certain_the_worst_first() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.2, size=(5, 4))
    change = np.array([-0.1, 0.3, -0.4, -0.02]) + 0.01 * rng.normal(size=(5, 4)) * [1, 1, 1, 5]
    assert sacrificed(rows(base + change), rows(base)) == ["c", "a"]
    assert sacrificed(rows(base), rows(base)) == []


@pytest.mark.parametrize("seed", range(5))
def test_sacrifice_is_scipys_paired_test_with_holms_correction_over_tasks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(6, 8))
    ours = base + rng.normal(-0.8, 0.6, size=(6, 8))
    adjusted = holm(stats.ttest_rel(ours, base).pvalue)
    losses = (ours - base).mean(axis=0)
    expected = {name for name, p, loss in zip("abcdefgh", adjusted, losses, strict=True) if p <= 0.05 and loss < 0}
    found = sacrificed(rows(ours), rows(base))
    assert set(found) == expected
    assert found == sorted(found, key=lambda name: losses["abcdefgh".index(name)])


def test_a_loss_that_would_count_alone_may_not_count_among_many() -> None:
    rng = np.random.default_rng(3)
    base, noise = np.zeros((5, 8)), rng.normal(size=(5, 8))
    ours = noise - noise.mean(axis=0)
    ours[:, 0] -= 1.8 * ours[:, 0].std(ddof=1)  # 1.24 is needed alone, 2.3 among eight
    assert sacrificed(rows(ours[:, :1]), rows(base[:, :1])) == ["a"]
    assert sacrificed(rows(ours), rows(base)) == []


def test_equal_methods_rarely_sacrifice_anything() -> None:
    rng = np.random.default_rng(1)
    studies = 200
    named = [bool(sacrificed(rows(rng.normal(size=(5, 6))), rows(rng.normal(size=(5, 6))))) for _ in range(studies)]
    assert sum(named) / studies <= 0.07


def test_a_single_seed_and_tasks_without_scores_prove_nothing() -> None:
    assert sacrificed({0: {"a": -9.0}}, {0: {"a": 1.0}, 1: {"a": 1.0}}) == []
    nothing: Any = {0: {"a": None}, 1: {"a": None}}
    assert sacrificed(nothing, rows([[1.0], [1.1]])) == sacrificed(rows([[1.0], [1.1]]), nothing) == []
    assert sacrificed({}, {}) == []
    # only seeds in common count, and a task that cannot be tested costs the others nothing
    method = rows([[0.1, 5.0], [0.21, 5.0], [0.14, 5.0]], seeds=[1, 2, 4])
    baseline = rows([[1.1], [1.2], [-7.0], [1.15]], seeds=[1, 2, 3, 4])
    assert sacrificed(method, baseline) == ["a"]


def test_sacrifice_refuses_nan_and_levels_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"task a, seed 1: .* found inf"):
        sacrificed(rows([[0.0], [math.inf]]), rows([[0.0], [0.0]]))
    with pytest.raises(ValueError, match="level"):
        sacrificed({}, {}, level=0.0)
