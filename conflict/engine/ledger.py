"""What the backward pass handed over for each parameter: task gradients kept or not, their Gramian, weighted sums.

Three ways to keep the books. ``jacobian``: the task gradients are kept, K times the size of the parameters.
``layerwise``: each layer's are made, their inner products taken, and dropped; the weighted sum is one ordinary weight
gradient of the kept inputs with row-weighted output gradients. ``chunked``: the same, a slice of a layer at a time.
In each of them inner products are taken slice by slice, while a slice is still in the processor's cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from conflict.engine.rules import Dense, Rule, Saved

Memory = Literal["jacobian", "layerwise", "chunked"]
CACHE_BYTES = 1 << 23
"""Size of a slice of task gradients on the CPU: well within the last cache."""
KEPT_BYTES = 1 << 28
"""Up to this size of all task gradients, `memory_by_size` keeps them."""
LAYER_BYTES = 1 << 26
"""Up to this size of one parameter's, it makes them layer by layer."""


def memory_by_size(parameter_bytes: int, total_bytes: int, num_tasks: int) -> Memory:
    """How to keep the books of a parameter, beside all others, so that memory stays within bounds."""
    if num_tasks * total_bytes <= KEPT_BYTES:
        return "jacobian"
    return "layerwise" if num_tasks * parameter_bytes <= LAYER_BYTES else "chunked"


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """One operation's part in the gradient of its parameters."""

    rule: Rule
    saved: Saved
    grad: Tensor
    sizes: Sequence[int]

    def weighted(self, weights_k: Tensor) -> "Record":
        """The same with every row's gradient times its task's weight, as one task."""
        if isinstance(self.rule, Dense):
            total = (weights_k.to(self.grad) @ self.grad.reshape(len(self.grad), -1)).reshape(1, *self.grad.shape[1:])
            return Record(rule=self.rule, saved=(), grad=total, sizes=(1,))
        axis = self.rule.row_axis or 0
        shape = [1] * self.grad.dim()
        shape[axis] = -1
        per_row = weights_k.to(self.grad).repeat_interleave(torch.tensor(self.sizes, device=self.grad.device))
        grad = self.grad * per_row.reshape(shape)
        return Record(rule=self.rule, saved=self.saved, grad=grad, sizes=(sum(self.sizes),))


def dense(grad_k: Float[Tensor, "task ..."]) -> Record:
    """Task gradients that are known already."""
    return Record(rule=Dense(), saved=(), grad=grad_k, sizes=(1,) * len(grad_k))


def inner_products(rows_kp: Float[Tensor, "task param"]) -> Float[Tensor, "task task"]:
    """``rows_kp @ rows_kp.T`` in float64, strip by strip of its lower half: with many tasks the product costs as
    much as making the gradients."""
    tasks = len(rows_kp)
    if tasks <= 16 or rows_kp.is_cuda:
        return (rows_kp @ rows_kp.T).double()
    strip = 8 if tasks < 32 else 16
    lower = rows_kp.new_zeros(tasks, tasks)
    for start in range(0, tasks, strip):
        end = min(start + strip, tasks)
        torch.mm(rows_kp[start:end], rows_kp[:end].T, out=lower[start:end, :end])
    lower = lower.double().tril_()
    return lower + lower.tril(-1).T


class Entry:
    """One parameter's task gradients: from records, or already made, in slices of the parameter's first axis."""

    def __init__(self, parameter: Tensor, num_tasks: int, memory: Memory) -> None:
        self.parameter, self.num_tasks, self.memory = parameter, num_tasks, memory
        self.records: list[tuple[str, Record]] = []
        self.slices: Sequence[Tensor] = ()
        self.path = "unused"
        self._gram: Tensor | None = None

    def add(self, name: str, record: Record) -> None:
        """Another operation that read the parameter; whatever was made before is kept."""
        if record.rule.row_axis is None:  # its output's gradient cannot be weighted by row later
            grad = record.rule.gradient(name, record.saved, record.grad, record.sizes)
            record = dense(grad)
        self.records.append((name, record))
        self._gram = None

    def settle(self) -> None:
        """Make the task gradients of the records, and their inner products; keep only what the memory mode keeps."""
        if self._gram is not None:
            return
        gram: Tensor | None = None
        before, made = self.slices, []
        for index, part in enumerate(self._made()):
            total = part if not before else part + before[index]
            product = inner_products(total.reshape(self.num_tasks, -1))
            gram = product if gram is None else gram.add_(product)
            if self.memory == "jacobian":
                made.append(total)
        if self.memory == "jacobian":
            self.slices = made
            self.records.clear()
        self._gram = gram

    def replace(self, gradients_k: Float[Tensor, "task ..."]) -> None:
        """Let these be the task gradients."""
        self.records, self.slices, self._gram = [("", dense(gradients_k))], (), None

    def gramian(self) -> Float[Tensor, "task task"]:
        """Inner products of the task gradients."""
        self.settle()
        assert self._gram is not None
        return self._gram

    def gradients(self) -> Float[Tensor, "task ..."]:
        """The task gradients [task, *shape]."""
        parts = self.slices or list(self._made())
        whole = parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)
        return whole.reshape(self.num_tasks, *self.parameter.shape)

    def weighted_sum(self, weights_k: Float[Tensor, " task"], cache: dict[int, Record]) -> Tensor:
        """``sum_k weights[k] grad_k``; ``cache`` is shared by the parameters of one operation."""
        if self.slices:
            weights = weights_k.to(self.slices[0])
            if len(self.slices) == 1:
                return (weights @ self.slices[0].reshape(self.num_tasks, -1)).reshape(self.parameter.shape)
            out = torch.empty_like(self.parameter)
            for target, part in zip(out.split([part.shape[1] for part in self.slices]), self.slices, strict=True):
                torch.mv(part.reshape(self.num_tasks, -1).T, weights, out=target.view(-1))
            return out
        total: Tensor | None = None
        for name, record in self.records:
            if id(record) not in cache:
                cache[id(record)] = record.weighted(weights_k)
            row = cache[id(record)]
            found = row.rule.gradient(name, row.saved, row.grad, row.sizes)[0].to(self.parameter.dtype)
            total = found if total is None else total.add_(found)
        assert total is not None
        return total

    def _made(self) -> Iterator[Tensor]:
        """Task gradients [task, rows, ...] of the records, slice after slice of the parameter's first axis."""
        heights = [part.shape[1] for part in self.slices] if self.slices else self._heights()
        if len(heights) == 1:
            yield self._sum([self._gradient(name, record, record.grad) for name, record in self.records])
            return
        cut = [name in record.rule.tiled for name, record in self.records]
        parts = [
            record.grad.split(heights, dim=-1)
            if sliced
            else self._gradient(name, record, record.grad).split(heights, dim=1)
            for (name, record), sliced in zip(self.records, cut, strict=True)
        ]
        for here in zip(*parts, strict=True):
            yield self._sum(
                [
                    self._gradient(name, record, part) if sliced else part
                    for (name, record), sliced, part in zip(self.records, cut, here, strict=True)
                ]
            )

    def _gradient(self, name: str, record: Record, grad: Tensor) -> Tensor:
        return record.rule.gradient(name, record.saved, grad, record.sizes).to(self.parameter.dtype)

    def _sum(self, parts: list[Tensor]) -> Tensor:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _heights(self) -> list[int]:
        """Lengths of the slices, such that the task gradients of one fit the cache."""
        parameter = self.parameter
        if parameter.dim() < 2:
            return [max(1, parameter.numel())]
        sliced = any(name in record.rule.tiled for name, record in self.records)
        uneven = any(len(set(record.sizes)) > 1 for _, record in self.records)
        # Unequal tasks take a product each: many small ones would cost more than the cache gives.
        if not sliced or self.memory == "layerwise" or (uneven and self.memory == "jacobian") or parameter.is_cuda:
            return [len(parameter)]
        row_bytes = self.num_tasks * parameter[0].numel() * parameter.element_size()
        height = min(len(parameter), max(16, CACHE_BYTES // max(1, row_bytes)))
        count = -(-len(parameter) // height)
        return [len(parameter) * (i + 1) // count - len(parameter) * i // count for i in range(count)]
