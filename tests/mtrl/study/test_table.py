"""What a terminal, or a file in its place, is told of a study."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from mtrl.study.folder import StudyFolder
from mtrl.study.runner import Begun, Ended, Event
from mtrl.study.study import Cell
from mtrl.study.table import StudyTable
from tests.mtrl.study.builders import study

CELLS = tuple(Cell("plain", method, seed) for seed in (0, 1) for method in ("mean", "pcgrad"))


def result(cell: Cell, score: float | None) -> dict[str, object]:
    if score is None:
        return {**cell.named, "status": "failed", "error": "DivergenceError: the losses are NaN"}
    return {**cell.named, "status": "done", "seconds": 61.0, "evaluation": {"score": score, "tasks": {}}}


def events() -> Iterator[Event]:
    yield Begun(phase="cells", cells=CELLS)
    for cell, score in zip(CELLS[:3], (0.25, None, 0.75), strict=True):
        yield Ended(cell=cell, result=result(cell, score))


def shown(folder: Path, *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, no_color=True)
    held = StudyFolder(folder)
    StudyTable(held.open(study()), held, parallel=2, console=console).show(events())
    return out.getvalue()


def test_without_a_terminal_every_cell_has_a_line(tmp_path: Path) -> None:
    lines = shown(tmp_path, terminal=False).splitlines()
    assert lines[0].startswith("plain, mean, seed 0: score 0.25 in 1:01; 1 of 4 missing cells done")
    assert lines[1].startswith("plain, pcgrad, seed 0: failed: DivergenceError: the losses are NaN; 2 of 4")
    assert len(lines) == 3 and "left 0:00" in lines[2]


def test_a_terminal_shows_scores_failures_and_what_runs(tmp_path: Path) -> None:
    """Of the last cell half of the steps are done."""
    place = tmp_path / "x" / CELLS[3].folder / "run"
    place.mkdir(parents=True)
    records = [{"kind": "start", "steps": 0}, {"kind": "update", "steps": 800}]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (place / "metrics.jsonl").write_text(lines + '{"kind": "upd')
    held = StudyFolder(tmp_path / "x")
    table = StudyTable(study(), held, parallel=2, console=Console(file=io.StringIO(), force_terminal=True))
    for event in events():
        table._take(event)
    out = io.StringIO()
    Console(file=out, width=120, no_color=True).print(table._display())
    mean, pcgrad = (next(x for x in out.getvalue().splitlines() if x.split()[:1] == [m]) for m in ("mean", "pcgrad"))
    assert mean.split() == ["mean", "0.50", "✓✓"]
    assert pcgrad.split() == ["pcgrad", "✗5"]
    assert "3 of 4 missing cells done" in out.getvalue()
