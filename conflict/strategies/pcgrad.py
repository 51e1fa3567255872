"""PCGrad: project each task gradient off those that it conflicts with.

Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", Algorithm 1: for each task i, visit the other tasks
j in a fresh random order, and wherever <g_i, g_j> < 0 replace the running g_i by g_i - <g_i, g_j> / |g_j|^2 g_j with
the *original* g_j; the update is sum_i g_i.
Departs: the mean of the projected gradients instead of their sum (the scale convention). A zero g_j is skipped (the
paper divides by its norm). Everything is done on the Gramian: the running g_i is c_i @ G, so <g_i, g_j> = (c_i @
gram)[j].
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from conflict.strategies.options import PCGradOptions
from conflict.strategies.strategy import Strategy


def random_orders(
    num_tasks: int, *, generator: torch.Generator | None, device: torch.device | str = "cpu"
) -> Int[Tensor, "task other"]:
    """For every task an independent, uniformly random order of the other tasks, shape [K, K - 1]."""
    source = device if generator is None else generator.device
    keys = torch.rand(num_tasks, num_tasks, generator=generator, dtype=torch.float64, device=source).to(device)
    keys.fill_diagonal_(2.0)  # sorts the task itself to the end, where it is cut off
    return keys.argsort(dim=1)[:, : num_tasks - 1]


def pcgrad_coefficients(
    gram_kk: Float[Tensor, "task task"], order: Int[Tensor, "task other"]
) -> Float[Tensor, "task task"]:
    """Algorithm 1 for given orders: row i holds the coefficients of the projected g_i in the original gradients.

    Step t handles the t-th task of every i's own order at once, so the cost is K - 1 small vector operations.
    """
    inner = gram_kk.clone()  # inner[i, j] = <running g_i, original g_j>
    squares = gram_kk.diagonal()
    inverse = torch.where(squares > 0, squares.reciprocal(), 0.0)[order]
    factors = torch.zeros_like(inverse)
    for step in range(order.shape[1]):
        other = order[:, step]
        factor = inner.gather(1, other[:, None]).clamp_(max=0.0).mul_(inverse[:, step, None])
        inner.addcmul_(factor, gram_kk[other], value=-1.0)
        factors[:, step, None] = factor
    return torch.eye(len(gram_kk), dtype=gram_kk.dtype, device=gram_kk.device).scatter_add_(1, order, -factors)


class PCGrad(Strategy):
    """Weights ``mean_i c_i`` of the projected gradients; random only through the passed generator."""

    needs = "gramian"

    def __init__(self, num_tasks: int, options: PCGradOptions = PCGradOptions()) -> None:
        super().__init__(num_tasks)

    def weights(
        self,
        gram_kk: Float[Tensor, "task task"] | None,
        *,
        task_ids: Int[Tensor, " task"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " task"]:
        if gram_kk is None:
            raise ValueError("PCGrad needs the Gramian of the task gradients, got None")
        order = random_orders(len(gram_kk), generator=generator, device=gram_kk.device)
        return pcgrad_coefficients(gram_kk.double(), order).mean(dim=0).to(gram_kk.dtype)
