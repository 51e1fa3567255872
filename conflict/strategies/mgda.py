"""MGDA: the shortest convex combination of the task gradients.

Source: Désidéri 2012, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization";
Sener and Koltun 2018, "Multi-Task Learning as Multi-Objective Optimization", Equation 3: minimise |sum_k w_k g_k| over
w >= 0, sum_k w_k = 1.
Departs: the exact minimiser by an active set instead of Frank-Wolfe steps, and no normalisation of the gradients.
"""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.active_set import on_simplex
from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.strategy import Strategy


class MGDA(Strategy):
    """The update improves every task, ``<g_k, d> >= |d|^2``, and is zero where no direction does, so also where one
    gradient is zero."""

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        return on_simplex(gramian, pull=0.0)
