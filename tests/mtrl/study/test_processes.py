"""Processes of a study end when they are told to, whatever they wait for."""

import subprocess
import sys
import threading

import pytest

from mtrl.study.executors import processes

_OVERLOOKS_ONE = """
import signal, sys, time
seen = []
def end(*_):
    seen.append(1)
    if len(seen) > 1:
        sys.exit()
signal.signal(signal.SIGTERM, end)
print(flush=True)
"""
_OVERLOOKS_ALL = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(_OVERLOOKS_ONE + "time.sleep(1000)", id="busy"),
        pytest.param(_OVERLOOKS_ALL + "sys.stdin.read()", id="waits for a cell"),
    ],
)
def test_a_process_that_overlooks_a_signal_is_stopped_all_the_same(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PATIENCE", 0.2)
    server = processes._Server.__new__(processes._Server)
    server.process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.process.stdout is not None
    server.process.stdout.readline()
    stopping = threading.Thread(target=server.stop, daemon=True)
    stopping.start()
    stopping.join(60)
    ended = server.process.poll() is not None
    server.process.kill()
    assert ended
