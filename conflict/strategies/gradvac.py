"""GradVac (Gradient Vaccine): turn each gradient towards those to which it is less similar than it used to be.

Source: Wang et al. 2021, "Gradient Vaccine: Investigating and Improving Multi-task Optimization in Massively
Multilingual Models", Algorithm 1. For each task i, visit the others in a fresh random order. With phi the cosine of
the running g_i and the original g_j, and t its moving average so far: wherever phi < t, add
|g_i| (t sqrt(1 - phi^2) - phi sqrt(1 - t^2)) / (|g_j| sqrt(1 - t^2)) g_j, so that the cosine becomes t. Then
t <- (1 - beta) t + beta phi. The update is sum_i g_i. With targets of 0 this is PCGrad.
Departs: the mean instead of the sum (the scale convention). One group of parameters, the whole of them. Pairs with a
zero gradient are skipped. A target counts as at most 0.999, because no finite step makes two gradients parallel, and a
gradient grows at most a hundredfold, because every step may lengthen it and 100 steps would overflow.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.options import GradVacOptions
from conflict.strategies.pcgrad import mean_weights, random_orders
from conflict.strategies.strategy import Strategy

HIGHEST_TARGET = 0.999
LONGEST = 100.0


def vaccinate(
    cosines_kk: Float64[Array, "task task"],
    targets_kk: Float64[Array, "task task"],
    orders: Int[Array, "task other"],
    noise: float = 1e-15,
) -> tuple[Float64[Array, "task task"], Float64[Array, "task task"]]:
    """Algorithm 1 for unit gradients and given orders.

    Args:
        noise: a gradient of which no more than this share is left, squared, is zero; so is one with cosine 0 to itself.
    Returns:
        Row i: the vaccinated g_i in the original unit gradients; and the cosines that were met on the way (NaN where a
        gradient is zero).
    """
    count = len(cosines_kk)
    rows = np.arange(count)
    goals = np.minimum(targets_kk, HIGHEST_TARGET)
    stretches = goals / np.sqrt(1.0 - goals**2)
    inner = cosines_kk.copy()  # inner[i, j] = <running g_i, unit gradient j>
    alive = cosines_kk.diagonal() > 0
    squares = cosines_kk.diagonal().copy()  # of the running gradients' norms
    coefficients = np.eye(count)
    met = np.full((count, count), np.nan)
    for others in orders.T:
        along = inner[rows, others]
        there = (squares > noise) & alive[others]
        cosine = np.divide(along, np.sqrt(squares), out=np.full(count, np.nan), where=there)
        met[rows, others] = cosine
        across = np.sqrt(np.maximum(squares - along**2, 0.0))
        turned = there & (cosine < goals[rows, others])
        factors = np.where(turned, across * stretches[rows, others] - along, 0.0)
        inner += factors[:, None] * cosines_kk[others]
        squares = np.maximum(squares + factors * (2.0 * along + factors), 0.0)
        coefficients[rows, others] += factors
        if squares.max() > LONGEST**2:
            shrink = np.minimum(1.0, LONGEST / np.sqrt(np.maximum(squares, 1.0)))
            inner *= shrink[:, None]
            coefficients *= shrink[:, None]
            squares *= shrink**2
    return coefficients, met


class GradVac(Strategy):
    """Weights ``mean_i c_i`` of the vaccinated gradients; the targets are a buffer over all pairs of tasks."""

    targets: Tensor

    def __init__(self, num_tasks: int, options: GradVacOptions = GradVacOptions()) -> None:
        super().__init__(num_tasks, options)
        self.step_size = options.step_size
        self.register_buffer("targets", torch.zeros(num_tasks, num_tasks, dtype=torch.float64))

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        tasks = task_ids.to(self.targets.device)
        pairs = (tasks[:, None], tasks)
        targets = self.targets[pairs].double().cpu().numpy()
        orders = random_orders(len(gramian), generator=generator)
        coefficients, met = vaccinate(gramian.cosines, targets, orders, gramian.noise)
        moved = np.where(np.isnan(met), targets, targets + self.step_size * (met - targets))
        self.targets[pairs] = torch.from_numpy(moved).to(self.targets)
        return mean_weights(gramian, coefficients)
