"""Smooth Tchebycheff scalarisation: weight to the task that is relatively worst, smoothly.

Source: Lin et al. 2024, "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", Equation 7:
mu log sum_k exp(lambda_k (f_k - z_k) / mu), whose gradient weighs task k by lambda_k softmax_k(.).
Departs: f_k is the loss over the task's first loss (z = 0, lambda equal), so tasks are compared by what is left to
learn; scales average to 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import STCHOptions
from conflict.rescaling.rescaling import Rescaling


class STCH(Rescaling):
    """Weights softmax_k(l_k / mu) / L_k(0) with l_k = L_k / L_k(0)."""

    needs_positive_losses = True
    first_losses: Tensor

    def __init__(self, num_tasks: int, value_shape: Sequence[int] = (1,), options: STCHOptions = STCHOptions()) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        self.register_buffer("first_losses", torch.zeros(num_tasks, dtype=torch.float64))  # 0 means: not seen yet

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        first_k = self._first(task_ids, losses_k)
        return torch.softmax(losses_k / first_k / self.options.smoothing, dim=0).clamp(min=1e-12) / first_k

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None) -> None:
        self.first_losses[task_ids] = self._first(task_ids, losses_k)

    def _first(self, task_ids: Tensor, losses_k: Tensor) -> Tensor:
        first_k = self.first_losses[task_ids]
        return torch.where(first_k > 0, first_k, losses_k)
