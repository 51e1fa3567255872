"""The directions of alpha-fairness: Nash-MTL and FairGrad.

The update d in a ball that maximises the sum of u(<g_k, d>), u'(x) = x^-alpha, is a positive multiple of
sum_k a_k g_k, where a > 0 solves ``G a = a^(-1 / alpha)`` with G the Gramian. alpha = 1, u = log, is Nash's bargaining
solution. The equation says that the gradient of a strictly convex function of a is zero:
a^T G a / 2 - sum_k a_k^(1 - 1 / alpha) / (1 - 1 / alpha), for alpha = 1 with log a_k.

Source: Navon et al. 2022, "Multi-Task Learning as a Bargaining Game", Claim 3.1; Ban and Ji 2024, "Fair Resource
Allocation in Multi-Task Learning", Algorithm 1.
Departs: instead of a sequence of convex programs or a least-squares fit, Newton's method with the slacks s = G a as
variables of their own, as in interior-point methods: there the path's equation s_k a_k = mu is the one of alpha = 1.
Solved for b_k = a_k |g_k| and the cosines C, (C + r I) b = s, so the norms only enter s_k = t_k b_k^(-1 / alpha),
t_k = |g_k|^(1 / alpha - 1). The ridge r, at least 1e-10, bounds a where no direction improves all tasks.
"""

import numpy as np
from jaxtyping import Float64

from conflict.strategies.gramian import Array, Gramian

RIDGE = 1e-10
SHRINK = 0.01
"""To what share of itself a variable shrinks in one step at most; each by itself, which converges several times faster
than one step length for all."""
STEPS = 60
PATIENCE = 4
"""Steps that no longer become smaller, once they are small, until only rounding is left."""


def fair_point(
    matrix: Float64[Array, "task task"], log_targets: Float64[Array, " task"], alpha: float
) -> tuple[Float64[Array, " task"], Float64[Array, " task"]]:
    """The b, s > 0 with ``matrix b = s`` and ``log s_k + log(b_k) / alpha = log_targets_k``.

    Args:
        matrix: symmetric, positive definite, with a diagonal near 1.
    """
    point = np.exp(log_targets * alpha / (1.0 + alpha))  # solves it where the matrix is the identity
    slack = point.copy()
    last, stalls = np.inf, 0
    for _ in range(STEPS):
        fair = log_targets - np.log(slack) - np.log(point) / alpha
        right = slack - matrix @ point + slack * fair
        system = matrix.copy()
        np.fill_diagonal(system, system.diagonal() + slack / (alpha * point))
        step = np.linalg.solve(system, right)
        slack_step = slack * (fair - step / (alpha * point))
        size = float(step @ right) / float(point @ slack)  # the Newton decrement, squared
        point = np.maximum(point + step, SHRINK * point)
        slack = np.maximum(slack + slack_step, SHRINK * slack)
        stalls = stalls + 1 if size < 1e-8 and 0.5 < size / last < 3.0 else 0
        if size <= 1e-24 or stalls == PATIENCE:
            break
        last = size
    return point, slack


def fair_weights(gramian: Gramian, alpha: float) -> Float64[Array, " task"]:
    """The fair direction with the length of the mean gradient's projection on it; zero gradients get weight 0.

    As s >= 0, no task gets worse.
    """
    alive = np.flatnonzero(gramian.alive)
    if not len(alive):
        return np.zeros(len(gramian))
    norms = gramian.norms[alive]
    matrix = gramian.cosines[alive[:, None], alive]
    np.fill_diagonal(matrix, 1.0 + max(RIDGE, gramian.noise))
    point, slack = fair_point(matrix, (1.0 / alpha - 1.0) * np.log(norms), alpha)
    along = float(norms @ slack) / len(gramian)  # <mean gradient, d>
    weights = np.zeros(len(gramian))
    weights[alive] = point / norms * (along / float(point @ slack))
    return weights
