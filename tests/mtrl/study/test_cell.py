"""A cell has one process at a time."""

from pathlib import Path

import pytest

from mtrl.in_use import InUseError, held
from mtrl.study.cell import run_cell
from mtrl.study.folder import StudyFolder
from mtrl.study.study import Cell
from tests.mtrl.study.builders import study


def test_a_cell_is_left_alone_while_another_process_is_at_it(tmp_path: Path) -> None:
    """As after a study was killed whose jobs go on elsewhere."""
    asked = StudyFolder(tmp_path).open(study(seeds=(0,), methods=study("mean").methods))
    cell = Cell("plain", "mean", 0)
    place = tmp_path / cell.folder
    (place / "run").mkdir(parents=True)
    (place / "result.json").write_text("{}")
    with held(place), pytest.raises(InUseError, match="is in use"):
        run_cell(asked, tmp_path, cell)
    assert (place / "result.json").read_text() == "{}" and (place / "run").is_dir()
