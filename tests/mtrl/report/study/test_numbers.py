"""Numbers that the page's figures are made of, worked out by hand."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mtrl.report.study import write_study_report
from mtrl.report.study.curves import score_curve
from mtrl.report.study.findings import findings
from mtrl.report.study.folder import Study, load_study
from mtrl.report.study.paper import printed
from mtrl.report.study.results import condition_result
from mtrl.report.study.scores import Row, estimate, matrix
from mtrl.report.study.series import series
from mtrl.report.study.stress import axis_results
from mtrl.report.study.summary import summary
from mtrl.study import conditions
from mtrl.study.statistics.aggregates import AGGREGATES
from mtrl.study.statistics.holm import holm
from tests.mtrl.report.study.synthetic import TASKS, Grid, Record, bare, cells, failed, flat, spread, write_study

Scored = Callable[[str, str, int, str], float]


def study_of(folder: Path, grid: Grid, score: Scored) -> Study:
    """A study with exactly these scores by condition, method, seed and task."""
    records = cells(grid, flat({}), unscored=False)
    for record in records:
        for task, entry in record["evaluation"]["tasks"].items():
            entry["score"] = score(record["condition"], record["method"], record["seed"], task)
    return load_study(write_study(folder, grid, records))


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
    found = estimate(np.array([[0.0, 0.2], [0.4, 0.6]]), AGGREGATES["mean"])  # seeds: 0.1 and 0.5
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


def test_the_share_kept_is_the_ratio_of_the_means(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "zero"), seeds=(0, 1, 2), tasks=TASKS[:2], conditions=spread(1, 10, 100))

    def score(condition: str, method: str, seed: int, task: str) -> float:
        first = {"mean": 0.8, "zero": 0.0}[method] + 0.01 * (seed - 1)
        return first * {"spread-1": 1.0, "spread-10": 0.7, "spread-100": 0.5}[condition]

    (axis,) = axis_results(study_of(tmp_path / "x", grid, score))
    kept = {entry.method: entry for entry in axis.courses[0].kept}
    ratio, change = kept["mean"].ratio, kept["mean"].change
    assert ratio is not None and change is not None
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))  # every seed keeps half
    assert change.difference.value == pytest.approx(-0.4) and change.verdict == "worse"
    assert kept["zero"].ratio is None  # nothing to keep


def test_whether_a_method_loses_less_than_the_baseline_is_tested_in_pairs(tmp_path: Path) -> None:
    """Both lose; what a seed does to the changes of both alike is far more than by how much they differ."""
    grid = Grid(methods=("mean", "firm", "soft"), seeds=(0, 1, 2, 3), tasks=TASKS[:1], conditions=spread(1, 100))

    def score(condition: str, method: str, seed: int, task: str) -> float:
        own = {"mean": 0.0, "firm": 0.05 + 0.002 * (seed % 2), "soft": -0.05 + 0.003 * (seed % 2)}[method]
        return 0.8 if condition == "spread-1" else 0.5 + own + (0.2, -0.3, 0.1, 0.0)[seed]

    study = study_of(tmp_path / "x", grid, score)
    (axis,) = axis_results(study)
    found = {entry.method: entry for entry in axis.courses[0].kept}
    assert {e.change.verdict for e in axis.courses[0].kept if e.change} == {
        "not distinguishable"
    }  # seeds hide each change
    assert found["mean"].against is None
    firm, soft = found["firm"].against, found["soft"].against
    assert firm is not None and firm.verdict == "better" and firm.difference.value == pytest.approx(0.051)
    assert soft is not None and soft.verdict == "worse" and soft.difference.value == pytest.approx(-0.0485)
    p_values = [
        stats.ttest_1samp([0.05, 0.052, 0.05, 0.052], 0).pvalue,
        stats.ttest_1samp([-0.05, -0.047] * 2, 0).pvalue,
    ]
    assert [firm.adjusted, soft.adjusted] == pytest.approx(holm(p_values).tolist())
    told = " ".join(summary(findings(study))[""])
    how = "its change minus that of mean, paired by seed, with Holm's correction for 2 methods"
    assert f"Comes off better than mean from spread 1 to 100 ({how}): firm +0.05 (95%" in told
    assert "Comes off worse than mean from spread 1 to 100: soft −0.05 (95%" in told
    table = next(table for table in printed(findings(study)) if table.title == "Mean score by spread")
    row = dict(zip(table.head, table.rows[1], strict=True))
    assert row["change minus that of mean"].startswith("+0.05 (") and row["change minus that of mean"].endswith("*")


def test_seeds_that_failed_are_told_wherever_they_are_missing(tmp_path: Path) -> None:
    """Half of the runs of "wild" diverge at the largest spread; those that do not keep all."""
    grid = Grid(methods=("mean", "wild"), seeds=(0, 1, 2, 3), tasks=TASKS[:2], conditions=spread(1, 100))
    lost = [("spread-100", "wild", 2), ("spread-100", "wild", 3)]

    def level(method: str, seed: int) -> float:
        return 0.6 + 0.1 * seed + (0.0 if method == "mean" else 0.02)

    records = [*bare(cells(grid, flat({}), unscored=False, without=lost)), *(failed(*cell) for cell in lost)]
    for record in records:
        if record["status"] == "done":
            for entry in record["evaluation"]["tasks"].values():
                less = (
                    0.3 + 0.01 * record["seed"]
                    if (record["condition"], record["method"]) == ("spread-100", "mean")
                    else 0
                )
                entry["score"] = level(record["method"], record["seed"]) - less
    study = load_study(write_study(tmp_path / "x", grid, records))
    (axis,) = axis_results(study)
    assert [point.seeds if point else 0 for point in axis.scores["wild"]] == [4, 2]
    assert axis.fewer == "Seeds, where they are fewer than 4: wild at 100: 2 (2 failed)."
    zero = axis.failed_as_zero["wild"][1]
    assert (
        zero is not None and zero.value == pytest.approx((level("wild", 0) + level("wild", 1)) / 4) and zero.seeds == 4
    )
    (course,) = axis.courses
    wild = {entry.method: entry for entry in course.kept}["wild"]
    assert wild.seeds == [0, 1] and wild.first.value == pytest.approx((level("wild", 0) + level("wild", 1)) / 2)
    assert wild.change is not None and wild.change.difference.value == wild.last.value - wild.first.value
    assert wild.ratio is None or wild.ratio.value == pytest.approx(wild.last.value / wild.first.value)
    counted = {entry.method: entry for entry in course.failed_as_zero}["wild"]
    assert course.failed == {"wild": 2} and counted.change is not None and counted.seeds == [0, 1, 2, 3]
    assert counted.change.difference.value == pytest.approx(-(level("wild", 2) + level("wild", 3)) / 4)
    told = " ".join(sentence for points in summary(findings(study)).values() for sentence in points)
    assert "failed runs are left out, which flatters a method that fails. Seeds, where they are fewer than 4" in told
    assert re.search(r"failed runs counted as score 0, paired by seed.*wild \(−\d\.\d\d to", told)
    assert "With failed runs counted as score 0, against mean (paired by seed): wild" in told
    write_study_report(tmp_path / "x")
    page = (tmp_path / "x" / "report.html").read_text(encoding="utf-8")
    assert page.count("Failed runs are left out. Seeds, where they are fewer than 4: wild at 100: 2 (2 failed).") >= 3
    assert "With failed runs counted as score 0</h3>" in page and "(2 of wild)" in page
    assert "Seeds in common, where they are fewer than 4: wild 2; failed runs are left out." in page
    figures = tmp_path / "x" / "report-figures"
    assert "100.0,wild" in (figures / "axis-spread.csv").read_text()
    assert "score 0,wild,4" in (figures / "axis-spread-kept.csv").read_text()
    assert "failed runs counted as score 0" in (figures / "tables.md").read_text()


def test_scores_are_put_together_by_the_factors_that_the_seeds_drew(tmp_path: Path) -> None:
    tasks = TASKS[:3]

    def score(condition: str, method: str, seed: int, task: str) -> float:
        drawn = conditions.spread(float(condition.partition("-")[2])).settings_of(seed, tasks)
        return 0.1 * math.log10(drawn["play.reward_scales"][task]) + 0.01 * seed

    grid = Grid(methods=("mean", "b"), seeds=(0, 1, 2), tasks=tasks, conditions=spread(1, 100))
    (axis,) = axis_results(study_of(tmp_path / "x", grid, score))
    assert list(axis.by_factor) == ["factor 1 of 3, the smallest", "factor 2 of 3", "factor 3 of 3, the largest"]
    for (name, points), exponent in zip(axis.by_factor.items(), (-1, 0, 1), strict=True):
        found = [point.value for point in points["b"] if point is not None]
        assert found == pytest.approx([0.01, 0.01 + 0.1 * exponent]), name
    numbers = [{"name": f"width-{width}", "axis": "width", "value": width, "settings": {}} for width in (16, 32)]
    plain = Grid(methods=("mean", "b"), seeds=(0, 1), tasks=tasks, conditions=numbers)
    (axis,) = axis_results(study_of(tmp_path / "y", plain, lambda condition, method, seed, task: 0.5))
    assert not axis.by_factor  # no task has a factor of its own


def test_the_tasks_of_a_large_suite_are_divided_into_five_parts(tmp_path: Path) -> None:
    tasks = [f"T{i}" for i in range(12)]
    grid = Grid(methods=("mean",), seeds=(0, 1), tasks=tasks, conditions=spread(1, 100))
    study = study_of(tmp_path / "x", grid, lambda condition, method, seed, task: float(task[1:]))
    (axis,) = axis_results(study)
    assert list(axis.by_factor) == [
        "factor 1 to 3 of 12, the smallest",
        *(f"factor {part} of 12" for part in ("4 to 6", "7 to 8", "9 to 10")),
        "factor 11 to 12 of 12, the largest",
    ]
    orders = [conditions.drawn_order(tasks, seed) for seed in (0, 1)]
    expected = [sum(int(task[1:]) for task in order[:3]) / 3 for order in orders]
    point = axis.by_factor["factor 1 to 3 of 12, the smallest"]["mean"][1]
    assert point is not None and point.value == pytest.approx(sum(expected) / 2)


def test_an_axis_counts_the_tasks_that_all_its_conditions_have(tmp_path: Path) -> None:
    mixes = [{"name": f"mix-{name}", "axis": "mix", "value": name, "settings": {}} for name in ("few", "all")]
    grid = Grid(methods=("mean", "b"), seeds=(0, 1), conditions=mixes)
    records = cells(grid, lambda method, condition, task: 0.5, unscored=False)
    for record in records:
        if record["condition"] == "mix-few":
            for task in TASKS[2:]:
                del record["evaluation"]["tasks"][task]
    (axis,) = axis_results(load_study(write_study(tmp_path / "x", grid, records)))
    assert axis.tasks == list(TASKS[:2]) and not axis.drawn
    assert [condition.value for condition in axis.conditions] == ["few", "all"]


def drawn_study(folder: Path, counts: Sequence[int], left_out: Sequence[tuple[str, str, int]] = ()) -> Study:
    """A task's score is its place, and 0.1 more for method b; each of three seeds draws its own tasks."""
    numbers = [{"name": f"tasks-{count}", "axis": "tasks", "value": count, "settings": {}} for count in counts]
    grid = Grid(methods=("mean", "b"), seeds=(0, 1, 2), conditions=numbers)
    records = bare(cells(grid, flat({}), without=left_out))
    for record in records:
        count = int(record["condition"].partition("-")[2])
        kept = conditions.number_of_tasks(count).settings_of(record["seed"], TASKS)["play.only"]
        tasks = record["evaluation"]["tasks"]
        gain = (0.1 if record["method"] == "b" else 0.0) + 0.01 * record["seed"]
        record["evaluation"]["tasks"] = {
            task: {**tasks[task], "score": TASKS.index(task) + gain} for task in tasks if task in kept
        }
    return load_study(write_study(folder, grid, records))


def test_every_seed_is_scored_on_the_tasks_that_it_has_drawn(tmp_path: Path) -> None:
    study = drawn_study(tmp_path / "x", (2, 3))
    drawn = {seed: conditions.drawn_order(TASKS, seed)[:2] for seed in study.seeds}
    assert len({frozenset(own) for own in drawn.values()}) > 1  # otherwise nothing is tested
    expected = [sum(TASKS.index(task) for task in own) / 2 + 0.01 * seed for seed, own in drawn.items()]
    result = condition_result(study, "tasks-2")
    assert result.drawn and set(result.methods["mean"].rows) == {0, 1, 2}
    assert result.methods["mean"].aggregates["mean"].value == pytest.approx(sum(expected) / 3)
    difference = result.methods["b"].difference
    assert difference is not None and difference.difference.value == pytest.approx(0.1) and difference.pairs == 3
    (axis,) = axis_results(study)  # in pairs of a seed's two tasks, also where it has three
    assert axis.drawn == "2"
    for points in (axis.scores["mean"][0], axis.scores["mean"][1]):
        assert points is not None and points.value == pytest.approx(sum(expected) / 3)
    assert [entry.change is not None and entry.change.difference.value for entry in axis.courses[0].kept] == [0.0, 0.0]
    write_study_report(tmp_path / "x")
    assert len(list((tmp_path / "x" / "report-figures").glob("scores-tasks-2.csv"))) == 1


def test_a_seed_counts_along_the_number_of_tasks_once_its_smallest_number_is_known(tmp_path: Path) -> None:
    left_out = [("tasks-2", method, 2) for method in ("mean", "b")]
    (axis,) = axis_results(drawn_study(tmp_path / "x", (2, 3), left_out))
    drawn = {seed: conditions.drawn_order(TASKS, seed)[:2] for seed in (0, 1)}
    expected = [sum(TASKS.index(task) for task in own) / 2 + 0.01 * seed for seed, own in drawn.items()]
    for point in axis.scores["mean"]:
        assert point is not None and point.value == pytest.approx(sum(expected) / 2)


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
