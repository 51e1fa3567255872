"""FairGrad: the update that shares the improvement alpha-fairly among the tasks.

Source: Ban and Ji 2024, "Fair Resource Allocation in Multi-Task Learning", Algorithm 1: the update sum_k a_k g_k
with G a = a^(-1 / alpha) (elementwise).
Departs: the equation is solved to rounding by Newton's method (see ``fairness``) instead of by least squares. The
update has the length of the mean gradient's projection on it (the scale convention): as alpha goes to 0 it is the mean.
Tasks with a zero gradient are left out.
"""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.fairness import fair_weights
from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.options import FairGradOptions
from conflict.strategies.strategy import Strategy


class FairGrad(Strategy):
    """No task gets worse; ``alpha = 1`` is Nash-MTL."""

    def __init__(self, num_tasks: int, options: FairGradOptions = FairGradOptions()) -> None:
        super().__init__(num_tasks, options)
        self.alpha = options.alpha

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        return fair_weights(gramian, self.alpha)
