"""Processes on this machine, one cell after the other in each; where they take all cores, each has one of its own."""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from mtrl.study.cell import read_result
from mtrl.study.executors.executor import lost
from mtrl.study.result import Result
from mtrl.study.study import Cell, Study

_OUTPUT = "output.txt"
_SHOWN = 500
_PATIENCE = 5.0
"""Seconds until a process that should end is told again."""


class Processes:
    """So many processes side by side.

    Args:
        count: None: one a core that this process may use.
    """

    def __init__(self, count: int | None = None) -> None:
        self.cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.parallel = count or len(self.cores) or os.cpu_count() or 1
        if self.parallel < len(self.cores):
            self.cores = []  # another study may run beside this one, and would take the same

    def run(self, study: Study, folder: Path, cells: Sequence[Cell]) -> Generator[tuple[Cell, Result], None, None]:
        """See `Executor`."""
        waiting, servers = list(cells), list[_Server]()
        free = [self.cores[i % len(self.cores)] if self.cores else None for i in range(self.parallel)]
        try:
            while waiting or servers:
                while waiting and free:
                    servers.append(_Server(folder, waiting.pop(0), free.pop(0)))
                for server in select.select(servers, [], [])[0]:
                    cell, result = server.ended()
                    if server.serves and waiting:
                        server.begin(waiting.pop(0))
                    else:
                        servers.remove(server)
                        free.append(server.core)
                        server.stop()
                    yield cell, result
        finally:
            for server in servers:
                server.stop()


class _Server:
    """A process of `cell_server`, and the cell that it runs."""

    def __init__(self, folder: Path, cell: Cell, core: int | None) -> None:
        self.folder, self.core, self.serves = folder, core, True
        with self._output(cell).open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mtrl.study.executors.cell_server", str(folder.resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                cwd=Path(__file__).parents[3],  # so that the same modules are found, installed or not
                text=True,
            )
        if core is not None:
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                os.sched_setaffinity(self.process.pid, {core})
        self.begin(cell)

    def begin(self, cell: Cell) -> None:
        """Run a cell."""
        self.cell = cell
        choice = [json.dumps(dict(cell.choice))] if cell.choice else []
        output = self._output(cell)
        output.write_bytes(b"")
        asked = [str(output.resolve()), cell.condition, cell.method, str(cell.seed), *choice]
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: `ended` will say so
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()

    def fileno(self) -> int:
        """What can be read as soon as the cell has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def ended(self) -> tuple[Cell, Result]:
        """The cell with its result; waits for it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.serves = bool(line)
        return self.cell, self._result(int(line) if line else self.process.wait())

    def stop(self) -> None:
        """End the process, and the cell that it runs."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()  # ends one that waits for a cell
        while self.process.poll() is None:
            # Again and again: a signal that comes just before a call that waits is not seen until the call returns.
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE)
        self.process.stdout.close()

    def _output(self, cell: Cell) -> Path:
        place = self.folder / cell.folder
        place.mkdir(parents=True, exist_ok=True)
        return place / _OUTPUT

    def _result(self, code: int) -> Result:
        found = read_result(self.folder, self.cell) if code in (0, 1) else None
        if found is not None:
            return found
        said = self._output(self.cell).read_text(errors="replace").strip()[-_SHOWN:]
        how = f"was killed by signal {-code} (out of memory?)" if code < 0 else f"ended with code {code}"
        return lost(self.cell, f"its process {how}" + (f"; it said: {said}" if said else ""))
