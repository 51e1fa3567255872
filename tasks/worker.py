"""Slots in a process of their own, which write into memory that both sides see.

The process is started afresh (never forked: the parent may have threads) and told what to do over a pipe; actions,
observations and rewards lie in shared memory. One that dies or does not answer is replaced, and its slots go on with
their next trials.
"""

import contextlib
import mmap
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any, BinaryIO

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from tasks.buffers import Buffers
from tasks.draw import draw_trial, generator_at
from tasks.group import Begun, Dropped, Event, SlotGroup, State
from tasks.trial import SimulatorError

if TYPE_CHECKING:
    from tasks.suite import Suite

_STEP, _QUIET = b"s", b""
_START_PATIENCE = 120.0  # seconds to begin: imports, and the first simulators of every kind


class SharedMemory:
    """Zeros that several processes see. Arrays are handed out one after the other, in the same order on each side."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        if os.fstat(file.fileno()).st_size < size:
            file.truncate(size)
        self.memory = mmap.mmap(file.fileno(), size)
        self.at = 0

    @classmethod
    def create(cls, size: int) -> "SharedMemory":
        """Memory that vanishes with the last process that has it."""
        folder = "/dev/shm" if os.path.isdir("/dev/shm") else None
        return cls(tempfile.TemporaryFile(dir=folder), size)  # lives as long as the memory

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """The next array."""
        count = int(np.prod(shape))
        array = np.frombuffer(self.memory, dtype, count, self.at).reshape(shape)
        self.at += -(-array.nbytes // 64) * 64
        return array


def shared_size(suite: "Suite", num_slots: int, workers: int) -> int:
    """Bytes that `Exchange` takes."""
    total = 0

    def count(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        nonlocal total
        total += -(-int(np.prod(shape)) * np.dtype(dtype).itemsize // 64) * 64
        return np.zeros(shape, dtype)

    Exchange(suite, num_slots, workers, count)
    return max(total, mmap.PAGESIZE)


class Exchange:
    """The arrays that parent and workers share."""

    def __init__(self, suite: "Suite", num_slots: int, workers: int, allocate: Any) -> None:
        self.buffers = Buffers.zeros(suite, num_slots, allocate)
        shape = (num_slots, suite.num_actions) if suite.continuous else (num_slots,)
        self.actions = allocate(shape, np.float32 if suite.continuous else np.int64)
        self.busy = allocate((max(1, workers),), np.int32)


class Worker:
    """The parent's side of one process.

    Args:
        number: which of the workers this is.
        indices: the slots that it plays.
        fixed: the task that each always plays; None: drawn for every trial.
        tries: see `SlotGroup`.
        patience: seconds for an answer.
    """

    def __init__(
        self,
        suite: "Suite",
        exchange: Exchange,
        memory: SharedMemory,
        number: int,
        workers: int,
        indices: Sequence[int],
        fixed: Sequence[int | None],
        *,
        tries: int | None,
        patience: float,
    ) -> None:
        self.suite, self.exchange, self.memory, self.number = suite, exchange, memory, number
        self.indices, self.tries, self.patience = list(indices), tries, patience
        self.workers, self.fixed = workers, list(fixed)
        exchange.busy[number] = self.indices[0]
        # Where each slot's generator stood when its trial was drawn, should the process be lost.
        self.origins: list[dict[str, Any] | None] = [None] * len(self.indices)
        self.process: subprocess.Popen[bytes] | None = None
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = Pipe()
        self._answered = _something_in(self.pipe)
        fds = (theirs.fileno(), self.memory.file.fileno())
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        environment["OMP_NUM_THREADS"] = "1"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tasks.worker", *map(str, fds)], pass_fds=fds, env=environment
        )
        theirs.close()
        num_slots = len(self.exchange.buffers.reward)
        setup = (self.suite, num_slots, self.workers, self.number, self.indices, self.fixed, self.tries)
        self.pipe.send_bytes(cloudpickle.dumps(setup))

    def fix(self, fixed: Sequence[int | None]) -> None:
        """From the next trials on, let each slot always play this task."""
        self.fixed = list(fixed)
        self.send("fix", self.fixed)

    def send(self, command: str, *given: Any) -> None:
        """Ask for something; `receive` waits for the answer."""
        with contextlib.suppress(OSError):  # a dead process is noticed when it does not answer
            self.pipe.send((command, given))
        self._patience = _START_PATIENCE + self.patience

    def send_step(self) -> None:
        """Ask for one step with the actions in the shared memory."""
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(_STEP)
        self._patience = self.patience

    def receive(self) -> Any:
        """The answer to the last question.

        Raises:
            SimulatorError: what the worker's simulators raised.
            WorkerLost: the process died or did not answer.
        """
        try:
            if not self._answered(self._patience):
                raise WorkerLost(f"gave no answer for {self._patience:g} seconds")
            answer = self.pipe.recv_bytes()
        except (EOFError, OSError) as error:
            code = self._exit_code()
            raise WorkerLost(f"was ended from outside or crashed (exit code {code})") from error
        if answer == _QUIET:
            return []
        kind, value = pickle.loads(answer)
        if kind == "error":
            raise value
        if kind == "events":
            for event in value:
                if isinstance(event, Begun):
                    self.origins[self.indices.index(event.slot)] = event.origin
        return value

    def replace(self, lost: "WorkerLost") -> list[Event]:
        """Start another process, and begin the next trial in every slot.

        Raises:
            SimulatorError: there was no trial to go on after, or the new process is lost too.
        """
        fault, message = self._fault(), self.lost(lost)
        self.kill()
        if any(origin is None for origin in self.origins):
            raise SimulatorError(message)
        out = self.exchange.buffers
        events: list[Event] = []
        for i in self.indices:
            out.reward[i] = out.raw_reward[i] = 0.0
            out.terminated[i], out.truncated[i] = False, True
            out.task_id[i] = out.next_task_id[i]
            events.append(
                Dropped(i, fault.task_id, message) if i == fault.slot else Dropped(i, int(out.task_id[i]), None)
            )
        self.origins[self.indices.index(fault.slot)] = fault.origin
        self._start()
        self.send("after", self.origins)
        try:
            events += self.receive()
        except WorkerLost as again:
            raise SimulatorError(f"{message}; its replacement {again}") from again
        return events

    def lost(self, how: "WorkerLost") -> str:
        """What happened to the process, and with which task."""
        fault = self._fault()
        return (
            f"task {self.suite.tasks[fault.task_id].name!r} (simulator seed {fault.seeds}; step {fault.time} of the "
            f"trial, slot {fault.slot}): its process {how}"
        )

    def _fault(self) -> "_Fault":
        noted, out = int(self.exchange.busy[self.number]), self.exchange.buffers
        slot = noted if noted >= 0 else ~noted
        task_id, origin = int(out.next_task_id[slot]), self.origins[self.indices.index(slot)]
        if origin is None:
            return _Fault(slot, task_id, "unknown", 0, None)
        fixed, generator = self.fixed[self.indices.index(slot)], generator_at(origin)
        drawn, time = draw_trial(self.suite, generator, out.weights, fixed, task_id), int(out.observation["time"][slot])
        if noted < 0:  # it was the next trial that could not begin
            origin, time = dict(generator.bit_generator.state), 0
            drawn = draw_trial(self.suite, generator, out.weights, fixed)
        return _Fault(slot, drawn.task_id, ", ".join(map(str, dict.fromkeys(drawn.seeds))), time, origin)

    def _exit_code(self) -> int | None:
        if self.process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(1.0)
        return None

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.pipe.close()

    def close(self) -> None:
        """End the process; it closes its simulators."""
        if self.process is None:
            return
        with contextlib.suppress(OSError):
            self.pipe.send(("close", ()))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5.0)
        self.kill()


@dataclass(frozen=True)
class _Fault:
    """The trial with which a process was lost."""

    slot: int
    task_id: int
    seeds: str
    time: int
    origin: dict[str, Any] | None
    """Where the slot's generator stood when this trial was drawn."""


class WorkerLost(RuntimeError):
    """A worker process died, or did not answer in time."""


def serve(pipe: Connection, file: BinaryIO) -> None:
    """The worker's side: answer until told to close, or until the parent is gone."""
    suite, num_slots, workers, number, indices, fixed, tries = pickle.loads(pipe.recv_bytes())
    memory = SharedMemory(file, shared_size(suite, num_slots, workers))
    exchange = Exchange(suite, num_slots, workers, memory.allocate)
    group = SlotGroup(
        suite, exchange.buffers, indices, fixed, tries=tries, busy=memoryview(exchange.busy[number : number + 1])
    )
    asked = _something_in(pipe)

    def answer(command: str, given: tuple[Any, ...]) -> tuple[str, Any]:
        match command:
            case "step":
                return "events", group.step(exchange.actions[group.rows])
            case "ping":
                return "events", []
            case "seed":
                group.seed(*given)
                return "events", []
            case "fix":
                group.fix(*given)
                return "events", []
            case "begin":
                return "events", group.begin()
            case "after":
                return "events", group.go_on_after(*given)
            case "load":
                return "events", group.load(*given)
            case "states":
                return "states", group.states()
        raise ValueError(f"unknown command {command!r}")

    while True:
        try:
            while not asked(0.0) and group.prepare():
                pass
            message = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        command, given = ("step", ()) if message == _STEP else pickle.loads(message)
        if command == "close":
            group.close()
            return
        try:
            kind, value = answer(command, given)
        except Exception as error:
            kind, value = "error", _portable(error)
        pipe.send_bytes(_QUIET if kind == "events" and not value else pickle.dumps((kind, value)))


def _something_in(pipe: Connection) -> Callable[[float], bool]:
    """Waits so many seconds for a message, and says whether there is one, or nobody left to write it.

    As `Connection.poll`, which takes 0.1 ms longer, because it sets up anew at every call what it waits with.
    """
    waiting = select.poll()
    waiting.register(pipe.fileno(), select.POLLIN)
    return lambda seconds: bool(waiting.poll(1000 * seconds))


def _portable(error: Exception) -> Exception:
    """An exception that can cross to the parent."""
    if isinstance(error, SimulatorError | ValueError | ImportError):
        return type(error)(str(error))
    return SimulatorError(f"{type(error).__name__}: {error}")


def main(arguments: Sequence[str]) -> None:
    """The worker's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its parent does
    pipe, memory = (int(number) for number in arguments)
    with os.fdopen(memory, "r+b", buffering=0) as file:
        serve(Connection(pipe), file)


__all__ = ["Exchange", "SharedMemory", "State", "Worker", "WorkerLost", "shared_size"]

if __name__ == "__main__":
    main(sys.argv[1:])
