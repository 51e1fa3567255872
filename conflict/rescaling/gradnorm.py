"""GradNorm: weight the task losses so that their gradients have like norms and the tasks train at like rates.

Source: Chen et al. 2018, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks",
Algorithm 1 and Equation 2: L_grad = sum_i | G_i - mean(G) r_i^alpha |, where G_i = |grad w_i L_i|, r_i = l_i / mean(l)
and l_i = L_i / L_i(0); mean(G) r_i^alpha is held constant. Then w is renormalised to sum to the number of tasks.
Departs: the gradient of L_grad in w is written down (dG_i/dw_i = G_i / w_i), so there is no second backward pass. The
step is taken in log w and in units of mean(G): weights stay positive and the common scale of the losses has no
influence. Means run over the tasks in the batch; the other tasks keep their weights, and the sum over all tasks is
kept. Where a task's loss has several parts (an actor's and a critic's), norms are those of their sum, and training
rates those of the losses that are given, which must be positive.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from conflict.rescaling.options import GradNormOptions
from conflict.rescaling.rescaling import Rescaling


def gradnorm_gradient(
    norms_k: Float[Tensor, " task"],
    weights_k: Float[Tensor, " task"],
    ratios_k: Float[Tensor, " task"],
    *,
    alpha: float,
) -> Float[Tensor, " task"]:
    """Gradient of L_grad in the weights.

    Args:
        norms_k: G_i, norms of the gradients of the *weighted* losses.
        weights_k: w_i, greater than 0.
        ratios_k: l_i, loss over first loss.
        alpha: strength of the pull towards equal training rates.
    """
    target_k = norms_k.mean() * (ratios_k / ratios_k.mean()).pow(alpha)
    return (norms_k - target_k).sign() * norms_k / weights_k


class GradNorm(Rescaling):
    """Weights per task that follow the norms of the task gradients. Losses must be positive."""

    needs_gradient_norms = True
    needs_positive_losses = True
    task_weights: Tensor
    first_losses: Tensor

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: GradNormOptions = GradNormOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        self.register_buffer("task_weights", torch.ones(num_tasks))
        self.register_buffer("first_losses", torch.zeros(num_tasks))  # 0 means: not seen yet

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.task_weights[task_ids].double()

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None, after_k: Tensor | None) -> None:
        assert norms_k is not None
        losses_k, norms_k = losses_k.to(self.first_losses), norms_k.to(self.task_weights)
        first_k = self.first_losses[task_ids]
        first_k = torch.where(first_k > 0, first_k, losses_k)
        self.first_losses[task_ids] = first_k
        mean = norms_k.mean()
        if not bool(mean > 0):
            return
        old_k = self.task_weights[task_ids]
        gradient_k = gradnorm_gradient(norms_k, old_k, losses_k / first_k, alpha=self.options.alpha)
        step_k = self.options.learning_rate * old_k * gradient_k / mean
        new_k = (old_k * torch.exp(-step_k)).clamp(min=self.options.minimum)
        self.task_weights[task_ids] = new_k * (old_k.sum() / new_k.sum())
