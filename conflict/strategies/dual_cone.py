"""Projections on the dual cone of the task gradients: the nearest vector that conflicts with none of them.

The projection of sum_k u_k g_k is sum_k v_k g_k, where v minimises v^T G v over v >= u (Gramian G). Many u at once: one
batched linear solve a step for all of them.

Source: Quinton and Rey 2024, "Jacobian Descent for Multi-Objective Optimization", Proposition 1; block principal
pivoting: Júdice and Pires 1994, "A block principal pivoting algorithm for large-scale strictly monotone linear
complementarity problems", Algorithm 2.
Departs: in y = v * norms the quadratic form is that of the cosines, with the ridge of ``active_set`` on their diagonal.
Rows that have not settled after many steps are solved one by one by the active set.
"""

import numpy as np
from jaxtyping import Float64

from conflict.strategies.active_set import minimise, ridge
from conflict.strategies.gramian import Array, Gramian

PATIENCE = 3
"""How often all wrong variables may change sides without fewer of them being wrong, before they do so singly."""
STEPS = 30
TOLERANCE = 1e-13


def project_cosines(gramian: Gramian, floors: Float64[Array, "problem task"]) -> Float64[Array, "problem task"]:
    """For each row u >= 0 of ``floors`` the y >= u that minimises ``y^T C y``, C the cosines.

    A variable is free (its slope is 0) or on its floor. Each step solves for the free ones, then those below the floor
    go on it and those on it with a negative slope become free.
    """
    hess = ridge(gramian)
    count = len(hess)
    identity = np.eye(count)
    solution = floors.copy()
    free = np.zeros(floors.shape, dtype=bool)
    fewest = np.full(len(floors), count + 1)
    patience = np.full(len(floors), PATIENCE)
    slack = TOLERANCE * np.maximum(floors.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    open_ = np.arange(len(floors))
    for _ in range(STEPS):
        mask, floor = free[open_], floors[open_]
        solution[open_] = point = _on_free(hess, mask, floor)
        size = slack[open_] + TOLERANCE * np.abs(point).max(axis=1, keepdims=True)
        wrong = np.where(mask, point < floor - size, point @ hess < -size)
        number = wrong.sum(axis=1)
        going = number > 0
        open_, wrong, number = open_[going], wrong[going], number[going]
        if not len(open_):
            break
        fewer = number < fewest[open_]
        fewest[open_] = np.minimum(number, fewest[open_])
        patience[open_] = np.where(fewer, PATIENCE, patience[open_] - 1)
        single = patience[open_] < 0
        last = count - 1 - wrong[single, ::-1].argmax(axis=1)
        wrong[single] = identity[last].astype(bool)
        free[open_] ^= wrong
    for row in open_:
        start = np.maximum(solution[row] - floors[row], 0.0)
        solution[row] = floors[row] + minimise(hess, hess @ floors[row], start=start)
    return np.maximum(solution, floors)


def _on_free(hess: Array, free: Array, floors: Array) -> Array:
    """The points whose slope is 0 where they are free, and which lie on the floor elsewhere.

    All systems are padded with the identity to the size of the largest.
    """
    point = np.where(free, 0.0, floors)
    right = -(point @ hess)
    largest = int(free.sum(axis=1).max())
    index = np.argsort(~free, axis=1, kind="stable")[:, :largest]
    ours = np.take_along_axis(free, index, axis=1)
    systems = np.where(ours[:, :, None] & ours[:, None, :], hess[index[:, :, None], index[:, None, :]], np.eye(largest))
    values = np.where(ours, np.take_along_axis(right, index, axis=1), np.take_along_axis(point, index, axis=1))
    np.put_along_axis(point, index, np.linalg.solve(systems, values[:, :, None])[:, :, 0], axis=1)
    return point
