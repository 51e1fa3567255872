"""What every registered strategy must satisfy, and what each one claims beyond that."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conflict.registry import STRATEGIES, make_strategy
from conflict.strategies.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class Claims:
    """True is asserted on many inputs; for what is False there is a counterexample."""

    draws: bool = False
    """Takes numbers from the generator."""
    conflict_free: bool = False
    """No task gets worse, whatever the gradients."""
    conflict_free_if_independent: bool = False
    """No task gets worse where the gradients are linearly independent."""
    own_scales: bool = False
    """The direction does not change when each task's gradient is multiplied by a number of its own."""


CLAIMS = {
    "mean": Claims(),
    "fixed": Claims(),
    "random": Claims(draws=True),
    "pcgrad": Claims(draws=True),
    "gradvac": Claims(draws=True),
    "graddrop": Claims(draws=True),
    "mgda": Claims(conflict_free=True, conflict_free_if_independent=True),
    "cagrad": Claims(),
    "sdmgrad": Claims(),
    "imtl-g": Claims(conflict_free_if_independent=True, own_scales=True),
    "config": Claims(conflict_free_if_independent=True, own_scales=True),
    "nash-mtl": Claims(conflict_free=True, conflict_free_if_independent=True, own_scales=True),
    "fairgrad": Claims(conflict_free=True, conflict_free_if_independent=True),
    "aligned-mtl": Claims(),
    "dualproj": Claims(conflict_free=True, conflict_free_if_independent=True),
    "upgrad": Claims(conflict_free=True, conflict_free_if_independent=True),
}

every = pytest.mark.parametrize("name", STRATEGIES)
weighted = pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "graddrop"])


def update_of(strategy: Strategy, jac: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return strategy.combine(jac, task_ids=torch.arange(len(jac)), generator=torch.Generator().manual_seed(seed))


def weights_of(strategy: Strategy, gram: torch.Tensor, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return strategy.weights(gram, task_ids=torch.arange(len(gram)), generator=generator)


def gradients(num_tasks: int, rank: int, seed: int = 0) -> torch.Tensor:
    """Task gradients of a given rank, in more dimensions than that."""
    generator = torch.Generator().manual_seed(seed)
    factors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((num_tasks, rank), (rank, 8))]
    return factors[0] @ factors[1] if rank <= 8 else torch.randn(num_tasks, rank, generator=generator).double()


def least_improvement(jac: torch.Tensor, update: torch.Tensor) -> float:
    """The smallest ``<g_k, update>``, relative to the norms of g_k and the mean gradient."""
    scale = jac.norm(dim=1).clamp_min(1e-300) * jac.mean(dim=0).norm().clamp_min(1e-300)
    return float(((jac @ update) / scale).min())


def test_every_strategy_says_what_it_claims() -> None:
    assert set(CLAIMS) == set(STRATEGIES)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("num_tasks", "ranks"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (10, range(1, 11))])
def test_updates_are_finite_at_every_rank_and_scale(
    name: str, num_tasks: int, ranks: list[int], dtype: torch.dtype
) -> None:
    for rank in ranks:
        for scale in (0.0, 1e-15, 1.0, 1e15):
            jac = (scale * gradients(num_tasks, rank)).to(dtype)
            update = update_of(make_strategy(name, num_tasks), jac)
            assert update.shape == jac.shape[1:]
            assert update.dtype == dtype
            assert torch.isfinite(update).all()


@every
@pytest.mark.parametrize("rank", [1, 2, 50, 51, 100])
def test_updates_of_a_hundred_tasks_are_finite(name: str, rank: int) -> None:
    assert torch.isfinite(update_of(make_strategy(name, 100), gradients(100, rank))).all()


@weighted
@pytest.mark.parametrize("scale", [0.0, 1e-15, 1.0, 1e15])
@pytest.mark.parametrize("rank", [1, 3, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_finite_for_zero_duplicate_and_opposed_gradients(
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


@weighted
@pytest.mark.parametrize("num_tasks", [2, 3, 10, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_finite_when_the_gradients_norms_span_16_decades(
    name: str, num_tasks: int, dtype: torch.dtype
) -> None:
    scales = torch.logspace(-8, 8, num_tasks, dtype=torch.float64)[:, None]
    for seed, rank in enumerate((1, 2, num_tasks, 2 * num_tasks)):
        jac = (scales * gradients(num_tasks, rank, seed)).to(dtype)
        assert torch.isfinite(weights_of(make_strategy(name, num_tasks), jac @ jac.T)).all()


@every
@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6), st.sampled_from([-1, 0, 0, 0, 1, 1, 2, 3]))
def test_integer_gradients_with_many_coincidences_give_finite_updates(
    name: str, num_tasks: int, width: int, seed: int, repeat: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    jac = torch.randint(-1, 2, (num_tasks, width), generator=generator).double()
    jac[num_tasks // 2 :] *= repeat
    update = update_of(make_strategy(name, num_tasks), jac)
    assert torch.isfinite(update).all()
    if CLAIMS[name].conflict_free:
        assert (jac @ update).min() >= -1e-6


@every
@pytest.mark.parametrize("norm_match", [False, True])
@pytest.mark.parametrize("num_tasks", [1, 2, 7, 100])
def test_identical_gradients_come_out_as_that_gradient(name: str, num_tasks: int, norm_match: bool) -> None:
    for scale in (1e-15, 1.0, 1e15):
        gradient = scale * torch.randn(20, dtype=torch.float64)
        update = update_of(make_strategy(name, num_tasks, {"norm_match": norm_match}), gradient.repeat(num_tasks, 1))
        torch.testing.assert_close(update, gradient, rtol=1e-8, atol=0.0)


@every
def test_a_common_scale_comes_out_as_it_is(name: str) -> None:
    jac = gradients(6, 8)
    plain = update_of(make_strategy(name, 6), jac)
    for scale in (1e-12, 1e-3, 1e12):
        scaled = update_of(make_strategy(name, 6), scale * jac)
        torch.testing.assert_close(scaled / scale, plain, rtol=1e-6, atol=1e-9)


@every
def test_the_direction_ignores_each_tasks_own_scale_exactly_where_claimed(name: str) -> None:
    jac = gradients(5, 8)
    unlike = torch.logspace(-2, 2, 5, dtype=torch.float64)[:, None]
    plain, scaled = (update_of(make_strategy(name, 5), each) for each in (jac, unlike * jac))
    cosine = torch.nn.functional.cosine_similarity(plain, scaled, dim=0)
    assert (cosine > 1 - 1e-9) == CLAIMS[name].own_scales


@every
def test_no_task_gets_worse_exactly_where_claimed(name: str) -> None:
    worst = {False: 0.0, True: 0.0}
    for seed in range(60):
        for num_tasks, rank in ((2, 1), (3, 2), (4, 2), (5, 8), (8, 8)):
            jac = gradients(num_tasks, rank, seed)
            jac *= torch.logspace(-1, 1, num_tasks, dtype=torch.float64)[torch.randperm(num_tasks), None]
            least = least_improvement(jac, update_of(make_strategy(name, num_tasks), jac, seed))
            worst[rank >= num_tasks] = min(worst[rank >= num_tasks], least)
    assert (worst[True] > -1e-7) == CLAIMS[name].conflict_free_if_independent
    assert (min(worst.values()) > -1e-7) == CLAIMS[name].conflict_free


@every
@pytest.mark.parametrize("rank", [2, 8])
def test_norm_match_gives_the_mean_gradients_norm_and_keeps_the_direction(name: str, rank: int) -> None:
    for seed in range(10):
        jac = gradients(4, rank, seed) + 0.5 * gradients(1, 1, seed)
        plain, matched = (update_of(make_strategy(name, 4, {"norm_match": on}), jac, seed) for on in (False, True))
        assert float(plain.norm()) > 1e-9
        torch.testing.assert_close(matched.norm(), jac.mean(dim=0).norm(), rtol=1e-8, atol=0.0)
        torch.testing.assert_close(matched / matched.norm(), plain / plain.norm(), rtol=1e-6, atol=1e-9)


@every
def test_norm_match_leaves_a_zero_update_zero(name: str) -> None:
    jac = torch.tensor([[1.0, 2.0], [-1.0, -2.0]], dtype=torch.float64)
    for grads in (jac, 0 * jac):
        plain, matched = (update_of(make_strategy(name, 2, {"norm_match": on}), grads) for on in (False, True))
        assert torch.isfinite(matched).all()
        assert matched.norm() <= 1e-9
        assert plain.norm() <= 1e-9 or CLAIMS[name].draws  # one draw may favour a task


@every
def test_only_with_norm_match_does_a_weighting_of_losses_need_the_gramian(name: str) -> None:
    plain, matched = make_strategy(name, 3), make_strategy(name, 3, {"norm_match": True})
    assert matched.needs == ("gramian" if plain.needs == "losses" else plain.needs)
    assert (plain.needs == "losses") == (name in {"mean", "fixed", "random"})
    for strategy in (plain, matched):
        if strategy.needs == "losses":
            weights = strategy.weights(None, task_ids=torch.arange(3))
            torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
        else:
            with pytest.raises(ValueError, match=r"needs the Gramian|call combine"):
                strategy.weights(None, task_ids=torch.arange(3))


@pytest.mark.parametrize("name", [name for name, claims in CLAIMS.items() if not claims.draws])
def test_permuting_the_tasks_permutes_nothing_but_the_weights(name: str) -> None:
    for seed in range(10):
        jac = gradients(7, 8, seed) * torch.logspace(-1, 1, 7, dtype=torch.float64)[:, None]
        order = torch.randperm(7)
        plain, permuted = make_strategy(name, 7), make_strategy(name, 7)
        torch.testing.assert_close(update_of(permuted, jac[order]), update_of(plain, jac), rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(
            weights_of(permuted, (jac @ jac.T)[order][:, order]),
            weights_of(plain, jac @ jac.T)[order],
            rtol=1e-6,
            atol=1e-8,
        )


@pytest.mark.parametrize("name", [name for name, claims in CLAIMS.items() if claims.draws])
def test_permuting_the_tasks_leaves_the_mean_of_random_updates_alone(name: str) -> None:
    jac, order = gradients(4, 5), torch.tensor([2, 0, 3, 1])
    plain, permuted = (
        torch.stack([update_of(make_strategy(name, 4), each, first + seed) for seed in range(300)])
        for first, each in ((0, jac), (1000, jac[order]))
    )
    error = (plain.var(dim=0) / 300 + permuted.var(dim=0) / 300).sqrt()
    assert ((plain.mean(dim=0) - permuted.mean(dim=0)).abs() <= 4 * error + 1e-12).all()


@weighted
def test_float32_gramians_give_the_weights_of_float64(name: str) -> None:
    jac = torch.randn(6, 40, dtype=torch.float64)
    gram = jac @ jac.T
    single = weights_of(make_strategy(name, 6), gram.float())
    torch.testing.assert_close(single.double(), weights_of(make_strategy(name, 6), gram), rtol=1e-4, atol=1e-5)


@every
def test_a_single_task_gets_its_gradient(name: str) -> None:
    gradient = torch.randn(1, 9)
    torch.testing.assert_close(update_of(make_strategy(name, 1), gradient), gradient[0])


@every
def test_the_batch_may_hold_any_subset_of_the_tasks(name: str) -> None:
    strategy = make_strategy(name, 10)
    for tasks in ([7, 0, 4], [1], [4, 9, 0, 2], [0, 7]):
        jac = torch.randn(len(tasks), 5)
        update = strategy.combine(jac, task_ids=torch.tensor(tasks), generator=torch.Generator().manual_seed(0))
        assert torch.isfinite(update).all()
        assert update.norm() > 0


@weighted
def test_the_jacobian_path_is_the_gramian_path(name: str) -> None:
    jac = torch.randn(6, 9, dtype=torch.float64)
    update = update_of(make_strategy(name, 6), jac, seed=3)
    torch.testing.assert_close(update, weights_of(make_strategy(name, 6), jac @ jac.T, seed=3) @ jac)


@every
def test_randomness_comes_from_the_generator_alone(name: str) -> None:
    jac = torch.randn(9, 4, dtype=torch.float64)
    before = torch.get_rng_state()
    first, again, other = (update_of(make_strategy(name, 9), jac, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert torch.equal(first, other) != CLAIMS[name].draws


@every
def test_state_survives_a_round_trip(name: str) -> None:
    strategy, other = make_strategy(name, 4), make_strategy(name, 4)
    for seed in range(3):
        update_of(strategy, torch.randn(4, 6), seed)
    other.load_state_dict(strategy.state_dict())
    jac = torch.randn(4, 6)
    assert torch.equal(update_of(strategy, jac), update_of(other, jac))


@every
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_named_by_its_task(name: str, value: float) -> None:
    strategy = make_strategy(name, 9)
    jac = torch.randn(3, 4)
    jac[1, 2] = value
    if strategy.needs == "jacobian":
        with pytest.raises(ValueError, match=r"task\(s\) \[5\] are not finite"):
            strategy.combine(jac, task_ids=torch.tensor([3, 5, 8]))
    elif strategy.needs == "gramian":
        with pytest.raises(ValueError, match=r"row\(s\) 1 \(task\(s\) 5\)"):
            strategy.weights(jac @ jac.T, task_ids=torch.tensor([3, 5, 8]))
