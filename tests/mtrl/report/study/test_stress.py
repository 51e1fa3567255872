"""What a report says along an axis of conditions, worked out by hand: scores, what is kept, who pays."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from scipy import stats

from mtrl.report.study import write_study_report
from mtrl.report.study.findings import findings
from mtrl.report.study.folder import Study, load_study
from mtrl.report.study.paper import printed
from mtrl.report.study.results import condition_result
from mtrl.report.study.stress import axis_results
from mtrl.report.study.summary import summary
from mtrl.study import conditions
from mtrl.study.statistics.holm import holm
from tests.mtrl.report.study.synthetic import (
    TASKS,
    Grid,
    bare,
    cells,
    failed,
    flat,
    spread,
    study_of,
    write_study,
)


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


@pytest.mark.usefixtures("undrawn")
def test_seeds_that_failed_are_told_wherever_they_are_missing(tmp_path: Path) -> None:
    """Two runs of "wild" diverge at the largest spread; those that do not keep all."""
    grid = Grid(methods=("mean", "wild"), tasks=TASKS[:2], conditions=spread(1, 100))
    lost = [("spread-100", "wild", 3), ("spread-100", "wild", 4)]

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
    assert [point.seeds if point else 0 for point in axis.scores["wild"]] == [5, 3]
    assert axis.fewer == "Seeds, where they are fewer than 5: wild at 100: 3 (2 failed)."
    zero = axis.failed_as_zero["wild"][1]
    left = sum(level("wild", seed) for seed in (0, 1, 2))
    assert zero is not None and zero.value == pytest.approx(left / 5) and zero.seeds == 5
    (course,) = axis.courses
    wild = {entry.method: entry for entry in course.kept}["wild"]
    assert wild.seeds == [0, 1, 2] and wild.first.value == pytest.approx(left / 3)
    assert wild.change is not None and wild.change.difference.value == wild.last.value - wild.first.value
    assert wild.ratio is None or wild.ratio.value == pytest.approx(wild.last.value / wild.first.value)
    counted = {entry.method: entry for entry in course.failed_as_zero}["wild"]
    assert course.failed == {"wild": 2} and counted.change is not None and counted.seeds == [0, 1, 2, 3, 4]
    assert counted.change.difference.value == pytest.approx(-(level("wild", 3) + level("wild", 4)) / 5)
    told = " ".join(sentence for points in summary(findings(study)).values() for sentence in points)
    assert "Along spread: Failed runs are left out, which flatters a method that fails. Seeds, where" in told
    assert re.search(r"failed runs counted as score 0, paired by seed.*wild \(−\d\.\d\d to", told)
    assert "With failed runs counted as score 0, against mean (paired by seed): wild" in told
    write_study_report(tmp_path / "x")
    page = (tmp_path / "x" / "report.html").read_text(encoding="utf-8")
    assert page.count("Failed runs are left out. Seeds, where they are fewer than 5: wild at 100: 3 (2 failed).") >= 3
    assert "With failed runs counted as score 0</h3>" in page and "(2 of wild)" in page
    assert "Seeds in common, where they are fewer than 5: wild 3; failed runs are left out." in page
    figures = tmp_path / "x" / "report-figures"
    assert "100.0,wild" in (figures / "axis-spread.csv").read_text()
    assert "score 0,wild,5" in (figures / "axis-spread-kept.csv").read_text()
    assert "failed runs counted as score 0" in (figures / "tables.md").read_text()


@pytest.mark.parametrize("gap", [0.01, 0.4])
def test_scores_that_are_stuck_are_told_apart_as_far_as_their_evaluation_tells(gap: float, tmp_path: Path) -> None:
    """All seeds differ by exactly the gap, as at a floor; each score is of 100 trials that ended alike."""
    grid = Grid(methods=("mean", "b"), seeds=(0, 1, 2, 3), tasks=TASKS[:1], conditions=spread(1, 100))
    records = bare(cells(grid, flat({}), unscored=False))
    for record in records:
        last_b = (record["method"], record["condition"]) == ("b", "spread-100")
        for entry in record["evaluation"]["tasks"].values():
            entry["score"] = 0.5 + (gap if last_b else 0.0)
            entry["score_interval"] = [entry["score"]] * 2
    study = load_study(write_study(tmp_path / "x", grid, records))
    found = findings(study)
    difference = found.results[1].methods["b"].difference
    # t = 0.01 over sqrt(2) / 100 / sqrt(4): p = 0.25 with 3 degrees of freedom
    p_value = 2 * stats.t.sf(gap / (math.sqrt(2) / 100 / 2), 3)
    assert difference is not None and difference.p_value == pytest.approx(p_value)
    expected = "better" if gap == 0.4 else "not distinguishable"
    assert difference.verdict == expected and difference.difference.high > difference.difference.low
    assert [entry.verdict for entry in found.conditions[1].sacrificed] == [expected]
    b = {entry.method: entry for entry in found.axes[0].courses[0].kept}["b"]
    assert b.change is not None and b.change.verdict == expected
    assert b.against is not None and b.against.verdict == expected


def test_two_seeds_tell_nothing_apart(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "b", "single-task"), seeds=(0, 1), tasks=TASKS[:2], conditions=spread(1, 100))
    study = study_of(
        tmp_path / "x", grid, lambda c, method, seed, t: 0.1 + 0.001 * seed * (method == "b") + 0.5 * (method == "b")
    )
    found = findings(study)
    told = " ".join(sentence for points in summary(found).values() for sentence in points)
    assert "only 2 seeds, which is few: intervals are wide, and with fewer than 3 nothing is told apart." in told
    assert found.results[0].methods["b"].standing == "too few seeds"
    assert not found.conditions[0].sacrificed and not found.conditions[0].transferred
    assert all(entry.change is entry.against is None for entry in found.axes[0].courses[0].kept)


@pytest.mark.usefixtures("undrawn")
def test_every_scaled_condition_is_compared_with_the_unscaled_one(tmp_path: Path) -> None:
    """The correction is for both methods and both scaled conditions."""
    scaled = [conditions.scales({TASKS[0]: factor}) for factor in (10.0, 100.0)]
    asked = [{"name": c.name, "axis": c.axis, "value": c.value, "settings": {}} for c in (*scaled, conditions.UNSCALED)]
    grid = Grid(methods=("mean", "b"), seeds=(0, 1, 2), tasks=TASKS[:2], conditions=asked)
    lost = {"unscaled": 0.0, scaled[0].name: 0.1, scaled[1].name: 0.2}

    def score(condition: str, method: str, seed: int, task: str) -> float:
        share = {"mean": 1.0, "b": 0.5}[method] + 0.05 * seed
        return 0.7 - share * lost[condition]

    study = study_of(tmp_path / "x", grid, score)
    (axis,) = axis_results(study)
    assert [(course.first.name, course.last.name) for course in axis.courses] == [
        ("unscaled", condition.name) for condition in scaled
    ]
    changes = [entry.change for course in axis.courses for entry in course.kept]
    raw = [
        float(stats.ttest_1samp([-lost[c.name] * (share + 0.05 * seed) for seed in (0, 1, 2)], 0).pvalue)
        for c in scaled
        for share in (1.0, 0.5)
    ]
    assert [change.adjusted for change in changes if change] == pytest.approx(holm(raw).tolist())
    told = " ".join(sentence for points in summary(findings(study)).values() for sentence in points)
    assert f"Score lost from scales none to {TASKS[0]} 100 (mean score, paired by seed" in told
    write_study_report(tmp_path / "x")
    page = (tmp_path / "x" / "report.html").read_text(encoding="utf-8")
    assert 'id="axis-scales-kept"' in page and 'id="axis-scales-kept-1"' in page
    assert "corrected for the number of methods and of the 2 such tables" in page
    tables = (tmp_path / "x" / "report-figures" / "tables.md").read_text()
    assert f"Score kept from scales none to scales {TASKS[0]} 10" in tables


@pytest.mark.usefixtures("undrawn")
def test_along_an_axis_comparisons_are_corrected_over_all_its_conditions(tmp_path: Path) -> None:
    """p = 0.02 under each of five conditions: told apart in each by itself, nowhere over the axis."""
    grid = Grid(methods=("mean", "b"), seeds=(0, 1, 2, 3), tasks=TASKS[:2], conditions=spread(1, 3, 10, 30, 100))
    gain = (0.05, 0.1, 0.02, 0.09)
    assert 0.01 < stats.ttest_1samp(gain, 0).pvalue < 0.05

    def score(condition: str, method: str, seed: int, task: str) -> float:
        return 0.5 + 0.1 * seed + (gain[seed] if method == "b" else 0.0)

    found = findings(study_of(tmp_path / "x", grid, score))
    assert {result.methods["b"].standing for result in found.results} == {"better"}
    (axis,) = found.axes
    assert axis.against == {"mean": [None] * 5, "b": ["not distinguishable"] * 5} and axis.compared == 5
    table = next(table for table in printed(found) if table.title == "Mean score by spread")
    assert "Holm's correction for all 5 comparisons of the axis" in table.note
    assert not any("*" in cell for row in table.rows for cell in row[1:6])
    told = " ".join(summary(found)[""])
    assert "over 5 conditions that many times as many chance findings are to be expected" in told
    write_study_report(tmp_path / "x")
    rows = (tmp_path / "x" / "report-figures" / "axis-spread.csv").read_text().splitlines()
    assert rows[0].endswith("verdict_holm_over_the_axis") and rows[-1].endswith(",not distinguishable")


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


@pytest.mark.usefixtures("undrawn")
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
