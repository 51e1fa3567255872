"""IMTL-L: scale every loss to the same size, by a learnt factor.

Source: Liu et al. 2021, "Towards Impartial Multi-task Learning", Equation 8 with base e: sum_k exp(s_k) L_k - s_k.
Departs: s is moved by its own gradient steps (the derivative exp(s_k) L_k - 1 is written down), each at most one
learning rate long, so that no optimizer of the model is involved; scales average to 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import IMTLLOptions
from conflict.rescaling.rescaling import Rescaling


class IMTLL(Rescaling):
    """Weights exp(s_k), which tend to 1 / L_k."""

    needs_positive_losses = True
    log_scales: Tensor

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: IMTLLOptions = IMTLLOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        self.register_buffer("log_scales", torch.zeros(num_tasks, dtype=torch.float64))

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.exp(self.log_scales[task_ids])

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None, after_k: Tensor | None) -> None:
        s_k = self.log_scales[task_ids]
        slope_k = torch.exp(s_k) * losses_k - 1.0
        self.log_scales[task_ids] = s_k - self.options.learning_rate * slope_k.clamp(-1.0, 1.0)
