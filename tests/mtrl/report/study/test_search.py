"""The search for settings in a study's report: what was tried, what it cost, what was taken."""

import csv
import json
from pathlib import Path

import pytest

from mtrl.report.study import write_study_report
from tests.mtrl.report.study.synthetic import Grid, Record, cell, write_study
from tests.report.test_page import Reader

PLAIN: Record = {"name": "plain", "axis": None, "value": None, "settings": {}}
RATE, BONUS = "update.learning_rate", "learning.entropy_weight"
FLAT = 0.5


def tried(method: str, rate: float, score: float | None, **more: object) -> Record:
    choice = {RATE: rate, BONUS: 0.01} if method == "mean" else {RATE: rate}
    named = {"condition": "plain", "method": method, "seed": 1_000_003, "choice": choice}
    if score is None:
        return {**named, "status": "failed", "error": "DivergenceError: <nan>", **more}
    return {**named, "status": "done", "seconds": 900.0, "evaluation": {"score": score, "tasks": {}}, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    grid = Grid(methods=("mean", "pcgrad"), seeds=(0, 1), more={"search": {RATE: [0.001, 0.01], BONUS: [0.01]}})
    taken = {"mean": {RATE: 0.01, BONUS: 0.01}, "pcgrad": {RATE: 0.001}}
    runs = [
        {**cell(grid, PLAIN, method, seed, lambda *_: FLAT), "choice": taken[method]}
        for seed in grid.seeds
        for method in grid.methods
    ]
    return write_study(tmp_path / "study", grid, runs)


@pytest.mark.usefixtures("undrawn")
def test_every_run_of_the_search_is_a_row_with_its_cost_and_the_taken_ones_are_marked(folder: Path) -> None:
    runs = [
        *(tried("mean", 0.001, 0.3), tried("pcgrad", 0.001, 0.4), tried("mean", 0.01, 0.5)),
        tried("pcgrad", 0.01, None),
    ]
    (folder / "tuning.jsonl").write_text("".join(f"{json.dumps(run)}\n" for run in runs))
    write_study_report(folder)
    page = (folder / "report.html").read_text()
    section = page[page.index('<details id="search">') :]
    head, *rows = Reader(section[: section.index("</details>") + len("</details>")]).rows
    assert head == ["method", "learning rate", "entropy weight", "score", "minutes", "taken"]
    assert [row[0] for row in rows] == ["mean", "mean", "pcgrad", "pcgrad"]
    assert rows[0][1:] == ["0.001", "0.01", "0.30", "15.00", ""] and rows[1][-1] == "✓"
    assert rows[2][2] == "its own" and rows[2][-1] == "✓"
    assert rows[3][3].startswith("failed") and "&lt;nan&gt;" in section
    assert "3 of them were evaluated on the instances that the cells are evaluated on" in section  # as it once was
    assert "4 runs so far, 0.75 hours in all" in section and "learning rate and entropy weight" in section
    with (folder / "report-figures" / "search.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["method"], row[RATE], row["score"], row["taken"]) for row in table][2:] == [
        ("pcgrad", "0.001", "0.4", "1"),
        ("pcgrad", "0.01", "", "0"),
    ]


@pytest.mark.usefixtures("undrawn")
def test_without_a_search_nothing_is_said_of_one(folder: Path) -> None:
    write_study_report(folder)
    assert 'id="search"' not in (folder / "report.html").read_text()
    assert not (folder / "report-figures" / "search.csv").exists()


def test_a_damaged_run_of_the_search_is_named(folder: Path) -> None:
    (folder / "tuning.jsonl").write_text('{"condition": "plain"}\n')
    with pytest.raises(ValueError, match=r"tuning\.jsonl, line 1: expected condition, method, seed"):
        write_study_report(folder)
