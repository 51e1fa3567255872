"""Processes on this machine, each with a core of its own, one cell after the other in each."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mtrl.study.cell import read_result
from mtrl.study.executors.executor import lost
from mtrl.study.result import Result
from mtrl.study.study import Cell, Study

_POLL = 0.2
_SHOWN = 500


@dataclass(frozen=True)
class _Running:
    cell: Cell
    process: subprocess.Popen[bytes]
    core: int | None
    log: IO[bytes]


class Processes:
    """So many processes side by side.

    Args:
        count: None: one a core that this process may use.
    """

    def __init__(self, count: int | None = None) -> None:
        self.cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.parallel = count or len(self.cores) or os.cpu_count() or 1

    def run(self, study: Study, folder: Path, cells: Sequence[Cell]) -> Generator[tuple[Cell, Result], None, None]:
        """See `Executor`."""
        waiting, running = list(cells), list[_Running]()
        free = [self.cores[i % len(self.cores)] if self.cores else None for i in range(self.parallel)]
        try:
            while waiting or running:
                while waiting and free:
                    running.append(_start(folder, waiting.pop(0), free.pop(0)))
                ended = [one for one in running if one.process.poll() is not None]
                for one in ended:
                    running.remove(one)
                    free.append(one.core)
                    one.log.close()
                    yield one.cell, _result(folder, one)
                if not ended:
                    time.sleep(_POLL)
        finally:
            for one in running:
                one.process.terminate()
            for one in running:
                one.process.wait()
                one.log.close()


def _start(folder: Path, cell: Cell, core: int | None) -> _Running:
    place = folder / cell.folder
    place.mkdir(parents=True, exist_ok=True)
    log = (place / "output.txt").open("wb")
    choice = [json.dumps(dict(cell.choice))] if cell.choice else []
    named = [str(folder.resolve()), cell.condition, cell.method, str(cell.seed), *choice]
    process = subprocess.Popen(
        [sys.executable, "-m", "mtrl.study.cell", *named],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3],  # so that the same modules are found, installed or not
    )
    if core is not None:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            os.sched_setaffinity(process.pid, {core})
    return _Running(cell, process, core, log)


def _result(folder: Path, one: _Running) -> Result:
    code = one.process.returncode
    found = read_result(folder, one.cell) if code in (0, 1) else None
    if found is not None:
        return found
    said = (folder / one.cell.folder / "output.txt").read_text(errors="replace").strip()[-_SHOWN:]
    how = f"was killed by signal {-code} (out of memory?)" if code < 0 else f"ended with code {code}"
    return lost(one.cell, f"its process {how}" + (f"; it said: {said}" if said else ""))
