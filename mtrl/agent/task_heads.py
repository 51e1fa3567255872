"""Last layers that tasks, or groups of tasks, have to themselves, as one batched tensor.

Source: Yu et al. 2020, "Meta-World", Appendix B (multi-head soft actor-critic: one output layer a task).

The rows of a task go through its head together, and a head whose task has no rows is not touched in the forward pass.
All heads' products come to what one head's for all rows does; their weights and gradients are as many times as large.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mtrl.agent.head_products import apply_heads


class TaskLinear(nn.Module):
    """A linear layer a head: [*lead, row, in] -> [*lead, row, out], each row through the head of its task.

    Rows may come in any order; those of one task that follow each other are computed together. A task beyond those of
    training (a number of at least `len(heads)`) gets the mean of all heads.

    A head that several tasks share is theirs in common, so a strategy combines its gradients; one that a single task
    has is `owned`. Where there are both, the latter are parameters of their own (`own_weight` and `own_bias`).
    """

    def __init__(self, heads: Sequence[int], inputs: int, outputs: int, *, leading: tuple[int, ...] = ()) -> None:
        """Args: heads: of every task, counted from 0; leading: shape of the ensemble. Weights start at 0."""
        super().__init__()
        tasks = Counter(heads)
        order = sorted(tasks, key=lambda head: (tasks[head] == 1, head))  # those that several tasks share come first
        self.count = len(order)
        self.of_task: Tensor
        self.register_buffer("of_task", torch.tensor([*map(order.index, heads), self.count]), persistent=False)
        alone = list(tasks.values()).count(1)
        own = alone if alone < self.count else 0
        self.weight = nn.Parameter(torch.zeros(*leading, self.count - own, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(*leading, self.count - own, 1, outputs))
        self.own_weight = nn.Parameter(torch.zeros(*leading, own, inputs, outputs)) if own else None
        self.own_bias = nn.Parameter(torch.zeros(*leading, own, 1, outputs)) if own else None
        self.owned: tuple[str, ...] = ("own_weight", "own_bias") if own else ("weight", "bias") if alone else ()
        """The parameters of which each task has its own, in the same order in every process."""
        self.frozen: Tensor
        """[head] those of groups that no update moves: a strategy does not hear of them."""
        self.register_buffer("frozen", torch.zeros(self.count, dtype=torch.bool), persistent=False)
        self.row_axis = len(leading)

    @property
    def heads(self) -> tuple[Float[Tensor, "*lead head in out"], Float[Tensor, "*lead head 1 out"]]:
        """Weights and biases of all heads."""
        if self.own_weight is None or self.own_bias is None:
            return self.weight, self.bias
        return torch.cat([self.weight, self.own_weight], dim=-3), torch.cat([self.bias, self.own_bias], dim=-3)

    def split(
        self, weight: Float[Tensor, "*lead head in out"], bias: Float[Tensor, "*lead head 1 out"]
    ) -> dict[str, Tensor]:
        """What belongs to all heads, by parameter: `heads` the other way round."""
        parts = self.weight.shape[-3]
        if self.own_weight is None:
            return {"weight": weight, "bias": bias}
        return {
            "weight": weight[..., :parts, :, :],
            "bias": bias[..., :parts, :, :],
            "own_weight": weight[..., parts:, :, :],
            "own_bias": bias[..., parts:, :, :],
        }

    @torch.no_grad()
    def set(self, weight: Tensor, bias: Tensor) -> None:
        """Give all heads these values, which may be broadcast to `heads`."""
        mine = (given.expand_as(own) for given, own in zip((weight, bias), self.heads, strict=True))
        for name, values in self.split(*mine).items():
            self.get_parameter(name).copy_(values)

    def forward(
        self, x: Float[Tensor, "*lead row in"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row out"]:
        """Each row through the head of its task."""
        return apply_heads(x, self.head_of(row_task), *self.heads)

    def head_of(self, row_task: Int[Tensor, " row"]) -> Int[Tensor, " row"]:
        """The head of each row; the mean of all has the number after the last."""
        return self.of_task[row_task.clamp_max(len(self.of_task) - 1)]

    def task_gradients(
        self, inputs: tuple[Tensor, Tensor], grad: Tensor, sizes: Sequence[int]
    ) -> dict[str, Float[Tensor, "task ..."]]:
        """Gradients [task, *shape] by parameter; see `conflict.engine.rules`."""
        x, row_task = inputs
        weight, bias = (x.new_zeros(len(sizes), *values.shape) for values in self.heads)
        part = torch.arange(len(sizes), device=x.device).repeat_interleave(torch.tensor(sizes, device=x.device))
        # The engine may ask for several tasks as one: runs of one head within one part.
        cells, counts = (part * (self.count + 1) + self.head_of(row_task)).unique_consecutive(return_counts=True)
        frozen, start = set(self.frozen.nonzero().flatten().tolist()), 0
        for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
            k, head = divmod(cell, self.count + 1)
            rows = slice(start, start + count)
            start += count
            if head in frozen:
                continue
            here = grad[..., rows, :]
            weight[k, ..., head, :, :] += x[..., rows, :].transpose(-2, -1) @ here
            bias[k, ..., head, :, :] += here.sum(dim=-2, keepdim=True)
        return self.split(weight, bias)


def for_tasks(layer: nn.Linear, heads: Sequence[int]) -> TaskLinear:
    """A layer for every head, all of which start as this one."""
    found = TaskLinear(heads, layer.in_features, layer.out_features)
    found.set(layer.weight.T, layer.bias)
    return found


def similarity(layer: TaskLinear) -> Float[Tensor, "task task"]:
    """Cosines between the heads of all tasks, their weights (but not their biases) laid end to end."""
    weight, _ = layer.heads
    flat: Tensor = weight.detach().movedim(-3, 0)[layer.of_task[:-1]].flatten(1)
    unit = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cosines: Tensor = unit @ unit.T
    return cosines
