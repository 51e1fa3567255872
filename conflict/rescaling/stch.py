"""Smooth Tchebycheff scalarisation: minimise a smooth maximum of the losses, each relative to a reference.

Source: Lin et al. 2024, "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", Equation 7:
mu log sum_i exp(lambda_i (f_i - z_i) / mu); for multi-task learning, as in the authors' experiments, z_i = 0 and
f_i = log(L_i / reference_i) with equal lambda_i, where the reference is the mean loss late in a warm-up that minimises
the sum of the log losses. So the weights are softmax(f / mu)_i / L_i, which grow as L_i^(1 / mu - 1).
Departs: the warm-up is counted in each task's own updates, the reference is its mean loss over all of it, and a task
still in it has f_i = 0. lambda_i is 1, not 1 / K, so mu means the same for any number of tasks. Scales average to 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import STCHOptions
from conflict.rescaling.rescaling import Rescaling


class STCH(Rescaling):
    """Weights that follow the task that is worst off relative to its reference."""

    needs_positive_losses = True
    reference: Tensor
    count: Tensor

    def __init__(self, num_tasks: int, value_shape: Sequence[int] = (1,), options: STCHOptions = STCHOptions()) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        self.register_buffer("reference", torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_tasks, dtype=torch.long))

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        ready_k = self.count[task_ids] >= self.options.warmup
        relative_k = torch.where(ready_k, losses_k / self.reference[task_ids], 1.0).log()
        return torch.softmax(relative_k / self.options.smoothing - losses_k.log(), dim=0).clamp(min=1e-12)

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None, after_k: Tensor | None) -> None:
        count_k, reference_k = self.count[task_ids], self.reference[task_ids]
        counts_k = count_k < self.options.warmup
        mean_k = reference_k + (losses_k - reference_k) / (count_k + 1)
        self.reference[task_ids] = torch.where(counts_k, mean_k, reference_k)
        self.count[task_ids] = torch.where(counts_k, count_k + 1, count_k)
