"""Feed-forward nets of which each row visits a few: rows are gathered by expert, and each expert multiplies its own.

Source: Gale et al. 2023, "MegaBlocks: Efficient Sparse Training with Mixture-of-Experts" (a group of any size for
each expert, no padding).
Departs: a matrix product an expert, in place of one block-sparse product.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu

from conflict.engine.rows import slots
from mtrl.agent.heads import EnsembleLinear


class RoutedExperts(nn.Module):
    """Every expert's net, on the rows that visit it."""

    row_axis = 0

    def __init__(self, experts: int, width: int, hidden: int) -> None:
        """Outputs start about as large as inputs."""
        super().__init__()
        self.enter = EnsembleLinear(experts, width, hidden)
        self.leave = EnsembleLinear(experts, hidden, width, scale=0.5**0.5)

    def forward(
        self, x: Float[Tensor, "row width"], expert: Int[Tensor, "row choice"]
    ) -> Float[Tensor, "row choice width"]:
        """Outputs for each row and choice; an expert beyond the last stands for none, whose output is 0."""
        order, counts = self._gathered(expert)
        visits = x[order // expert.shape[1]].split(counts)
        # Apart before they are used: a gradient of one expert is not as large as all experts' together.
        parameters = zip(
            *(p.unbind() for layer in (self.enter, self.leave) for p in (layer.weight, layer.bias)), strict=True
        )
        outputs = [
            torch.addmm(b_out, gelu(torch.addmm(b_in, rows, w_in), approximate="tanh"), w_out)
            for rows, (w_in, b_in, w_out, b_out) in zip(visits, parameters, strict=True)
            if len(rows)
        ]
        out = x.new_zeros(expert.numel(), x.shape[1])
        if outputs:
            out = out.index_copy(0, order, torch.cat(outputs).to(out.dtype))
        return out.view(*expert.shape, x.shape[1])

    def task_gradients(self, inputs: tuple[Any, ...], grad: Tensor, sizes: Sequence[int]) -> dict[str, Tensor]:
        """Gradients [task, *shape] by parameter; see `conflict.engine.rules`.

        Rows are sorted by task, and gathering keeps their order: so are the visits of every expert.
        """
        x, expert = inputs
        w_in, b_in, w_out = self.enter.weight.detach(), self.enter.bias.detach(), self.leave.weight.detach()
        tasks, experts = len(sizes), len(w_in)
        order, counts = self._gathered(expert)
        row = order // expert.shape[1]
        cell = expert.flatten()[order] * tasks + slots(sizes, order.device)[row]
        visits = x.to(w_in.dtype)[row]
        upstream = grad.to(w_in.dtype).flatten(0, 1)[order]
        hidden, before = visits.new_empty(2, len(order), w_in.shape[2])
        parts = zip(*(values.split(counts) for values in (visits, upstream, hidden, before)), strict=True)
        for e, (rows, grads, hidden_e, before_e) in enumerate(parts):
            active = torch.addmm(b_in[e], rows, w_in[e])
            hidden_e.copy_(gelu(active, approximate="tanh"))
            before_e.copy_(torch.ops.aten.gelu_backward(grads @ w_out[e].T, active, approximate="tanh"))
        return {
            "enter.weight": _products(visits, before, cell, experts, tasks),
            "enter.bias": _sums(before, cell, experts, tasks),
            "leave.weight": _products(hidden, upstream, cell, experts, tasks),
            "leave.bias": _sums(upstream, cell, experts, tasks),
        }

    def _gathered(self, expert: Int[Tensor, "row choice"]) -> tuple[Int[Tensor, " visit"], list[int]]:
        """Places of the choices, those of one expert after those of the other, and how many each has."""
        experts = self.enter.weight.shape[0]
        flat = expert.flatten()
        counts = torch.bincount(flat, minlength=experts + 1)[:experts].tolist()
        return flat.argsort(stable=True)[: sum(counts)], counts


def _products(
    left: Float[Tensor, "visit a"],
    right: Float[Tensor, "visit b"],
    cell: Int[Tensor, " visit"],
    experts: int,
    tasks: int,
) -> Float[Tensor, "task expert a b"]:
    """``left^T right`` over the visits of each expert from each task, which are sorted by these."""
    out = left.new_zeros(tasks, experts, left.shape[1], right.shape[1])
    counts = torch.bincount(cell, minlength=experts * tasks).tolist()
    for place, (left_part, right_part) in enumerate(zip(left.split(counts), right.split(counts), strict=True)):
        if len(left_part):
            torch.mm(left_part.T, right_part, out=out[place % tasks, place // tasks])
    return out


def _sums(
    values: Float[Tensor, "visit a"], cell: Int[Tensor, " visit"], experts: int, tasks: int
) -> Float[Tensor, "task expert 1 a"]:
    out = values.new_zeros(experts * tasks, values.shape[1]).index_add_(0, cell, values)
    return out.view(experts, tasks, 1, -1).transpose(0, 1)
