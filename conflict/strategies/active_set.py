"""Convex quadratic programs over non-negative numbers, to the last digit, by an active set.

Minimise ``y^T H y / 2 + f^T y`` over ``y >= 0``, with or without the equation ``a^T y = t``. With H the cosines of the
task gradients and y the weights times the gradients' norms, this is the min-norm point of MGDA, the inner problem of
SDMGrad and CAGrad, and the projection of DualProj: see ``on_simplex``.

Source: the primal active-set method; Wolfe 1976, "Finding the nearest point in a polytope", and Lawson and Hanson 1974,
"Solving Least Squares Problems", chapter 23, are its two special cases here.
Departs: H is made definite by a ridge (``ridge``), so every set of active variables has one solution.
"""

import numpy as np
from jaxtyping import Bool, Float64

from conflict.strategies.gramian import SHORTEST, Array, Gramian

RIDGE = 1e-13


def ridge(gramian: Gramian) -> Float64[Array, "task task"]:
    """The cosines with a little added to their diagonal: what their entries' precision is, at least 1e-13.

    It decides between combinations of the gradients that have the same sum, and keeps rounding from making the matrix
    indefinite. Zero gradients get a row of the identity.
    """
    matrix = gramian.cosines.copy()
    np.fill_diagonal(matrix, 1.0 + max(RIDGE, gramian.noise))
    return matrix


def lengths(gramian: Gramian) -> Float64[Array, " task"]:
    """The norms; where a gradient counts as zero the least norm that does not, so that one may divide."""
    return np.maximum(gramian.norms, SHORTEST)


def minimise(
    hess: Float64[Array, "n n"],
    linear: Float64[Array, " n"],
    normal: Float64[Array, " n"] | None = None,
    total: float = 1.0,
    start: Float64[Array, " n"] | None = None,
) -> Float64[Array, " n"]:
    """The minimiser.

    Args:
        hess: symmetric, positive definite.
        linear: f.
        normal: a > 0 of the equation ``a^T y = total``; None: there is no equation.
        total: t > 0.
        start: a point that meets the constraints; its zeros are where the search begins.
    """
    solution = _first(hess, linear, normal, total) if start is None else start.copy()
    active = solution > 0
    refused = np.zeros_like(active)
    for _ in range(20 * len(linear) + 20):
        target = on_active(hess, linear, active, normal, total)[0]
        below = active & (target < 0)
        if below.any():  # go as far as the first bound, and leave what meets it there
            steps = np.where(below, solution / np.where(below, solution - target, 1.0), np.inf)
            step = float(steps.min())
            solution = np.maximum(solution + step * (target - solution), 0.0)
            dropped = below & (steps <= step)
            solution[dropped] = 0.0
            active &= ~dropped
            refused |= dropped if step == 0 else False
            continue
        solution = target
        slope = hess @ solution + linear
        scale = float(np.abs(solution).max()) + float(np.abs(linear).max())
        if normal is not None:
            used = int(np.argmax(np.where(active, normal, -1.0)))
            slope = slope - slope[used] / normal[used] * normal
        slope[active | refused] = 0.0
        entering = int(slope.argmin())
        if slope[entering] >= -1e-14 * scale:
            break
        active[entering] = True
    if normal is not None:  # what cancels where gradients are nearly dependent must not break the equation
        solution = solution * (total / (normal @ solution))
    return solution


def on_active(
    hess: Float64[Array, "n n"],
    linear: Float64[Array, " n"],
    active: Bool[Array, " n"],
    normal: Float64[Array, " n"] | None,
    total: float,
) -> tuple[Float64[Array, " n"], Float64[Array, " n"]]:
    """The minimiser where the others are 0 and these may be negative, and how it changes with ``total``."""
    solution, slope = np.zeros(len(linear)), np.zeros(len(linear))
    index = active.nonzero()[0]
    if not len(index):
        return solution, slope
    block = hess[index[:, None], index]
    if normal is None:
        solution[index] = np.linalg.solve(block, -linear[index])
        return solution, slope
    ours = normal[index]
    free, along = np.linalg.solve(block, np.stack((-linear[index], ours), axis=1)).T
    along = along / (ours @ along)
    solution[index] = free + (total - ours @ free) * along
    slope[index] = along
    return solution, slope


def on_simplex(gramian: Gramian, pull: float) -> Float64[Array, " task"]:
    """The weights w >= 0 with sum 1 that minimise ``|sum_k w_k g_k + pull * mean_k g_k|``, g the gradients.

    In ``y = w * norms`` the quadratic form is that of the cosines, however different the gradients' norms are.
    """
    norms, hess = lengths(gramian), ridge(gramian)
    shortest = float(norms.min())
    linear = pull / len(gramian) * (gramian.cosines @ gramian.norms)
    weights: Array = minimise(hess, linear, shortest / norms, shortest) / norms
    weights /= weights.sum()
    return weights


def _first(hess: Array, linear: Array, normal: Array | None, total: float) -> Float64[Array, " n"]:
    """Nothing, or with an equation the best point with one variable above 0."""
    solution = np.zeros(len(linear))
    if normal is not None:
        alone = total / normal
        best = int((0.5 * hess.diagonal() * alone**2 + linear * alone).argmin())
        solution[best] = alone[best]
    return solution
