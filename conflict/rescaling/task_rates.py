"""A learning rate for each task: its gradients over the running size of its own gradients.

Source: Yang et al. 2023, "AdaTask: A Task-aware Adaptive Learning Rate Approach to Multi-task Learning", Equation 6
(RMSProp): each task's gradient over the root of its own mean square, so that no task dominates the shared parameters.
Departs: one rate a task instead of one for each of its parameters, so K numbers of state instead of K times P; rates
average to 1 and the model's optimizer does the rest.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import TaskRatesOptions
from conflict.rescaling.rescaling import Rescaling


class TaskRates(Rescaling):
    """Weights 1 / sqrt(mean square of the task's gradient norms)."""

    needs_gradient_norms = True
    squares: Tensor
    total_weight: Tensor
    last_scales: Tensor

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: TaskRatesOptions = TaskRatesOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        self.register_buffer("squares", torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("total_weight", torch.zeros(num_tasks, dtype=torch.float64))  # 1 - (1 - step)^updates
        self.register_buffer("last_scales", torch.ones(num_tasks, dtype=torch.float64))

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        weight = self.total_weight[task_ids]
        mean = self.squares[task_ids] / weight.clamp(min=1e-300)
        known = (weight > 0) & (mean > 0)
        rates = torch.where(known, mean.clamp(min=1e-300).rsqrt(), 0.0)
        typical = rates[known].mean() if bool(known.any()) else torch.ones((), dtype=torch.float64)
        scales = torch.where(known, rates, typical)
        self.last_scales[task_ids] = scales / scales.mean()
        return scales

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None, after_k: Tensor | None) -> None:
        assert norms_k is not None
        plain_k, step = norms_k / self.last_scales[task_ids], self.options.step_size
        self.squares[task_ids] = (1 - step) * self.squares[task_ids] + step * plain_k.square()
        self.total_weight[task_ids] = (1 - step) * self.total_weight[task_ids] + step
