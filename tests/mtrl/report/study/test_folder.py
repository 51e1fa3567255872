"""Reading a study's folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from mtrl.report.study.folder import load_study
from tests.mtrl.report.study.synthetic import TASKS, Grid, cells, failed, flat, spread, write_study

GRID = Grid(methods=("mean", "two-hot"), seeds=(0, 1), tasks=TASKS[:1])


def test_every_cell_of_the_grid_is_done_failed_or_missing(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "two-hot"), seeds=(0, 1), tasks=TASKS[:1], conditions=spread(1, 10))
    records = [*cells(grid, flat({}))[:3], failed("spread-10", "two-hot", 1)]
    study = load_study(write_study(tmp_path / "x", grid, records))
    counts = {state: study.count(state) for state in ("done", "failed", "missing")}  # type: ignore[arg-type]
    assert counts == {"done": 3, "failed": 1, "missing": 4}
    assert len(study.keys) == sum(counts.values()) == 8
    assert study.state(("spread-10", "two-hot", 1)) == "failed"


@pytest.mark.parametrize("tail", ['{"condition": "pla', "\x00\x00", '{"condition": "plain"'])
def test_a_last_line_that_is_cut_is_left_out(tail: str, tmp_path: Path) -> None:
    records = cells(GRID, flat({}))
    whole = load_study(write_study(tmp_path / "a" / "x", GRID, records))
    assert load_study(write_study(tmp_path / "b" / "x", GRID, records, tail=tail)) == whole


@pytest.mark.parametrize(
    "line",
    [
        '{"condition": "pla',
        "[1]",
        '{"condition": "plain", "method": "mean", "seed": 0}',
        '{"condition": "plain", "method": "mean", "seed": 0, "status": "odd"}',
        '{"condition": "plain", "method": "mean", "seed": 0, "status": "done"}',
        '{"condition": "plain", "method": "mean", "seed": "x", "status": "failed"}',
    ],
)
def test_a_line_that_is_damaged_before_the_end_is_named(line: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "x", GRID, cells(GRID, flat({})))
    lines = (folder / "results.jsonl").read_text().splitlines()
    (folder / "results.jsonl").write_text("\n".join([lines[0], line, *lines[1:]]) + "\n")
    with pytest.raises(ValueError, match=r"results\.jsonl, line 2: expected"):
        load_study(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "expected a study of version 2, found 1"),
        ({"methods": None}, "expected suite, methods, conditions and seeds"),
        ({"seeds": ["a"]}, "expected suite, methods, conditions and seeds"),
        ({"conditions": [{}]}, "expected suite, methods, conditions and seeds"),
        ({"baseline": "gone"}, r"expected a baseline among the methods \['mean', 'two-hot'\], found 'gone'"),
    ],
)
def test_a_study_that_cannot_be_read_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "x", GRID, [])
    (folder / "study.json").write_text(json.dumps({**GRID.study(), **change}))
    with pytest.raises(ValueError, match=f"study.json: {message}"):
        load_study(folder)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_without_a_study_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "study.json").write_text(content)
    with pytest.raises(ValueError, match=r"study\.json"):
        load_study(tmp_path)
