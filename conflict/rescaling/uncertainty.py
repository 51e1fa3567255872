"""Uncertainty weighting: each loss over its own learnt variance.

Source: Kendall et al. 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics",
Equation 7 in s = log sigma^2: sum_k exp(-s_k) L_k / 2 + s_k / 2.
Departs: s is moved by its own gradient steps (the derivative (1 - exp(-s_k) L_k) / 2 is written down), each at most one
learning rate long, so that no optimizer of the model is involved; scales average to 1. Losses must be positive, or s
falls without end.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import UncertaintyOptions
from conflict.rescaling.rescaling import Rescaling


class Uncertainty(Rescaling):
    """Weights exp(-s_k), which tend to 1 / L_k."""

    needs_positive_losses = True
    log_variances: Tensor

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: UncertaintyOptions = UncertaintyOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        self.register_buffer("log_variances", torch.zeros(num_tasks, dtype=torch.float64))

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.exp(-self.log_variances[task_ids])

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None, after_k: Tensor | None) -> None:
        s_k = self.log_variances[task_ids]
        slope_k = 0.5 * (1.0 - torch.exp(-s_k) * losses_k)
        self.log_variances[task_ids] = s_k - self.options.learning_rate * slope_k.clamp(-1.0, 1.0)
