"""Which rows of a batch belong to which task.

Rows are sorted by task. Outside of ``task_rows`` a module's rows are split equally among the tasks; inside, the caller
says how many rows each task has, for example after padding was dropped.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_SIZES: ContextVar[tuple[int, ...] | None] = ContextVar("task_rows", default=None)


@contextmanager
def task_rows(sizes: Sequence[int]) -> Iterator[None]:
    """Modules called in this block have ``sizes[k]`` rows of task k, in this order; a task may have none."""
    counts = tuple(int(size) for size in sizes)
    if not counts or min(counts) < 0:
        raise ValueError(f"task_rows needs one count of at least 0 per task, got {counts}")
    token = _SIZES.set(counts)
    try:
        yield
    finally:
        _SIZES.reset(token)


def sizes_for(shape: Sequence[int], axis: int | None, num_tasks: int) -> tuple[int, ...] | None:
    """How many rows each task has in a tensor: as the enclosing ``task_rows`` says, or an equal split of its row axis.

    Args:
        shape: of a module's output.
        axis: where its rows are; None if the module does not say: believe ``task_rows``, or split the first axis.
        num_tasks: K.
    Returns:
        One count a task; None if the rows of the tensor cannot be those of the tasks.
    """
    sizes = _SIZES.get()
    rows = shape[0 if axis is None else axis]
    if sizes is None:
        return None if rows % num_tasks else (rows // num_tasks,) * num_tasks
    fits = len(sizes) == num_tasks and (axis is None or sum(sizes) == rows)
    return sizes if fits else None


def equal(sizes: Sequence[int]) -> bool:
    """Whether all tasks have the same number of rows, so that a batch can be viewed as [task, row, ...]."""
    return all(size == sizes[0] for size in sizes)


def slots(sizes: Sequence[int], device: torch.device) -> Tensor:
    """Which of the tasks each row belongs to, counted from 0: [row]."""
    return torch.arange(len(sizes), device=device).repeat_interleave(torch.tensor(sizes, device=device))


def reduce_rows(values: Tensor, sizes: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Sum each task's rows, and whatever else a tensor of this shape was broadcast over: [row, ...] -> [task, *shape].

    The shape is aligned with the last axes of ``values`` and does not reach the rows.
    """
    core = list(shape)
    while core and core[0] == 1:
        del core[0]
    tail = values.shape[values.dim() - len(core) :]
    if equal(sizes):
        summed = values.reshape(len(sizes), -1, *tail).sum(dim=1)
    else:
        summed = values.new_empty(len(sizes), *tail)
        for k, part in enumerate(values.split(list(sizes))):
            torch.sum(part.reshape(-1, *tail), dim=0, out=summed[k])
    return summed.sum_to_size(len(sizes), *core).reshape(len(sizes), *shape)
