"""Tables as papers print them: the numbers of the page, rounded, in well-formed Markdown and LaTeX."""

import re
from pathlib import Path

import pytest

from mtrl.report.study.findings import findings
from mtrl.report.study.folder import load_study
from mtrl.report.study.paper import Printed, latex, markdown, printed
from tests.mtrl.report.study.synthetic import TASKS, Grid, Record, cells, falling, spread, write_study


def quality(method: str, condition: Record, task: str) -> float:
    return {"mean": 0.2, "two-hot": 0.8}.get(method, 0.5)


def tables_of(folder: Path) -> dict[str, Printed]:
    return {table.title: table for table in printed(findings(load_study(folder)))}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Printed]:
    grid = Grid(methods=("mean", "two-hot", "single-task"), tasks=TASKS[:2])
    return tables_of(write_study(tmp_path_factory.mktemp("x") / "compared", grid, cells(grid, quality)))


@pytest.fixture(scope="module")
def stressed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Printed]:
    grid = Grid(methods=("mean", "two-hot"), conditions=spread(1, 100), tasks=TASKS[:2])
    return tables_of(write_study(tmp_path_factory.mktemp("x") / "stressed", grid, cells(grid, falling)))


def test_a_comparison_has_its_scores_its_tasks_and_both_differences(compared: dict[str, Printed]) -> None:
    assert list(compared) == [
        "Scores, plain",
        "Score by task, plain",
        "Transfer by task, plain",
        "Difference from single-task by task, plain",
        "Difference from mean by task, plain",
    ]
    rows = {
        row[0]: dict(zip(compared["Scores, plain"].head, row, strict=True)) for row in compared["Scores, plain"].rows
    }
    assert re.fullmatch(r"0\.\d\d \(0\.\d\d to [01]\.\d\d\)\*", rows["two-hot"]["mean"])
    assert abs(float(rows["two-hot"]["mean"][:4]) - 0.8) < 0.1 and rows["two-hot"]["p (Holm)"] == "0.000"
    assert rows["two-hot"]["difference to mean"].startswith("+0.") and not rows["mean"]["mean"].endswith("*")
    assert rows["mean"]["time"] == "1.00" and rows["single-task"]["parameters"] == "246,912"
    of_mean = {row[0]: row[2:] for row in compared["Difference from mean by task, plain"].rows}
    assert all(cell.startswith("+0.") and cell.endswith("*") for cell in of_mean["two-hot"])
    assert [row[:2] for row in compared["Transfer by task, plain"].rows] == [["mean", "single-task"]]
    assert [row[0] for row in compared["Difference from single-task by task, plain"].rows] == ["two-hot"]


def test_a_stress_test_has_a_column_a_condition_and_what_was_kept(stressed: dict[str, Printed]) -> None:
    table = stressed["Mean score by spread"]
    assert table.head[:5] == ["method", "spread 1", "spread 100", "share kept", "change"]
    assert table.head[5] == "change minus that of mean"
    assert all(len(row) == len(table.head) for row in table.rows)
    assert "Mean score by a task's own factor, spread 100" in stressed and "Score by task, spread 1" in stressed
    head = stressed["Mean score by a task's own factor, spread 100"].head
    assert head == ["method", *(f"factor {place} of 3" for place in (1, 2, 3))]  # of all tasks, scored or not


def test_a_study_without_results_has_no_tables(tmp_path: Path) -> None:
    assert tables_of(write_study(tmp_path / "none", Grid(), [])) == {}


def test_markdown_has_as_many_cells_in_every_line() -> None:
    table = Printed(title="T", head=["method", "a|b"], rows=[["x|y", "1"], ["z", "–"]], note="N.")
    lines = markdown([table]).splitlines()
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")] == [3] * 4
    assert lines[0] == "## T" and lines[-1] == "N."


def test_latex_is_balanced_and_escaped() -> None:
    table = Printed(title="50% of a_b", head=["method", "x & y"], rows=[["#1 {$}", "−0.5\\^~"]], note="A – B.")
    text = latex([table])
    assert r"50\% of a\_b. A -- B." in text and r"x \& y \\" in text
    assert r"\#1 \{\$\} & $-$0.5\textbackslash{}\textasciicircum{}\textasciitilde{} \\" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    without = text.replace(r"\{", "").replace(r"\}", "")
    assert without.count("{") == without.count("}")
