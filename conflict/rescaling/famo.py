"""FAMO: weights that make the logarithms of all losses fall at one rate, learnt from how much each fell.

Source: Liu et al. 2023, "FAMO: Fast Adaptive Multitask Optimization", Equation 11: w_i = c z_i / l_i with
c = 1 / sum_i(z_i / l_i) and z = softmax(xi); Equations 10 and 12: xi <- xi - beta (delta + gamma xi), where delta is
the Jacobian of the softmax times (log l before - log l after the step) on the same batch. Adam takes the step in xi, as
in the paper's Algorithm 2.
Departs: scales average to 1. (Published code for reinforcement learning divides by c where Equation 11 multiplies.) The
bound of the losses from below is 0. The softmax runs over the tasks in the batch; the other tasks keep their xi.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from conflict.rescaling.options import FAMOOptions
from conflict.rescaling.rescaling import Rescaling
from conflict.rescaling.task_adam import TaskAdam


def famo_gradient(
    logits_k: Float[Tensor, " task"], before_k: Float[Tensor, " task"], after_k: Float[Tensor, " task"]
) -> Float[Tensor, " task"]:
    """delta of Equation 10: (diag(z) - z z^T) (log l_before - log l_after)."""
    z_k, fall_k = logits_k.softmax(dim=0), before_k.log() - after_k.log()
    return z_k * (fall_k - (z_k * fall_k).sum())


class FAMO(Rescaling):
    """Weights z / loss, with slowly moving z."""

    needs_positive_losses = True
    needs_losses_after = True
    logits: Tensor

    def __init__(self, num_tasks: int, value_shape: Sequence[int] = (1,), options: FAMOOptions = FAMOOptions()) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        self.register_buffer("logits", torch.zeros(num_tasks, dtype=torch.float64))
        self.adam = TaskAdam(num_tasks)

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.softmax(self.logits[task_ids] - losses_k.log(), dim=0).clamp(min=1e-12)

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None, after_k: Tensor | None) -> None:
        assert after_k is not None
        logits_k = self.logits[task_ids]
        gradient_k = famo_gradient(logits_k, losses_k, after_k) + self.options.decay * logits_k
        self.logits[task_ids] = logits_k - self.options.learning_rate * self.adam.step(task_ids, gradient_k)
