"""Last layers that tasks, or groups of tasks, have to themselves, as one batched tensor.

Source: Yu et al. 2020, "Meta-World", Appendix B (multi-head soft actor-critic: one output layer a task).

All rows of consecutive steps of one task go through a single matrix product, and all tasks through one batched product:
as many heads as there are tasks cost what one of them does.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from conflict.engine.products import baddbmm


class TaskLinear(nn.Module):
    """A linear layer a head: [*lead, row, in] -> [*lead, row, out], each row through the head of its task.

    Rows may come in any order; those of one task that follow each other are computed together. A task beyond those of
    training (a number of at least `len(heads)`) gets the mean of all heads.
    """

    def __init__(self, heads: Sequence[int], inputs: int, outputs: int, *, leading: tuple[int, ...] = ()) -> None:
        """Args: heads: of every task, counted from 0; leading: shape of the ensemble. Weights start at 0."""
        super().__init__()
        self.count = max(heads) + 1
        self.of_task: Tensor
        self.register_buffer("of_task", torch.tensor([*heads, self.count]), persistent=False)
        self.weight = nn.Parameter(torch.zeros(*leading, self.count, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(*leading, self.count, 1, outputs))
        self.own_one_task = len(set(heads)) == len(heads)
        """Whether no two tasks share a head."""
        self.row_axis = len(leading)

    def forward(
        self, x: Float[Tensor, "*lead row in"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row out"]:
        """Each row through the head of its task."""
        return apply_heads(x, self.head_of(row_task), self.weight, self.bias)

    def head_of(self, row_task: Int[Tensor, " row"]) -> Int[Tensor, " row"]:
        """The head of each row; the mean of all has the number after the last."""
        return self.of_task[row_task.clamp_max(len(self.of_task) - 1)]

    def task_gradients(
        self, inputs: tuple[Tensor, Tensor], grad: Tensor, sizes: Sequence[int]
    ) -> dict[str, Float[Tensor, "task ..."]]:
        """Gradients [task, *shape] by parameter; see `conflict.engine.rules`."""
        x, row_task = inputs
        weight = x.new_zeros(len(sizes), *self.weight.shape)
        bias = x.new_zeros(len(sizes), *self.bias.shape)
        part = torch.arange(len(sizes), device=x.device).repeat_interleave(torch.tensor(sizes, device=x.device))
        # The engine may ask for several tasks as one: runs of one head within one part.
        cells, counts = (part * (self.count + 1) + self.head_of(row_task)).unique_consecutive(return_counts=True)
        start = 0
        for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
            k, head = divmod(cell, self.count + 1)
            rows = slice(start, start + count)
            here = grad[..., rows, :]
            weight[k, ..., head, :, :] += x[..., rows, :].transpose(-2, -1) @ here
            bias[k, ..., head, :, :] += here.sum(dim=-2, keepdim=True)
            start += count
        return {"weight": weight, "bias": bias}


def for_tasks(layer: nn.Linear, heads: Sequence[int]) -> TaskLinear:
    """A layer for every head, all of which start as this one."""
    found = TaskLinear(heads, layer.in_features, layer.out_features)
    with torch.no_grad():
        found.weight.copy_(layer.weight.T)
        found.bias.copy_(layer.bias)
    return found


def apply_heads(
    x: Float[Tensor, "*lead row in"],
    head: Int[Tensor, " row"],
    weight: Float[Tensor, "*lead head in out"],
    bias: Float[Tensor, "*lead head 1 out"],
) -> Float[Tensor, "*lead row out"]:
    """``x @ weight[head] + bias[head]``, row by row; the head after the last is the mean of all."""
    lead, rows = x.shape[:-2], x.shape[-2]
    if not rows:
        return x.new_zeros(*lead, 0, weight.shape[-1])
    heads, run, counts = head.unique_consecutive(return_inverse=True, return_counts=True)
    if int(heads.max()) == weight.shape[-3]:
        weight = torch.cat([weight, weight.mean(dim=-3, keepdim=True)], dim=-3)
        bias = torch.cat([bias, bias.mean(dim=-3, keepdim=True)], dim=-3)
    own_weight, own_bias = weight.index_select(-3, heads), bias.index_select(-3, heads)
    longest = int(counts.max())
    if longest * len(heads) == rows:
        return _each(own_bias, x.unflatten(-2, (len(heads), longest)), own_weight)
    first = counts.cumsum(0) - counts
    place = torch.arange(rows, device=x.device) + (torch.arange(len(heads), device=x.device) * longest - first)[run]
    padded = x.new_zeros(*lead, len(heads) * longest, x.shape[-1]).index_copy(-2, place, x)
    return _each(own_bias, padded.unflatten(-2, (len(heads), longest)), own_weight).index_select(-2, place)


def _each(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Every head on its own rows [*lead, head, row, in] -> [*lead, head * row, out]."""
    out = baddbmm(bias.flatten(0, -3), x.flatten(0, -3), weight.flatten(0, -3))
    joined: Tensor = out.unflatten(0, x.shape[:-2]).flatten(-3, -2)
    return joined


def similarity(layer: TaskLinear) -> Float[Tensor, "task task"]:
    """Cosines between the heads of all tasks, their weights (but not their biases) laid end to end."""
    heads = layer.of_task[:-1]
    flat: Tensor = layer.weight.detach().movedim(-3, 0)[heads].flatten(1)
    unit = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cosines: Tensor = unit @ unit.T
    return cosines
