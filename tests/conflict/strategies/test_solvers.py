"""The solvers below the strategies meet their conditions, also where the cosines are degenerate."""

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conflict.registry import make_strategy
from conflict.strategies import dual_cone
from conflict.strategies.active_set import minimise
from conflict.strategies.dual_cone import project_cosines
from conflict.strategies.fairness import fair_point
from conflict.strategies.gramian import Gramian, pseudo_inverse


def gramian_of(jac: np.ndarray) -> Gramian:
    return Gramian.read(torch.from_numpy(jac @ jac.T), torch.arange(len(jac)))


def matrix(size: int, rank: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    jac = rng.normal(size=(size, rank))
    return jac @ jac.T + 1e-9 * np.eye(size)


sizes = given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 10**6))


@settings(max_examples=150, deadline=None, derandomize=True)
@sizes
def test_minimise_meets_the_optimality_conditions(size: int, rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hess, linear, normal = matrix(size, rank, seed), rng.normal(size=size), rng.uniform(0.1, 3.0, size)
    point = minimise(hess, linear, normal, total=2.0)
    assert point.min() >= 0
    np.testing.assert_allclose(normal @ point, 2.0)
    slope = (hess @ point + linear) / normal
    scale = np.abs(hess).max() * point.max() + np.abs(linear).max()
    used = point > 0
    assert np.ptp(slope[used]) <= 1e-5 * scale
    assert slope.min() >= slope[used].min() - 1e-5 * scale


@pytest.mark.parametrize("seed", range(20))
def test_minimise_without_an_equation_is_non_negative_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    factor, target = rng.normal(size=(14, 9)), rng.normal(size=14)
    expected, _ = scipy.optimize.nnls(factor, target)
    np.testing.assert_allclose(minimise(factor.T @ factor, -factor.T @ target), expected, atol=1e-9)


def test_minimise_goes_on_from_where_it_is_told_to() -> None:
    hess, linear, normal = matrix(8, 9, 0), np.linspace(-1, 1, 8), np.ones(8)
    expected = minimise(hess, linear, normal)
    for start in (expected, np.full(8, 1 / 8), np.eye(8)[5]):
        np.testing.assert_allclose(minimise(hess, linear, normal, start=start), expected, atol=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@sizes
def test_projections_meet_the_optimality_conditions(size: int, rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    jac = rng.normal(size=(size, rank))
    if seed % 3 == 0:
        jac[size // 2 :] = -jac[: size - size // 2].copy()
    gramian = gramian_of(jac)
    floors = np.concatenate((np.eye(size), rng.uniform(0, 2, (2, size))))
    points = project_cosines(gramian, floors)
    slopes = points @ gramian.cosines
    scale = points.max(axis=1, keepdims=True)
    assert (points >= floors).all()
    assert (slopes >= -1e-10 * scale).all()
    assert (np.abs((points - floors) * slopes) <= 1e-9 * scale**2).all()


@pytest.mark.parametrize("steps", [0, 1, 30])
def test_projections_by_pivoting_are_those_of_the_active_set(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    gramian = gramian_of(np.random.default_rng(3).normal(size=(12, 30)) - 0.1)
    expected = project_cosines(gramian, np.eye(12))
    monkeypatch.setattr(dual_cone, "STEPS", steps)
    np.testing.assert_allclose(project_cosines(gramian, np.eye(12)), expected, atol=1e-10)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(1, 12), st.integers(0, 10**6), st.floats(-2, 2), st.floats(0, 4))
def test_fair_points_solve_their_equation(size: int, seed: int, power: float, spread: float) -> None:
    rng = np.random.default_rng(seed)
    alpha = 10.0**power
    gramian = gramian_of(rng.normal(size=(size, 2 * size)))
    targets = spread * rng.normal(size=size)
    point, slack = fair_point(gramian.cosines, targets, alpha)
    assert point.min() > 0
    assert slack.min() > 0
    np.testing.assert_allclose(gramian.cosines @ point, slack, atol=1e-7 * slack.max())
    with np.errstate(over="ignore"):  # each from the other; one of the two may be too small to tell
        point_error = np.abs(point - np.exp(alpha * (targets - np.log(slack)))) / point.max()
        slack_error = np.abs(slack - np.exp(targets - np.log(point) / alpha)) / slack.max()
    assert np.minimum(point_error, slack_error).max() < 1e-5


@pytest.mark.parametrize("name", ["imtl-g", "config", "nash-mtl"])
def test_the_direction_ignores_scales_that_span_16_decades(name: str) -> None:
    jac = np.random.default_rng(0).normal(size=(5, 9))
    directions = []
    for scales in (np.ones(5), np.logspace(-8, 8, 5), np.logspace(8, -8, 5)):
        scaled = torch.from_numpy(jac * scales[:, None])
        weights = make_strategy(name, 5).weights(scaled @ scaled.T, task_ids=torch.arange(5))
        direction = weights.numpy() * scales @ jac  # of huge numbers last, so that nothing is rounded off
        directions.append(direction / np.linalg.norm(direction))
    np.testing.assert_allclose(directions[1], directions[0], atol=1e-9)
    np.testing.assert_allclose(directions[2], directions[0], atol=1e-9)


@pytest.mark.parametrize("name", ["mgda", "dualproj", "upgrad", "nash-mtl", "fairgrad"])
def test_no_task_gets_worse_when_norms_span_16_decades(name: str) -> None:
    for seed in range(10):
        jac = np.random.default_rng(seed).normal(size=(6, 8))
        norms = np.logspace(-8, 8, 6)
        gram = norms[:, None] * (jac @ jac.T) * norms
        weights = make_strategy(name, 6).weights(torch.from_numpy(gram), task_ids=torch.arange(6)).numpy() * norms
        gains = jac @ (weights @ jac)  # of unit gradients, nearly
        assert gains.min() >= -1e-9 * np.abs(weights).max()


def test_a_gramian_is_read_without_its_scale() -> None:
    jac = torch.tensor([[3.0, 0.0], [0.0, 0.0], [-1.0, 1.0]], dtype=torch.float32)
    for scale in (1e-15, 1.0, 1e15):
        gramian = Gramian.read((scale * jac) @ (scale * jac).T, torch.arange(3))
        np.testing.assert_allclose(gramian.norms, [1.0, 0.0, 2**0.5 / 3], rtol=1e-6)
        expected = [[1.0, 0.0, -(0.5**0.5)], [0.0, 0.0, 0.0], [-(0.5**0.5), 0.0, 1.0]]
        np.testing.assert_allclose(gramian.cosines, expected, atol=1e-6)
        np.testing.assert_allclose(gramian.norm(np.array([1.0, 5.0, 0.0])), 1.0, rtol=1e-6)
        assert gramian.norm(np.zeros(3)) == 0.0


def test_the_norm_of_a_sum_that_cancels_is_zero_and_not_rounding() -> None:
    gradient = torch.randn(40)
    jac = torch.stack((gradient, -3.0 * gradient))
    gramian = Gramian.read(jac @ jac.T, torch.arange(2))
    assert gramian.norm(np.array([0.75, 0.25])) == 0.0


def test_the_pseudo_inverse_leaves_rounding_out() -> None:
    jac = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0]])
    inverse = pseudo_inverse(jac @ jac.T, 1e-12)
    np.testing.assert_allclose(inverse, np.linalg.pinv(jac @ jac.T), atol=1e-12)
    assert (pseudo_inverse(np.zeros((2, 2)), 1e-12) == 0).all()
