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
    task's map; where ``num_tasks > 1`` each map belongs to one task, so passing its parameters as ``owned`` to
    ``TaskGradients`` is the usual choice.
    """

    def __init__(self, num_tasks: int, num_values: int, *, leading: Sequence[int] = ()) -> None:
        """Args: num_tasks: maps; num_values: outputs a row (discounts); leading: shape of the ensemble (critics)."""
        super().__init__()
        self.num_tasks = num_tasks
        self.weight = nn.Parameter(torch.ones(*leading, num_tasks, num_values))
        self.bias = nn.Parameter(torch.zeros(*leading, num_tasks, num_values))

    def forward(
        self, x: Float[Tensor, "*lead row value"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row value"]:
        which = torch.zeros_like(row_task) if self.num_tasks == 1 else row_task
        return x * self.weight.index_select(-2, which) + self.bias.index_select(-2, which)
