"""Runs one cell after the other, each in a fork of this process: what all of them import, seconds of a small cell, is
imported once, and what one leaves behind the next one does not see.

    python -m mtrl.study.executors.cell_server FOLDER

Standard input: a line for each cell, a JSON list of the file for what it says and of the arguments of `mtrl.study.cell`
after the folder. Standard output: a line when it has ended, the code that it ended with (minus a signal's number).
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

_NEEDED = (
    *("mtrl.training.allocator", "mtrl.training.checkpoint", "mtrl.training.evaluate", "mtrl.training.log"),
    *("mtrl.training.loop", "torch._dynamo"),
)
"""All of training, with what torch imports when an optimizer is made; no simulator, and nothing that touches a GPU."""


def main(folder: str) -> int:
    """Serve until the standard input ends; in a fork: run the cell.

    Returns:
        0; in a fork: the cell's code.
    """
    from mtrl.study.cell import end_with_parent

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(-number)

    end_with_parent()
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the study ends us
    signal.signal(signal.SIGTERM, end)
    _import_what_cells_need()
    forks = sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    for line in sys.stdin:
        output, *arguments = json.loads(line)
        if not forks:
            print(_run_apart(output, [folder, *arguments]), flush=True)
            continue
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, interrupted)
            return _in_fork(output, [folder, *arguments])
        try:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        except SystemExit:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
            raise
    return 0


def _in_fork(output: str, arguments: Sequence[str]) -> int:
    from mtrl.study.cell import main as run

    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for ours, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(ours, standard)
    os.close(nothing)
    os.close(log)
    return run(arguments)


def _run_apart(output: str, arguments: Sequence[str]) -> int:
    """Where forks are not safe: other systems, and with threads of a library's own."""
    with open(output, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mtrl.study.cell", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            return process.wait()
        except SystemExit:
            process.terminate()
            process.wait()
            raise


def _import_what_cells_need() -> None:
    from mtrl.study.provenance import commit

    for name in _NEEDED:
        importlib.import_module(name)
    commit()  # of the code that is imported here, whatever is edited while the study runs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
