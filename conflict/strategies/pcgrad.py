"""PCGrad: project each task gradient off those that it conflicts with.

Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", Algorithm 1: for each task i, visit the other tasks
j in a fresh random order, and wherever <g_i, g_j> < 0 replace the running g_i by g_i - <g_i, g_j> / |g_j|^2 g_j with
the *original* g_j; the update is sum_i g_i.
Departs: the mean of the projected gradients instead of their sum (the scale convention). A zero g_j is skipped (the
paper divides by its norm). Everything is done on the cosines: the running g_i is a combination of the unit gradients.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.strategy import Strategy


def random_orders(num_tasks: int, *, generator: torch.Generator | None) -> Int[Array, "task other"]:
    """For every task an independent, uniformly random order of the other tasks, shape [K, K - 1]."""
    device = torch.device("cpu") if generator is None else generator.device
    keys = torch.rand(num_tasks, num_tasks, generator=generator, dtype=torch.float64, device=device).cpu().numpy()
    np.fill_diagonal(keys, 2.0)  # sorts the task itself to the end, where it is cut off
    return keys.argsort(axis=1)[:, : num_tasks - 1]


def pcgrad_coefficients(
    cosines_kk: Float64[Array, "task task"], orders: Int[Array, "task other"]
) -> Float64[Array, "task task"]:
    """Algorithm 1 for unit gradients and given orders: row i has the projected g_i in the original unit gradients.

    Step t handles the t-th task of every i's own order at once, so the cost is K - 1 small vector operations.
    """
    rows = np.arange(len(cosines_kk))
    inner = cosines_kk.copy()  # inner[i, j] = <running g_i, unit gradient j>
    coefficients = np.eye(len(cosines_kk))
    for others in orders.T:
        factors = np.minimum(inner[rows, others], 0.0)
        inner -= factors[:, None] * cosines_kk[others]
        coefficients[rows, others] -= factors
    return coefficients


def mean_weights(gramian: Gramian, coefficients_kk: Float64[Array, "task task"]) -> Float64[Array, " task"]:
    """Weights of the mean of changed gradients, given row by row in the unit gradients; zero gradients get 1 / K."""
    count = len(gramian)
    weights = np.full(count, 1.0 / count)
    np.divide(gramian.norms @ coefficients_kk, count * gramian.norms, out=weights, where=gramian.alive)
    return weights


class PCGrad(Strategy):
    """Weights ``mean_i c_i`` of the projected gradients; random only through the passed generator."""

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        orders = random_orders(len(gramian), generator=generator)
        return mean_weights(gramian, pcgrad_coefficients(gramian.cosines, orders))
