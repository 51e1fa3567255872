"""The last layer of a value head whose returns are normalised: an affine map per task and output.

Source: van Hasselt et al. 2016, "Learning values across many orders of magnitude", Section 2.2; Hessel et al. 2018,
"Multi-task Deep Reinforcement Learning with PopArt", Equation 5 (one affine map a task).
Departs: only the diagonal map that rewriting needs; the linear layer before it is an ordinary shared layer.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class TaskAffine(nn.Module):
    """``x * weight[..., task, :] + bias[..., task, :]``, the task of each row given; starts as the identity.

    With ``num_tasks = 1`` all rows share one map and the row's task is ignored. A row gives a gradient only to its own
    task's map. As an engine module (see ``conflict.engine``) it brings its own per-task gradients; where ``num_tasks >
    1`` each map belongs to one task, so passing its parameters as ``owned`` is the usual choice.
    """

    row_axis = -2  # rows are the axis before the outputs

    def __init__(self, num_tasks: int, num_values: int, *, leading: Sequence[int] = ()) -> None:
        """Args: num_tasks: maps; num_values: outputs a row (discounts); leading: shape of the ensemble (critics)."""
        super().__init__()
        self.num_tasks = num_tasks
        self.weight = nn.Parameter(torch.ones(*leading, num_tasks, num_values))
        self.bias = nn.Parameter(torch.zeros(*leading, num_tasks, num_values))

    def forward(
        self, x: Float[Tensor, "*lead row value"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row value"]:
        if self.num_tasks == 1:
            return x * self.weight + self.bias
        return x * self.weight.index_select(-2, row_task) + self.bias.index_select(-2, row_task)

    def task_gradients(
        self, inputs: tuple[Tensor, ...], grad_output: Tensor, sizes: Sequence[int]
    ) -> dict[str, Tensor]:
        """Gradients of the rows of each of ``len(sizes)`` tasks: name -> [task, *parameter shape]."""
        x, row_task = inputs
        slot = torch.arange(len(sizes), device=x.device).repeat_interleave(torch.tensor(sizes, device=x.device))
        index = slot if self.num_tasks == 1 else slot * self.num_tasks + row_task
        shape = (*self.weight.shape[:-2], len(sizes) * self.num_tasks, self.weight.shape[-1])

        def gather(grad: Tensor) -> Tensor:
            grad = grad.sum_to_size(*self.weight.shape[:-2], *grad.shape[-2:])
            summed = grad.new_zeros(shape).index_add_(-2, index, grad)
            return summed.reshape(*shape[:-2], len(sizes), *self.weight.shape[-2:]).movedim(-3, 0)

        return {"weight": gather(grad_output * x), "bias": gather(grad_output)}
