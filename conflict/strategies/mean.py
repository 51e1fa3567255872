"""The plain mean of the task gradients: the baseline that every other strategy has to beat.

Source: Kurin et al. 2022, "In Defense of the Unitary Scalarization for Deep Multi-Task Learning".
Departs: the mean instead of the sum, by the toolkit's scale convention.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from conflict.strategies.options import MeanOptions
from conflict.strategies.strategy import Strategy


class Mean(Strategy):
    """Weight ``1 / k`` for each of the k tasks in the batch; one ordinary backward of the mean loss gives the same."""

    needs = "losses"

    def __init__(self, num_tasks: int, options: MeanOptions = MeanOptions()) -> None:
        super().__init__(num_tasks)

    def weights(
        self,
        gram_kk: Float[Tensor, "task task"] | None,
        *,
        task_ids: Int[Tensor, " task"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " task"]:
        count = task_ids.numel()
        if gram_kk is None:
            return torch.full((count,), 1.0 / count, device=task_ids.device)
        return gram_kk.new_full((count,), 1.0 / count)
