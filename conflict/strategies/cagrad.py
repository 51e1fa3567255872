"""CAGrad: near the mean gradient, the direction in which the worst-off task improves most.

Source: Liu et al. 2021, "Conflict-Averse Gradient Descent for Multi-task Learning", Algorithm 1: maximise
min_k <g_k, d> over |d - g_0| <= c |g_0|, g_0 the mean gradient. Then d = g_0 + c |g_0| g_w / |g_w|, where
g_w = sum_k w_k g_k minimises <g_w, g_0> + c |g_0| |g_w| over the simplex.
Departs: divided by 1 + c (the scale convention). Solved exactly. Where g_w = 0 the paper divides by zero; then d is the
vector nearest to g_0 that conflicts with no task, which is the limit and lies in the ball.
"""

import math

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.active_set import lengths, minimise, on_active, ridge
from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.options import CAGradOptions
from conflict.strategies.strategy import Strategy

FLAT = 1e3
"""From this ratio of the total to the radius on, it is asked whether the ball matters at all."""


def displacement(gramian: Gramian, c: float) -> Float64[Array, " task"]:
    """The x >= 0 of the update ``d = g_0 + sum_k x_k g_k``.

    For a given sum of x, x minimises |d|; that is a quadratic program. The sum is the one that puts d on the sphere,
    |sum_k x_k g_k| = c |g_0|. This length grows with the sum, and its square is a quadratic function of it while the
    same x are 0. So each step solves that quadratic equation, within a bracket, until the zeros stay.
    """
    norms, hess = lengths(gramian), ridge(gramian)
    count, shortest = len(gramian), float(norms.min())
    radius = c * gramian.norm(np.full(count, 1.0 / count))
    if radius == 0.0:
        return np.zeros(count)
    linear = gramian.cosines @ gramian.norms / count
    normal = shortest / norms
    total = c * shortest
    low, high, asked = 0.0, np.inf, False
    solution = minimise(hess, linear, normal, total)
    for _ in range(100):
        length = float(solution @ hess @ solution) ** 0.5
        if abs(length - radius) <= 1e-14 * radius:
            break
        if length < radius:
            low = total
            if total > FLAT * radius and not asked:
                asked, free = True, minimise(hess, linear)
                if free @ hess @ free <= radius**2:
                    return free / norms
        else:
            high = total
        _, slope = on_active(hess, linear, solution > 0, normal, total)
        last, total = total, total + _root(hess, solution, slope, radius)
        if not low < total < high:
            total = (low * high) ** 0.5 if low > 0 and high < np.inf else 10 * low if low else 0.1 * high
        if total == last:
            break
        solution = minimise(hess, linear, normal, total, start=solution * (total / last))
    return solution / norms


def _root(hess: Array, solution: Array, slope: Array, radius: float) -> float:
    """The step s for which |solution + s slope| = radius, the larger one; NaN if there is none."""
    squared, half = float(slope @ hess @ slope), float(slope @ hess @ solution)
    missing = float(solution @ hess @ solution) - radius * radius
    under = half * half - squared * missing
    if under < 0 or squared == 0:
        return np.nan
    root = math.sqrt(under)
    return -missing / (half + root) if half > 0 else (root - half) / squared


class CAGrad(Strategy):
    """``c = 0`` is the mean. From ``c = 1`` on no task gets worse; below that tasks may."""

    def __init__(self, num_tasks: int, options: CAGradOptions = CAGradOptions()) -> None:
        super().__init__(num_tasks, options)
        self.c = options.c

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        return (1.0 / len(gramian) + displacement(gramian, self.c)) / (1.0 + self.c)
