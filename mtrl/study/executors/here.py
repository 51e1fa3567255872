"""One cell after the other in this process: to debug, and where memory is short."""

from collections.abc import Generator, Sequence
from pathlib import Path

from mtrl.study.cell import run_cell
from mtrl.study.result import Result
from mtrl.study.study import Cell, Study


class Here:
    """In this process."""

    parallel = 1

    def run(self, study: Study, folder: Path, cells: Sequence[Cell]) -> Generator[tuple[Cell, Result], None, None]:
        """See `Executor`."""
        for cell in cells:
            yield cell, run_cell(study, folder, cell)
