"""What a study asks of whatever runs its cells."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Protocol

from mtrl.study.result import Result
from mtrl.study.study import Cell, Study


class Executor(Protocol):
    """Runs cells, any number at a time. Numbers do not depend on which one does."""

    parallel: int
    """Cells at a time, as far as is known beforehand."""

    def run(self, study: Study, folder: Path, cells: Sequence[Cell]) -> Generator[tuple[Cell, Result], None, None]:
        """Run the cells of the study that the folder holds; each with its result as soon as it has one.

        An error in a cell is its result. Closing the iterator stops what still runs; a later run goes on from there.
        """


def lost(cell: Cell, why: str) -> Result:
    """The result of a cell whose process ended without one."""
    return {**cell.named, "status": "failed", "error": why}
