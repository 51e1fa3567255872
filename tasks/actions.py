"""The actions that a vector of slots is given: checked before any slot moves, and decoded for all at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tasks.spaces import Interface
    from tasks.suite import Suite


class Decoding:
    """Continuous actions as numbers within the bounds of their simulators, for all slots at once.

    Args:
        interfaces: of the tasks, whose actions are all continuous.
        num_actions: numbers in an action of the suite.
    """

    def __init__(self, interfaces: "Sequence[Interface]", num_actions: int) -> None:
        parts = [one.continuous for one in interfaces if one.continuous is not None]
        self.spans = np.zeros((2, len(parts), num_actions))
        """``[2, task, number]``: the middle and half the length of each number's range."""
        for task, part in enumerate(parts):
            self.spans[:, task, : part.size] = part.spans
        self.dtype = np.float32 if all(part.space.dtype == np.float32 for part in parts) else np.float64
        """Of what `decode` gives: what all simulators take, if that is float32."""

    def decode(self, actions: NDArray[np.float32], task_id: NDArray[np.int32]) -> NDArray[Any]:
        """``[slot, number]`` from numbers from -1 to 1; `tasks.spaces.Continuous.shaped` makes an action of a row."""
        middle, half = self.spans[:, task_id]
        numbers: NDArray[np.float64] = middle + half * actions
        return numbers.astype(self.dtype)


def checked_actions(suite: "Suite", actions: Any, task_id: NDArray[np.int32]) -> NDArray[Any]:
    """The actions as an array: ``[slot]`` of whole numbers, or ``[slot, number]`` clipped to [-1, 1].

    Args:
        task_id: ``[slot]`` the task that each slot plays.
    Raises:
        ValueError: shape or type are others, or an action is none of its slot's task.
    """
    array = np.asarray(actions)
    slots = len(task_id)
    if suite.continuous:
        shape = (slots, suite.num_actions)
        if array.shape != shape or array.dtype.kind not in "fiu":
            raise ValueError(f"expected numbers of shape {shape} as actions, got {array.dtype} of {array.shape}")
        if not np.isfinite(array).all():
            slot = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            raise ValueError(f"slot {slot}: expected finite numbers as action, got {array[slot]}")
        return array.clip(-1.0, 1.0)
    if array.shape != (slots,) or array.dtype.kind not in "iu":
        raise ValueError(f"expected {slots} integers as actions, one a slot, got {array.dtype} of shape {array.shape}")
    masked = suite.masks_actions
    limits = suite.action_counts[task_id] if masked else np.full(slots, suite.num_actions)
    wrong = (array < 0) | (array >= limits)
    if wrong.any():
        slot = int(np.flatnonzero(wrong)[0])
        also = f" (invalid_actions='mask': the task has {limits[slot]} actions)" if masked else ""
        raise ValueError(
            f"slot {slot}, task {suite.tasks[task_id[slot]].name!r}: "
            f"expected an action from 0 to {limits[slot] - 1}{also}, got {array[slot]}"
        )
    return array
