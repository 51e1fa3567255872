"""SDMGrad: MGDA with a pull towards the mean gradient.

Source: Xiao et al. 2023, "Direction-oriented Multi-objective Learning: Simple and Provable Stochastic Algorithms",
Algorithm 1: with w the minimiser of |sum_k w_k g_k + lambda g_0| over the simplex, g_0 the mean gradient, the update is
sum_k w_k g_k + lambda g_0.
Departs: divided by 1 + lambda (the scale convention). The minimiser is exact and forgotten after the update, where the
paper takes a few stochastic gradient steps from the last w, with gradients of two further batches to be unbiased.
"""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.active_set import on_simplex
from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.options import SDMGradOptions
from conflict.strategies.strategy import Strategy


class SDMGrad(Strategy):
    """``pull = 0`` is MGDA, and the mean is where it grows without bound. Tasks may get worse in between."""

    def __init__(self, num_tasks: int, options: SDMGradOptions = SDMGradOptions()) -> None:
        super().__init__(num_tasks, options)
        self.pull = options.pull

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        return (on_simplex(gramian, self.pull) + self.pull / len(gramian)) / (1.0 + self.pull)
