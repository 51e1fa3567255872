"""What the slots of a suite write at every step: rows of arrays, and a record of small numbers that is written at once.

A number that is set in a NumPy array costs as much as a simulator's whole step can; so the numbers of one slot's step
lie side by side, are packed in one call, and the arrays that everybody reads are views of them.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tasks.suite import Suite

Allocate: TypeAlias = Callable[[tuple[int, ...], Any], NDArray[Any]]

_FIELDS: tuple[tuple[str, Any, str], ...] = (
    ("previous_action", np.int64, "q"),  # unused where actions are continuous
    ("reward", np.float32, "f"),
    ("raw_reward", np.float32, "f"),
    ("previous_reward", np.float32, "f"),
    ("attempt", np.int32, "i"),
    ("task_id", np.int32, "i"),
    ("time", np.int32, "i"),
    ("paid", np.bool_, "?"),
    ("terminated", np.bool_, "?"),
    ("truncated", np.bool_, "?"),
    ("attempt_start", np.int8, "b"),
)
_RECORD = struct.Struct("=" + "".join(code for *_, code in _FIELDS))
_RECORD_DTYPE = np.dtype([(name, dtype) for name, dtype, _ in _FIELDS])
_OF_THE_OBSERVATION = ("previous_action", "previous_reward", "time", "attempt_start")

pack_record = _RECORD.pack_into
"""``pack_record(buffers.records, place(slot), *numbers)`` writes a slot's numbers, in the order of the fields."""


def place(slot: int) -> int:
    """Where a slot's record begins."""
    return slot * _RECORD.size


@dataclass(frozen=True)
class Buffers:
    """What all slots write into, one row each."""

    observation: dict[str, NDArray[Any]]
    final: dict[str, NDArray[Any]]
    """The last observation of a slot's last finished trial."""
    records: memoryview
    """The bytes behind the following arrays and behind the observation's numbers."""
    reward: NDArray[np.float32]
    raw_reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    attempt: NDArray[np.int32]
    paid: NDArray[np.bool_]
    task_id: NDArray[np.int32]
    next_task_id: NDArray[np.int32]
    """The task of the observation that is there now."""
    weights: NDArray[np.float64]
    """[task] how often each is drawn, where the suite does not draw all alike."""

    @classmethod
    def zeros(cls, suite: "Suite", num_slots: int, allocate: Allocate = np.zeros) -> "Buffers":
        """Empty buffers for this many slots."""
        space = suite.observation_space.spaces
        records = allocate((num_slots, _RECORD.size), np.uint8)
        numbers = records.view(_RECORD_DTYPE)[:, 0]
        shared = [key for key in _OF_THE_OBSERVATION if not (suite.continuous and key == "previous_action")]
        return cls(
            observation={
                key: numbers[key] if key in shared else allocate((num_slots, *(part.shape or ())), part.dtype)
                for key, part in space.items()
            },
            final={key: allocate((num_slots, *(part.shape or ())), part.dtype) for key, part in space.items()},
            records=memoryview(records.reshape(-1)),  # type: ignore[arg-type]
            **{
                name: numbers[name]
                for name in ("reward", "raw_reward", "terminated", "truncated", "attempt", "paid", "task_id")
            },
            next_task_id=allocate((num_slots,), np.int32),
            weights=allocate((suite.num_tasks,), np.float64),
        )
