"""What every registered strategy must satisfy."""

import pytest
import torch

from conflict.registry import STRATEGIES, make_strategy
from conflict.strategies.strategy import Strategy

pytestmark = pytest.mark.parametrize("name", STRATEGIES)


def weights_of(strategy: Strategy, gram: torch.Tensor, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return strategy.weights(gram, task_ids=torch.arange(len(gram)), generator=generator)


@pytest.mark.parametrize("num_tasks", [1, 2, 7, 100])
def test_identical_gradients_come_out_as_that_gradient(name: str, num_tasks: int) -> None:
    gradient = torch.randn(20, dtype=torch.float64)
    jac = gradient.expand(num_tasks, -1)
    update = weights_of(make_strategy(name, num_tasks), jac @ jac.T) @ jac
    torch.testing.assert_close(update, gradient)


@pytest.mark.parametrize("seed", range(5))
def test_with_two_tasks_swapping_them_swaps_the_weights(name: str, seed: int) -> None:
    jac = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    gram, strategy = jac @ jac.T, make_strategy(name, 2)
    torch.testing.assert_close(weights_of(strategy, gram.flip(0, 1)), weights_of(strategy, gram).flip(0))


def test_permuting_many_tasks_permutes_the_mean_weights(name: str) -> None:
    jac = torch.randn(4, 5, dtype=torch.float64)
    gram, strategy, order = jac @ jac.T, make_strategy(name, 4), torch.tensor([2, 0, 3, 1])
    plain = torch.stack([weights_of(strategy, gram, seed) for seed in range(400)]).mean(dim=0)
    permuted = torch.stack([weights_of(strategy, gram[order][:, order], 1000 + s) for s in range(400)]).mean(dim=0)
    torch.testing.assert_close(permuted, plain[order], atol=0.05, rtol=0.05)


@pytest.mark.parametrize("scale", [0.0, 1e-15, 1.0, 1e15])
@pytest.mark.parametrize("rank", [1, 3, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_finite_for_zero_and_duplicate_gradients(
    name: str, scale: float, rank: int, dtype: torch.dtype
) -> None:
    jac = scale * torch.randn(8, rank, dtype=dtype)
    jac[2] = 0.0
    jac[5] = jac[4]
    jac[6] = -jac[4]
    weights = weights_of(make_strategy(name, 8), jac @ jac.T)
    assert weights.shape == (8,)
    assert weights.dtype == dtype
    assert torch.isfinite(weights).all()


def test_a_single_task_gets_weight_one(name: str) -> None:
    weights = weights_of(make_strategy(name, 1), torch.tensor([[4.0]]))
    torch.testing.assert_close(weights, torch.ones(1))


def test_the_batch_may_hold_a_subset_of_the_tasks(name: str) -> None:
    jac = torch.randn(3, 5)
    weights = make_strategy(name, 10).weights(jac @ jac.T, task_ids=torch.tensor([7, 0, 4]))
    assert weights.shape == (3,)


def test_the_jacobian_path_is_the_gramian_path(name: str) -> None:
    jac, strategy = torch.randn(6, 9, dtype=torch.float64), make_strategy(name, 6)
    update = strategy.combine(jac, task_ids=torch.arange(6), generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(update, weights_of(strategy, jac @ jac.T, seed=3) @ jac)


def test_randomness_comes_from_the_generator_alone(name: str) -> None:
    jac = torch.randn(9, 4, dtype=torch.float64)
    strategy, before = make_strategy(name, 9), torch.get_rng_state()
    assert torch.equal(weights_of(strategy, jac @ jac.T), weights_of(strategy, jac @ jac.T))
    assert torch.equal(torch.get_rng_state(), before)


def test_state_survives_a_round_trip(name: str) -> None:
    strategy, other = make_strategy(name, 4), make_strategy(name, 4)
    jac = torch.randn(4, 6)
    weights_of(strategy, jac @ jac.T)
    other.load_state_dict(strategy.state_dict())
    assert torch.equal(weights_of(strategy, jac @ jac.T), weights_of(other, jac @ jac.T))
