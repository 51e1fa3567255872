"""Strategies that are defined by an optimum meet its conditions, and agree with general convex solvers."""

import warnings

import numpy as np
import pytest
import scipy.optimize
import torch

from conflict.registry import make_strategy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the optional solvers
    import cvxpy as cp

pytestmark = pytest.mark.filterwarnings("ignore")

SHAPES = [
    (2, 2, 1.0),
    (3, 2, 1.0),
    (4, 9, 0.0),
    (8, 5, 0.0),
    (10, 40, 0.0),
    (10, 40, 1.0),
    (30, 90, 0.3),
    (50, 70, 0.2),
]
shapes = pytest.mark.parametrize(("num_tasks", "width", "common"), SHAPES)


def gradients(num_tasks: int, width: int, common: float, seed: int = 0) -> np.ndarray:
    """Gradients whose norms differ; with little in common and a small width, some combination of them is zero."""
    rng = np.random.default_rng(seed)
    jac = rng.normal(size=(num_tasks, width)) + common * rng.normal(size=width)
    return jac * np.logspace(-1, 1, num_tasks)[:, None]


def weights_of(name: str, jac: np.ndarray, options: dict[str, object] | None = None) -> np.ndarray:
    strategy = make_strategy(name, len(jac), options)
    weights = strategy.weights(torch.from_numpy(jac @ jac.T), task_ids=torch.arange(len(jac)))
    return weights.numpy()


def solve(problem: cp.Problem) -> None:
    problem.solve(cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)


@shapes
@pytest.mark.parametrize("pull", [0.0, 0.3, 3.0])
def test_mgda_and_sdmgrad_meet_the_conditions_of_the_shortest_vector(
    num_tasks: int, width: int, common: float, pull: float
) -> None:
    for seed in range(5):
        jac = gradients(num_tasks, width, common, seed)
        options = {} if pull == 0 else {"pull": pull}
        given = weights_of("sdmgrad" if pull else "mgda", jac, options)
        weights = given * (1 + pull) - pull / num_tasks
        assert weights.min() >= -1e-12
        assert abs(weights.sum() - 1) < 1e-12
        corners = jac + pull * jac.mean(axis=0)
        shortest = weights @ corners
        above = corners @ shortest - shortest @ shortest  # >= 0, and 0 where the weight is not
        scale = np.linalg.norm(corners, axis=1)
        assert (above >= -1e-10 * scale * scale.min()).all()
        assert weights @ above <= 1e-10 * (weights @ scale) * scale.min()


@shapes
@pytest.mark.parametrize("c", [0.1, 0.5, 0.9, 1.5])
def test_cagrad_meets_the_conditions_of_the_best_worst_task_in_the_ball(
    num_tasks: int, width: int, common: float, c: float
) -> None:
    for seed in range(5):
        jac = gradients(num_tasks, width, common, seed)
        mean = jac.mean(axis=0)
        moved = weights_of("cagrad", jac, {"c": c}) * (1 + c) - 1 / num_tasks
        update = mean + moved @ jac
        assert moved.min() >= -1e-12
        radius = np.linalg.norm(moved @ jac) / (c * np.linalg.norm(mean))
        gains = jac @ update
        scale = np.linalg.norm(jac, axis=1) * np.linalg.norm(mean)
        if abs(radius - 1) < 1e-9:  # on the sphere: it is moved by the tasks that are worst off
            assert moved @ (gains - gains.min()) <= 1e-9 * (moved @ scale)
        else:  # some combination is zero: no task can gain, nothing nearer to the mean harms none
            assert radius < 1
            assert (gains >= -1e-9 * scale).all()
            assert moved @ gains <= 1e-9 * (moved @ scale)
        if c >= 1:
            assert (gains >= -1e-9 * scale).all()


def test_cagrad_reaches_the_value_of_a_conic_solver() -> None:
    for seed in range(4):
        jac = gradients(6, 9, 0.2, seed)
        mean = jac.mean(axis=0)
        update, least = cp.Variable(9), cp.Variable()
        ball = cp.norm(update - mean) <= 0.5 * np.linalg.norm(mean)
        solve(cp.Problem(cp.Maximize(least), [jac @ update >= least, ball]))
        ours = 1.5 * weights_of("cagrad", jac) @ jac
        np.testing.assert_allclose((jac @ ours).min(), least.value, rtol=1e-6)
        np.testing.assert_allclose(ours, update.value, rtol=1e-3, atol=1e-3 * np.linalg.norm(mean))


@shapes
def test_upgrad_and_dualproj_meet_the_conditions_of_the_projection(num_tasks: int, width: int, common: float) -> None:
    for seed in range(3):
        jac = gradients(num_tasks, width, common, seed)
        norms = np.linalg.norm(jac, axis=1)
        moved = weights_of("dualproj", jac) - 1 / num_tasks
        gains = jac @ (jac.mean(axis=0) + moved @ jac)
        assert moved.min() >= -1e-12
        assert (gains >= -1e-10 * norms * norms.max()).all()
        assert abs(moved @ gains) <= 1e-10 * (1 + moved @ norms) * norms.max()
        assert (jac @ (weights_of("upgrad", jac) @ jac) >= -1e-10 * norms * norms.max()).all()


def test_upgrad_dualproj_and_mgda_agree_with_a_quadratic_solver() -> None:
    for seed in range(3):
        jac = gradients(6, 12, 0.0, seed)

        def project(vector: np.ndarray, jac: np.ndarray = jac) -> np.ndarray:
            nearest = cp.Variable(12)
            solve(cp.Problem(cp.Minimize(cp.sum_squares(nearest - vector)), [jac @ nearest >= 0]))
            return nearest.value

        simplex = cp.Variable(6)
        solve(cp.Problem(cp.Minimize(cp.sum_squares(jac.T @ simplex)), [simplex >= 0, cp.sum(simplex) == 1]))
        expected = {
            "mgda": jac.T @ simplex.value,
            "dualproj": project(jac.mean(axis=0)),
            "upgrad": np.mean([project(row) for row in jac], axis=0),
        }
        for name, update in expected.items():
            np.testing.assert_allclose(weights_of(name, jac) @ jac, update, atol=1e-6 * np.linalg.norm(update))


@shapes
@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0, 10.0])
def test_nash_mtl_and_fairgrad_solve_their_equation(num_tasks: int, width: int, common: float, alpha: float) -> None:
    for seed in range(3):
        jac = gradients(num_tasks, width, common, seed)
        if width < num_tasks and seed == 0:
            jac = np.abs(jac)  # dependent, but some direction improves all
        elif width < 2 * num_tasks:
            jac = jac + 2.0 * np.linalg.norm(jac, axis=1)[:, None] * np.eye(1, width)
        for name, options in (("fairgrad", {"alpha": alpha}), ("nash-mtl", {})):
            weights, power = weights_of(name, jac, options), 1.0 if name == "nash-mtl" else alpha
            update = weights @ jac
            gains, length = jac @ update, np.linalg.norm(update)
            assert gains.min() > 0
            np.testing.assert_allclose(gains.mean(), length**2, rtol=1e-6)  # the mean gradient's projection
            used = (weights * gains).argmax()
            factor = weights[used] * gains[used] ** power  # weight * gain^alpha is the same for all tasks,
            norms = np.linalg.norm(jac, axis=1)  # but a weight or a gain may be too small to tell
            weight_error = np.abs(weights - factor / gains**power) * norms / length
            gain_error = np.abs(gains - (factor / weights) ** (1 / power)) / (norms * length)
            assert np.minimum(weight_error, gain_error).max() < 1e-6


def test_nash_mtl_is_the_bargaining_solution_of_a_conic_solver() -> None:
    for seed in range(3):
        jac = gradients(5, 9, 0.5, seed)
        update = cp.Variable(9)
        scaled = jac / np.linalg.norm(jac, axis=1, keepdims=True)
        solve(cp.Problem(cp.Maximize(cp.sum(cp.log(scaled @ update))), [cp.norm(update) <= 1]))
        ours = weights_of("nash-mtl", jac) @ jac
        np.testing.assert_allclose(ours / np.linalg.norm(ours), update.value, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.5, 2.0, 4.0])
def test_fairgrad_maximises_the_alpha_fair_utility(alpha: float) -> None:
    for seed in range(3):
        jac = gradients(4, 6, 1.0, seed)
        ours = weights_of("fairgrad", jac, {"alpha": alpha}) @ jac
        ours /= np.linalg.norm(ours)

        def loss(direction: np.ndarray, jac: np.ndarray = jac) -> float:
            gains = jac @ direction / np.linalg.norm(direction)
            return float(-(gains ** (1 - alpha)).sum() / (1 - alpha)) if (gains > 0).all() else np.inf

        found = scipy.optimize.minimize(loss, ours + 0.05, method="Nelder-Mead", options={"maxiter": 4000})
        assert np.isfinite(found.fun)
        assert loss(ours) <= found.fun * (1 + 1e-9 * np.sign(found.fun))


def test_fairgrad_lies_between_the_mean_and_the_direction_of_mgda() -> None:
    jac = gradients(4, 6, 1.0)
    nearly_mean = weights_of("fairgrad", jac, {"alpha": 0.01}) @ jac
    np.testing.assert_allclose(nearly_mean, jac.mean(axis=0), rtol=0.2, atol=0.05 * np.linalg.norm(jac.mean(axis=0)))
    nearly_mgda, mgda = weights_of("fairgrad", jac, {"alpha": 100.0}) @ jac, weights_of("mgda", jac) @ jac
    assert nearly_mgda @ mgda > 0.9999 * np.linalg.norm(nearly_mgda) * np.linalg.norm(mgda)


@pytest.mark.parametrize("scale", ["min", "median", "rmse"])
def test_aligned_mtl_averages_gradients_that_are_orthogonal_and_equally_long(scale: str) -> None:
    jac = gradients(5, 9, 0.0)
    left, singular, right = np.linalg.svd(jac, full_matrices=False)
    length = {"min": singular[-1], "median": np.median(singular), "rmse": np.sqrt((singular**2).mean())}[scale]
    aligned = length * left @ right
    np.testing.assert_allclose(weights_of("aligned-mtl", jac, {"scale": scale}) @ jac, aligned.mean(axis=0), rtol=1e-9)
    gains = aligned @ aligned.mean(axis=0)
    np.testing.assert_allclose(gains, np.full(5, length**2 / 5))


@pytest.mark.parametrize("name", ["imtl-g", "config"])
def test_imtl_g_and_config_project_equally_on_all_independent_gradients(name: str) -> None:
    for seed in range(5):
        jac = gradients(6, 12, 0.0, seed)
        update = weights_of(name, jac) @ jac
        gains = jac @ update / np.linalg.norm(jac, axis=1)
        np.testing.assert_allclose(gains, np.full(6, gains[0]), rtol=1e-8)
        assert gains[0] > 0
        if name == "config":
            np.testing.assert_allclose((jac @ update).mean(), update @ update, rtol=1e-9)
