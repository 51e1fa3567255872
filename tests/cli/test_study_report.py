"""`run.py report FOLDER` of a study."""

from pathlib import Path

from tests.cli.conftest import Call
from tests.mtrl.report.study.synthetic import TASKS, Grid, bare, cells, flat, write_study

GRID = Grid(methods=("mean", "two-hot"), seeds=(0, 1), tasks=TASKS[:1])


def test_the_folder_says_whether_it_is_a_study(call: Call, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "x", GRID, bare(cells(GRID, flat({}), unscored=False)))
    answer = call("report", folder)
    assert answer.code == 0, answer.err
    figures = len(list((folder / "report-figures").glob("*.png")))
    assert answer.out == f"{folder / 'report.html'}\n{figures} figures in {folder / 'report-figures'}\n"
    assert "2 methods × 2 seeds" in (folder / "report.html").read_text()


def test_a_study_with_nothing_done_has_a_page_where_it_is_asked_for(call: Call, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "x", GRID, [])
    page = tmp_path / "elsewhere" / "page.html"
    assert call("report", folder, "--out", page).out == f"{page}\nno figures yet\n"
    assert "Nothing has been finished yet" in page.read_text()


def test_a_study_that_is_damaged_is_one_message(call: Call, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "x", GRID, [])
    (folder / "study.json").write_text("{")
    answer = call("report", folder)
    assert answer.code == 1 and "study.json cannot be read" in answer.message and "Traceback" not in answer.err


def test_a_folder_that_is_neither_is_refused_with_both_names(call: Call, tmp_path: Path) -> None:
    answer = call("report", tmp_path)
    assert answer.code == 2
    assert "is no run: it has no config.json, and no study: it has no study.json" in answer.message
