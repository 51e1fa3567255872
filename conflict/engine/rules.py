"""Per-task gradients of a parameter from what its operation read and the gradient of what it put out.

Each row belongs to one task, so the gradient of task k is the operation's ordinary parameter gradient over the rows of
k alone: the K gradients together cost no more arithmetic than the one of the whole batch.

A module may bring its own rule, by a method and an attribute (no base class needed)::

    row_axis: int = 0      # where the rows are, in the first input and in the output
    def task_gradients(self, inputs: tuple[Tensor, ...], grad: Tensor, sizes: Sequence[int]) -> dict[str, Tensor]:
        # every parameter below this module, by name -> [len(sizes), *parameter shape]
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from conflict.engine.products import weight_gradient
from conflict.engine.rows import equal, reduce_rows, slots
from conflict.engine.unwatched import users_modes

Saved = tuple[Tensor, ...]


class Rule(ABC):
    """How one operation's parameters get their task gradients."""

    row_axis: int | None = 0
    """The axis of the output on which the rows are; None if a module with its own rule does not say."""
    tiled: ClassVar[frozenset[str]] = frozenset()
    """Names of parameters whose first axis is the last axis of the output, so that their gradient can be had in
    slices."""
    path: ClassVar[str] = "rule"
    without_rows: ClassVar[bool] = False
    """Whether such an operation often reads constants, and no rows of the batch."""

    @abstractmethod
    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        """Task gradients [task, *shape] of the parameter ``name``.

        Args:
            saved: what the operation kept from the forward pass.
            grad: gradient of the output; for a tiled parameter perhaps only some of its last axis.
            sizes: rows of each task.
        """


class Linear(Rule):
    """``y = x W^T + b``: ``dW_k = grad_k^T x_k``; one product a task, batched where tasks have equally many rows."""

    tiled = frozenset({"weight"})

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        if name == "bias":
            return reduce_rows(grad, sizes, (grad.shape[-1],))
        return grouped_product(grad, saved[0].to(grad.dtype), sizes)


class MatMul(Rule):
    """``y = x W``."""

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        return grouped_product(saved[0].to(grad.dtype), grad, sizes)


class BatchedMatMul(Rule):
    """``y[e] = x[e] W[e] + b[e]`` for a batch of weights [expert, in, out], such as an ensemble's or all experts'."""

    row_axis = 1

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        if name == "bias":
            return torch.stack([part.sum(dim=1, keepdim=True) for part in grad.split(list(sizes), dim=1)])
        x = saved[0].to(grad.dtype)
        out = grad.new_empty(len(sizes), len(x), x.shape[-1], grad.shape[-1])
        for k, (x_k, g_k) in enumerate(zip(x.split(list(sizes), dim=1), grad.split(list(sizes), dim=1), strict=True)):
            out[k] = weight_gradient(x_k, g_k)
        return out


class Einsum(Rule):
    """``y = einsum(equation, ..., W)``: an einsum of everything else, over the rows of one task at a time."""

    def __init__(self, others: Sequence[str], weight: str, out: str, row: str) -> None:
        self.terms, self.weight, self.row = (*others, out), weight, row
        self.row_axis = out.index(row)

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        equation = f"{','.join(self.terms)}->{self.weight}"
        parts = [
            value.to(grad.dtype).split(list(sizes), dim=term.index(self.row)) if self.row in term else None
            for term, value in zip(self.terms, (*saved, grad), strict=True)
        ]
        whole = (*saved, grad)
        return torch.stack(
            [
                torch.einsum(
                    equation, *(v.to(grad.dtype) if p is None else p[k] for p, v in zip(parts, whole, strict=True))
                )
                for k in range(len(sizes))
            ]
        )


class Convolution(Rule):
    """``F.conv1d`` to ``F.conv3d``: the convolution's own weight gradient, over the rows of one task at a time."""

    def __init__(self, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int], groups: int) -> None:
        self.weight, self.geometry, self.groups = weight, (stride, padding, dilation), groups

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        if name == "bias":
            return reduce_rows(grad.movedim(1, -1), sizes, (grad.shape[1],))
        weight = self.weight.to(grad.dtype)
        stride, padding, dilation = self.geometry
        out = grad.new_zeros(len(sizes), *weight.shape)
        pairs = zip(saved[0].to(grad.dtype).split(list(sizes)), grad.split(list(sizes)), strict=True)
        for k, (x, g) in enumerate(pairs):
            if len(x):
                out[k] = torch.ops.aten.convolution_backward(
                    g, x, weight, None, stride, padding, dilation, False, [0] * len(stride), self.groups,
                    [False, True, False],
                )[1]  # fmt: skip
        return out


class Norm(Rule):
    """Layer, RMS and group normalisation: ``dweight_k`` sums the normalised input times the gradient of the output,
    ``dbias_k`` that gradient."""

    def __init__(self, normalise: Callable[[Tensor], Tensor], shape: tuple[int, ...], *, channels: bool) -> None:
        """Args: normalise: without the affine map; shape: of the parameters; channels: they lie along axis 1."""
        self.normalise, self.shape, self.channels = normalise, shape, channels

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        if name == "weight":
            grad = self.normalise(saved[0]) * grad
        return reduce_rows(grad.movedim(1, -1) if self.channels else grad, sizes, self.shape)


class Lookup(Rule):
    """Rows of a table picked by index along one axis: ``dW_k[v]`` sums the gradients of the outputs that read v."""

    without_rows = True

    def __init__(self, shape: torch.Size, axis: int, padding: int | None = None) -> None:
        self.shape, self.axis, self.padding, self.row_axis = shape, axis, padding, axis

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        index, axis, entries = saved[0], self.axis, self.shape[self.axis]
        where = (index.long() + (slots(sizes, index.device) * entries).reshape(-1, *[1] * (index.dim() - 1))).flatten()
        flat = grad.flatten(axis, axis + index.dim() - 1)
        shape = (*self.shape[:axis], len(sizes) * entries, *self.shape[axis + 1 :])
        table: Tensor = grad.new_zeros(shape).index_add_(axis, where, flat).unflatten(axis, (len(sizes), entries))
        if self.padding is not None:
            table[:, self.padding] = 0.0  # only embeddings have one, and their axis is 0
        return table.movedim(axis, 0)


class Broadcast(Rule):
    """``x + p``, ``x - p``, ``x * p`` and the like: the gradient of the output, times a factor, summed over rows."""

    without_rows = True

    def __init__(self, shape: torch.Size, factor: Callable[..., Tensor]) -> None:
        self.shape, self.factor = shape, factor

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        return reduce_rows(self.factor(grad, *saved), sizes, tuple(self.shape))


class OwnRule(Rule):
    """A module's method ``task_gradients``."""

    def __init__(self, module: Any, label: str, inputs: tuple[Any, ...], shapes: dict[str, torch.Size]) -> None:
        self.module, self.label, self.inputs, self.shapes = module, label, inputs, shapes
        self.row_axis = getattr(module, "row_axis", None)
        self._made: tuple[Tensor, dict[str, Tensor]] | None = None

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        # The rule gives the gradients of all parameters at once, and is asked for one after the other.
        if self._made is not None and self._made[0] is grad and name in self._made[1]:
            found = self._made[1]
        else:
            kept = iter(saved)
            inputs = tuple(next(kept) if isinstance(value, _Place) else value for value in self.inputs)
            with users_modes():
                found = dict(self.module.task_gradients(inputs, grad, sizes))
            self._made = grad, found
        expected = (len(sizes), *self.shapes[name])
        if name not in found or found[name].shape != expected:
            came = tuple(found[name].shape) if name in found else "nothing"
            raise ValueError(f"the rule of {self.label} must give {name} as {expected}, it gave {came}")
        gradient = found.pop(name)
        if not self.shapes.keys() & found.keys():
            self._made = None
        return gradient


class _Place:
    """Stands for a tensor that autograd keeps."""


def own_rule(module: nn.Module, label: str, values: tuple[Any, ...], shapes: dict[str, torch.Size]) -> OwnRule:
    """The rule that a module brings, for one call with these inputs."""
    inputs = tuple(_Place() if isinstance(value, Tensor) else value for value in values)
    return OwnRule(module, label, inputs, shapes)


class Local(Rule):
    """Any operation: run it once more by itself and take its gradient with the rows of one task at a time."""

    without_rows = True
    path = "vmap"
    MOST_BYTES = 1 << 26

    def __init__(self, run: Callable[..., Tensor], parameters: tuple[str, ...]) -> None:
        """Args: run: the operation, from the parameters (in this order) and then the tensors that it kept."""
        self.run, self.parameters = run, parameters

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        count, rows = len(self.parameters), grad.shape[0]
        with torch.enable_grad(), users_modes():
            leaves = [p.detach().requires_grad_() for p in saved[:count]]
            out = self.run(*leaves, *saved[count:])
        leaf = leaves[self.parameters.index(name)]
        belongs = slots(sizes, grad.device) == torch.arange(len(sizes), device=grad.device)[:, None]  # [task, row]
        masks = belongs.reshape(len(sizes), rows, *[1] * (grad.dim() - 1))
        if grad.numel() * len(sizes) * grad.element_size() <= self.MOST_BYTES:
            try:
                batched = torch.autograd.grad(
                    out, leaf, grad * masks, retain_graph=True, is_grads_batched=True, allow_unused=True
                )[0]
                return leaf.new_zeros(len(sizes), *leaf.shape) if batched is None else batched
            except RuntimeError:  # an operation that vmap cannot batch
                pass
        found = []
        for mask in masks:
            one = torch.autograd.grad(out, leaf, grad * mask, retain_graph=True, allow_unused=True)[0]
            found.append(torch.zeros_like(leaf) if one is None else one)
        return torch.stack(found)


class Dense(Rule):
    """Task gradients that are known already."""

    def gradient(self, name: str, saved: Saved, grad: Tensor, sizes: Sequence[int]) -> Tensor:
        return grad


def grouped_product(left: Tensor, right: Tensor, sizes: Sequence[int]) -> Tensor:
    """``left_k^T right_k`` over the rows of each task: [row, ..., a], [row, ..., b] -> [task, a, b]."""
    tasks, a, b = len(sizes), left.shape[-1], right.shape[-1]
    if equal(sizes):
        return left.reshape(tasks, -1, a).transpose(1, 2) @ right.reshape(tasks, -1, b)
    out = left.new_empty(tasks, a, b)
    pairs = zip(left.split(list(sizes)), right.split(list(sizes)), strict=True)
    for k, (left_k, right_k) in enumerate(pairs):
        torch.mm(left_k.reshape(-1, a).T, right_k.reshape(-1, b), out=out[k])
    return out
