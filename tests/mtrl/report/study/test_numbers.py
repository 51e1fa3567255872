"""Numbers that the page's figures are made of, worked out by hand."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from mtrl.report.study import write_study_report
from mtrl.report.study.curves import score_curve
from mtrl.report.study.figures.adaptation import adaptation_figure
from mtrl.report.study.findings import findings
from mtrl.report.study.folder import load_study
from mtrl.report.study.paper import printed
from mtrl.report.study.results import condition_result
from mtrl.report.study.scores import Row, estimate, matrix, mean_of_rows, task_error
from mtrl.report.study.series import series
from mtrl.report.study.summary import summary
from mtrl.study.statistics.aggregates import AGGREGATES
from mtrl.study.statistics.holm import holm
from tests.mtrl.report.study.synthetic import (
    TASKS,
    Grid,
    Record,
    cells,
    flat,
    study_of,
    write_study,
)


def of_all(grid: Grid) -> dict[int, Sequence[str]]:
    """Every seed has the grid's tasks."""
    return dict.fromkeys(grid.seeds, grid.tasks)


def test_intervals_count_a_seed_once_however_many_tasks_it_has() -> None:
    """Every task repeats the seed's score: more tasks add nothing, where a stratified bootstrap would narrow."""
    seeds = np.array([[0.1], [0.5], [0.6], [0.9]])
    for statistic in AGGREGATES.values():
        one, many = estimate(seeds, statistic), estimate(np.repeat(seeds, 30, axis=1), statistic)
        if statistic is not AGGREGATES["iqm"]:
            assert many.value == pytest.approx(one.value)
        assert many.high - many.low > 0.8 * (one.high - one.low)


def test_the_mean_has_the_t_interval_over_seeds() -> None:
    found = mean_of_rows({0: Row({"a": 0.0, "b": 0.2}), 1: Row({"a": 0.4, "b": 0.6})})  # seeds: 0.1 and 0.5
    half = 12.7062 * math.sqrt(0.08 / 2)  # t(1 degree of freedom) × standard error
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half), abs=1e-4)


def test_wall_clock_is_compared_on_seeds_that_both_have(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "slow"), seeds=(0, 1), tasks=TASKS[:1])
    records = cells(grid, flat({}), without=[("plain", "slow", 1)])
    for record, seconds in zip(records, (10.0, 1000.0, 25.0), strict=True):
        record["seconds"] = seconds
    result = condition_result(load_study(write_study(tmp_path / "x", grid, records)), "plain")
    assert result.methods["slow"].time_ratio == pytest.approx(2.5)


def test_processor_time_is_compared_where_it_is_known(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "slow"), seeds=(0, 1, 2), tasks=TASKS[:1])
    records = cells(grid, flat({}))
    for record in records:
        record["seconds"] = 10.0
        if record["seed"]:
            record["processor_seconds"] = {"mean": 4.0, "slow": 4.0 * record["seed"]}[record["method"]]
    result = condition_result(load_study(write_study(tmp_path / "x", grid, records)), "plain")
    assert result.methods["slow"].time_ratio == pytest.approx(1.5)  # the median of 1 and 2
    updates = records[0]["updates"]
    assert result.methods["mean"].update_rate == pytest.approx(updates / 4.0)
    assert result.methods["slow"].update_rate == pytest.approx((updates / 4.0 + updates / 8.0) / 2)


def test_seeds_without_all_scores_are_left_out_of_the_averages(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "b"), seeds=(0, 1, 2), tasks=TASKS[:2])
    study = study_of(
        tmp_path / "x",
        grid,
        lambda condition, method, seed, task: math.nan if (method, seed, task) == ("b", 1, TASKS[0]) else 0.1 * seed,
    )
    result = condition_result(study, "plain")
    assert sorted(result.methods["b"].rows) == [0, 2] and result.methods["b"].done == [0, 1, 2]
    assert result.methods["b"].aggregates["mean"].value == pytest.approx(0.1)


def test_a_score_is_as_uncertain_as_its_trials_leave_it(tmp_path: Path) -> None:
    def error(**entry: object) -> float:
        return task_error({"evaluation": {"tasks": {"a": {"score": 0.5, **entry}}}}, "a")

    half = float(stats.t.ppf(0.975, 99)) * 0.05
    assert error(trials=100, score_interval=[0.5 - half, 0.5 + half]) == pytest.approx(0.05)
    assert error(trials=100, score_interval=[0.5, 0.5]) == 0.01  # one trial in a hundred may have been another
    assert error(trials=100, score_interval=None) == error() == 0.0


def test_task_differences_are_paired_by_seed(tmp_path: Path) -> None:
    """A seed moves all methods alike, by much more than they differ."""
    grid = Grid(methods=("mean", "pcgrad", "single-task"), seeds=(0, 1, 2), tasks=TASKS[:1])
    gain = {"mean": (0.0, 0.0, 0.0), "pcgrad": (0.1, 0.11, 0.09), "single-task": (0.0, 0.01, 0.0)}
    study = study_of(tmp_path / "x", grid, lambda condition, method, seed, task: 0.3 * seed + gain[method][seed])
    found = findings(study).conditions[0]
    for differences, reference in ((found.sacrificed, "mean"), (found.transferred, "single-task")):
        entry = next(entry for entry in differences if entry.method == "pcgrad")
        expected = stats.ttest_rel(gain["pcgrad"], gain[reference]).confidence_interval(0.95)
        assert (entry.difference.low, entry.difference.high) == pytest.approx(tuple(expected))
        assert entry.reference.method == reference and entry.seeds == [0, 1, 2]


@pytest.mark.usefixtures("undrawn")
def test_transfer_is_against_agents_alone_with_the_same_settings(tmp_path: Path) -> None:
    """Two-hot is 0.3 better than regression, alone and in company: no transfer, though far above single-task."""
    methods = ("mean", "pcgrad", "two-hot", "single-task", "single-task+two-hot")
    level = {"two-hot": 0.8, "single-task+two-hot": 0.8}
    wobble = {"two-hot": (0.0, 0.01, 0.0)}

    def score(condition: str, method: str, seed: int, task: str) -> float:
        return level.get(method, 0.5) + wobble.get(method, (0.0, 0.0, 0.01))[seed]

    grid = Grid(methods=methods, seeds=(0, 1, 2), tasks=TASKS[:2])
    found = findings(study_of(tmp_path / "x", grid, score))
    by_method = {entry.method: entry for entry in found.conditions[0].transferred}
    assert {name: (e.reference.method, e.reference.transfer) for name, e in by_method.items()} == {
        "mean": ("single-task", True),
        "pcgrad": ("single-task", True),  # a strategy is nothing to a single task
        "two-hot": ("single-task+two-hot", True),
    }
    assert by_method["two-hot"].verdict == "not distinguishable"
    without = Grid(methods=methods[:4], seeds=(0, 1, 2), tasks=TASKS[:2])
    found = findings(study_of(tmp_path / "y", without, score))
    by_method = {entry.method: entry for entry in found.conditions[0].transferred}
    assert (by_method["two-hot"].reference.method, by_method["two-hot"].reference.transfer) == ("single-task", False)
    told = " ".join(summary(found)[""])
    assert "Transfer against agents that learn one task alone with the same settings (paired by seed" in told
    assert re.search(r"Against single-task under the base settings .* not of transfer alone: better: two-hot on", told)
    tables = {table.title: table for table in printed(found)}
    assert [row[:2] for row in tables["Transfer by task, plain"].rows] == [[m, "single-task"] for m in methods[:2]]
    assert "not transfer alone" in tables["Difference from single-task by task, plain"].note
    write_study_report(tmp_path / "y")
    page = (tmp_path / "y" / "report.html").read_text(encoding="utf-8")
    assert "Of two-hot the study has no such agents with the same settings" in page


@pytest.mark.parametrize(("lower", "behind"), [(0.0, False), (0.2, True)])
def test_who_is_behind_the_leader_is_corrected_for_all_pairs(lower: float, behind: bool, tmp_path: Path) -> None:
    """Corrected for the leader's own two comparisons alone, both others would always be told apart: p = 0.04."""
    scores = {"best": (0.8, 0.7, 0.9, 0.6), "near": (0.7, 0.655, 0.8, 0.555), "far": (0.6, 0.66, 0.74, 0.5)}
    scores["far"] = tuple(score - lower for score in scores["far"])
    grid = Grid(methods=tuple(scores), seeds=(0, 1, 2, 3), tasks=TASKS[:1], baseline=None)
    result = condition_result(study_of(tmp_path / "x", grid, lambda c, method, seed, t: scores[method][seed]), "plain")
    pairs = [("best", "near"), ("best", "far"), ("near", "far")]
    corrected = holm([stats.ttest_rel(scores[one], scores[two]).pvalue for one, two in pairs])
    assert result.leader == "best" and result.behind == {"near": behind, "far": behind}
    assert (corrected[:2] <= 0.05).tolist() == [behind, behind]


def test_a_curve_is_the_mean_over_tasks_then_seeds(tmp_path: Path) -> None:
    grid = Grid(methods=("mean",), seeds=(0, 1), tasks=TASKS[:2])
    records = cells(grid, flat({}), unscored=False)
    for record, (first, second) in zip(records, ((0.1, 0.3), (0.5, 0.9)), strict=True):
        record["curve"] = [
            {"steps": 100 * k, "updates": k, "seconds": 10.0 * k, "tasks": {TASKS[0]: k * first, TASKS[1]: k * second}}
            for k in (1, 2)
        ]
    curve = score_curve(load_study(write_study(tmp_path / "x", grid, records)), "plain", "mean", of_all(grid))
    assert curve is not None
    assert curve.value.tolist() == pytest.approx([0.45, 0.9])
    assert (curve.steps.tolist(), curve.updates.tolist(), curve.seconds.tolist()) == ([100, 200], [1, 2], [10, 20])


def test_seeds_evaluated_at_other_steps_are_compared_where_all_have_some(tmp_path: Path) -> None:
    grid = Grid(methods=("mean",), seeds=(0, 1), tasks=TASKS[:1])
    records = cells(grid, flat({}), unscored=False)
    for record, steps in zip(records, ((0, 100, 200), (50, 250)), strict=True):
        record["curve"] = [
            {"steps": s, "updates": s, "seconds": float(s), "tasks": {TASKS[0]: s / 1000}} for s in steps
        ]
    curve = score_curve(load_study(write_study(tmp_path / "x", grid, records)), "plain", "mean", of_all(grid))
    assert curve is not None and (curve.steps[0], curve.steps[-1]) == (50, 200)
    assert curve.value.tolist() == pytest.approx((curve.steps / 1000).tolist())  # both seeds are on one line


def test_a_series_averages_within_a_seed_before_it_averages_over_seeds() -> None:
    """A seed that measured more often counts no more than the other."""
    often: list[Record] = [{"steps": step, "x": 1.0} for step in range(1, 11)]
    rarely: list[Record] = [{"steps": 5, "x": 3.0}, {"steps": 6, "x": None}, {"steps": 7}]
    found = series([often, rarely], lambda record: record.get("x"), 240.0)  # 24 stretches of 10 steps
    assert found is not None
    assert found.mean.tolist() == [2.0] and found.steps.tolist() == [5.0] and found.runs.tolist() == [2]


def test_a_series_without_numbers_is_none() -> None:
    assert series([[{"steps": 1}], []], lambda record: record.get("x"), 100.0) is None


def test_the_matrix_of_scores_is_in_the_order_of_the_seeds() -> None:
    assert matrix({3: Row({"a": 3.0, "b": 4.0}), 1: Row({"a": 1.0, "b": 2.0})}).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_adaptation_is_the_mean_of_each_attempt_over_seeds(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "b", "c"), seeds=(0, 1, 2), tasks=TASKS[:2])
    records = cells(grid, flat({}))
    for record in records:
        entry = record["evaluation"]["tasks"][TASKS[0]]
        entry["attempts"] = [1.0 * record["seed"], 2.0 + record["seed"], 10.0]
        if record["method"] == "c":
            entry["attempts"][2] = None  # no trial came to it
    figure = adaptation_figure(load_study(write_study(tmp_path / "x", grid, records)), "plain", "adaptation")
    assert figure is not None and [panel.title for panel in figure.chart.panels] == [TASKS[0]]
    rows = {row[1:3]: row[3:] for row in figure.numbers.rows}
    assert set(rows) == {(method, attempt) for method in ("mean", "b") for attempt in (1, 2, 3)}
    half = 4.3027 / 3**0.5  # t(2 degrees of freedom) × standard error of 0, 1, 2
    assert rows["b", 1] == pytest.approx((1.0, 1.0 - half, 1.0 + half), abs=1e-3)
    axes = Figure().add_subplot()
    figure.chart.panels[0].draw(axes)
    names = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert set(names) == {"mean", "b"} and all(0.0 <= place <= 1.0 for place in names.values())
    # means from 1 to 10 and the first attempt's band, which is within half of their range
    assert axes.get_ylim() == pytest.approx((1.0 - half - 0.05 * (9.0 + half), 10.0 + 0.05 * (9.0 + half)), abs=0.3)
    alone = cells(grid, flat({}))
    assert adaptation_figure(load_study(write_study(tmp_path / "y", grid, alone)), "plain", "adaptation") is None
