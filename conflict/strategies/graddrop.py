"""GradDrop: for each parameter, keep the task gradients of one sign, drawn by how much of them has it.

Source: Chen et al. 2020, "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout", Algorithm 1:
with the positive sign purity P = (1 + sum_k g_k / sum_k |g_k|) / 2 of a coordinate and U uniform in [0, 1), keep the
positive g_k if P > U and the negative ones otherwise; task k leaks the share l_k of what is dropped.
Departs: the mean instead of the sum (the scale convention). Applied to the parameters' gradients, where the paper
applies it to those of a layer's activations. One leak for all tasks.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from conflict.strategies.options import GradDropOptions
from conflict.strategies.strategy import Strategy


def sign_dropout(
    jac_kp: Float[Tensor, "task param"], uniform: Float[Tensor, " param"], leak: float
) -> Float[Tensor, " param"]:
    """Algorithm 1 for given uniform numbers, and divided by the number of tasks."""
    negative = jac_kp.clamp(max=0).sum(dim=0)
    positive = jac_kp.clamp(min=0).sum(dim=0)
    keep_positive = positive > uniform * (positive - negative)  # purity > uniform, without dividing by 0
    kept = torch.where(keep_positive, positive, negative)
    return torch.lerp(kept, positive + negative, leak) / len(jac_kp)


class GradDrop(Strategy):
    """Needs the Jacobian: which gradients are kept differs between the coordinates."""

    needs = "jacobian"

    def __init__(self, num_tasks: int, options: GradDropOptions = GradDropOptions()) -> None:
        super().__init__(num_tasks, options)
        self.leak = options.leak

    def _combine(
        self, jac_kp: Float[Tensor, "task param"], *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float[Tensor, " param"]:
        device = jac_kp.device if generator is None else generator.device
        uniform = torch.rand(jac_kp.shape[1], generator=generator, dtype=jac_kp.dtype, device=device)
        return sign_dropout(jac_kp, uniform.to(jac_kp.device), self.leak)
