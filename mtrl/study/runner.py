"""Running a study: what is missing, wherever the executor puts it, as events. Whoever asks for them may stop asking."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from mtrl.study.executors.executor import Executor
from mtrl.study.folder import RESULTS, TUNING, StudyFolder
from mtrl.study.result import Result, without_diagnostics
from mtrl.study.study import Cell, Study


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Some cells are about to run."""

    phase: Literal["tuning", "cells"]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A cell has a result, which is in the folder by now."""

    cell: Cell
    result: Result


Event = Begun | Ended


def run_study(
    study: Study, folder: StudyFolder, executor: Executor, *, retry_failed: bool = False
) -> Generator[Event, None, None]:
    """Make the runs of the search, then run the cells that have no result.

    Args:
        study: as `StudyFolder.open` returned it.
        retry_failed: also those that failed, of the search too.
    Raises:
        InUseError: the folder's study runs already.
        StudyError: all runs of the search of a method failed, so that nothing is known of its settings.
    """
    with folder.held():
        yield from _run(study, folder, executor, retry_failed=retry_failed)


def _run(study: Study, folder: StudyFolder, executor: Executor, *, retry_failed: bool) -> Generator[Event, None, None]:
    # Cells know what the search has found only when it is over.
    for name in (TUNING, RESULTS):
        if name == TUNING:
            cells = folder.untuned(study, retry_failed=retry_failed)
        else:
            folder.check_search(study)
            cells = folder.missing(study, retry_failed=retry_failed)
        if not cells:
            continue
        yield Begun(phase="tuning" if name == TUNING else "cells", cells=tuple(cells))
        running = executor.run(study, folder.path, cells)
        try:
            for cell, result in running:
                folder.add(without_diagnostics(result) if name == TUNING else result, name)
                yield Ended(cell=cell, result=result)
        finally:
            running.close()
