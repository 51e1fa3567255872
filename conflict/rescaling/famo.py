"""FAMO: weights such that all losses fall at the same relative rate, from the losses alone.

Source: Liu et al. 2023, "FAMO: Fast Adaptive Multitask Optimization", Algorithm 1: z = softmax(w); the update follows
sum_k c z_k grad log L_k with c = (sum_k z_k / L_k)^-1; then w <- w - beta (d + gamma w) with d = J^T delta, J = dz/dw
and delta_k = log L_k(before) - log L_k(after) (Equation 11; published RL code turns the factor c upside down).
Departs: the loss after a step is that of the task's next batch, not a second look at the same one; the factor c is
replaced by an average scale of 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import FAMOOptions
from conflict.rescaling.rescaling import Rescaling


class FAMO(Rescaling):
    """Weights z_k / L_k with slowly moving z."""

    needs_positive_losses = True
    logits: Tensor
    last_losses: Tensor

    def __init__(self, num_tasks: int, value_shape: Sequence[int] = (1,), options: FAMOOptions = FAMOOptions()) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        self.register_buffer("logits", torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("last_losses", torch.zeros(num_tasks, dtype=torch.float64))  # 0 means: not seen yet

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.softmax(self.logits[task_ids], dim=0) / losses_k

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None) -> None:
        last_k, w_k = self.last_losses[task_ids], self.logits[task_ids]
        delta_k = torch.where(last_k > 0, last_k.clamp(min=1e-300).log() - losses_k.log(), 0.0)
        z_k = torch.softmax(w_k, dim=0)
        d_k = z_k * (delta_k - (z_k * delta_k).sum())
        self.logits[task_ids] = w_k - self.options.learning_rate * (d_k + self.options.decay * w_k)
        self.last_losses[task_ids] = losses_k
