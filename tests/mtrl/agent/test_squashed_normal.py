"""Continuous actions: against torch's own transformed normal, with masked numbers, and what four updates learn."""

from dataclasses import replace
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict
from torch import Tensor
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from conflict.registry import make_rescaling, make_strategy
from mtrl.agent.agent import Agent
from mtrl.agent.squashed_normal import SquashedNormalPolicy
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig
from mtrl.training.config import UpdateConfig
from mtrl.training.update import Updater
from tasks.flatten import LARGEST
from tests.mtrl.builders import SMALL

ROWS, SIZE, DISCOUNTS = 6, 3, 2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def policy() -> SquashedNormalPolicy:
    torch.manual_seed(0)
    made = SquashedNormalPolicy(8, 16, SIZE, DISCOUNTS).double()
    torch.nn.init.normal_(made.last.weight, std=0.5)
    return made


def features() -> Tensor:
    return torch.randn(ROWS, 8, generator=generator(1), dtype=torch.float64)


def own() -> Tensor:
    return torch.arange(SIZE) < torch.tensor([1, 2, 3, 1, 2, 3])[:, None]


def reference(params: Tensor, row: int, discount: int, size: int = SIZE) -> TransformedDistribution:
    mean, log_std, _ = params[row, discount, :, :size]
    return TransformedDistribution(
        Independent(Normal(mean, log_std.exp()), 1), [TanhTransform(cache_size=1)], validate_args=False
    )


@pytest.mark.parametrize("masked", [False, True])
def test_log_probabilities_are_those_of_torchs_transformed_normal(masked: bool) -> None:
    model = policy()
    params = model(features(), own() if masked else None)
    action = torch.rand(ROWS, SIZE, generator=generator(), dtype=torch.float64) * 1.998 - 0.999
    found = model.log_prob(params, action)
    for row in range(ROWS):
        size = int(own()[row].sum()) if masked else SIZE
        for d in range(DISCOUNTS):
            expected = reference(params, row, d, size).log_prob(action[row, :size])
            torch.testing.assert_close(found[row, d], expected, rtol=1e-9, atol=1e-9)


def test_densities_integrate_to_one() -> None:
    model = SquashedNormalPolicy(8, 16, 1, 1).double()
    params = model(torch.zeros(1, 8, dtype=torch.float64), None)
    grid = torch.linspace(-1, 1, 200_001, dtype=torch.float64)[1:-1, None]
    density = model.log_prob(params.expand(len(grid), -1, -1, -1), grid).exp().detach()
    assert float(torch.trapezoid(density[:, 0], grid[:, 0])) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("action", [-1.0, 1.0, 0.9999999])
def test_actions_at_the_edge_have_finite_log_probabilities_and_gradients(action: float) -> None:
    model = policy().float()
    stored = torch.full((ROWS, SIZE), action)
    found = model.log_prob(model(features().float(), None), stored)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_what_was_drawn_in_float32_keeps_its_log_probability() -> None:
    """Up to the digits that float32 has: those of an action near 1 are few."""
    model = policy()
    params = model(features(), None)
    mean, log_std, _ = params.unbind(-2)
    noise = torch.randn(mean.shape, generator=generator(), dtype=torch.float64)
    x = mean + log_std.exp() * noise
    expected = (-0.5 * noise.square() - log_std - 0.9189385332 - torch.log(1 - torch.tanh(x).square())).sum(-1)
    for d in range(DISCOUNTS):
        found = model.log_prob(params, torch.tanh(x[:, d]).float())[:, d]
        inside = (x[:, d].abs() < 5).all(dim=-1)
        assert inside.any()
        torch.testing.assert_close(found[inside], expected[inside, d], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_moments_stay_within_bounds(scale: float) -> None:
    mean, log_std, _ = policy()(features() * scale, None).unbind(-2)
    assert mean.abs().max() <= 5 and log_std.min() >= -5 and log_std.max() <= 1


def test_the_first_actions_are_nearly_uniform() -> None:
    torch.manual_seed(0)
    model = SquashedNormalPolicy(8, 16, 2, 1)
    drawn = model.act(torch.randn(20_000, 8), 0, None, greedy=False, generator=generator())
    counts = torch.histc(drawn, bins=10, min=-1, max=1) / drawn.numel()
    assert counts.min() > 0.06 and counts.max() < 0.14
    assert drawn.dtype == torch.float32 and drawn.abs().max() <= 1


@pytest.mark.parametrize("masked", [False, True])
def test_entropies_are_the_mean_of_minus_log_probabilities(masked: bool) -> None:
    model = policy()
    params = model(features(), own() if masked else None).detach()
    count = 20_000
    many = params.repeat_interleave(count, dim=0)
    drawn = model.candidates(many, exact_up_to=0, samples=1, generator=generator()).actions
    assert drawn is not None
    for d in range(DISCOUNTS):
        minus = -model.log_prob(many, drawn[:, d, 0])[:, d].view(ROWS, count)
        error = 5 * minus.std(dim=1) / count**0.5
        assert ((model.entropy(params)[:, d] - minus.mean(dim=1)).abs() < error + 0.01).all()


def test_candidates_are_drawn_from_the_policy_and_carry_its_gradient() -> None:
    model = policy()
    params = model(features(), own())
    chosen = model.candidates(params, exact_up_to=16, samples=4, generator=generator())
    assert chosen.actions is not None
    assert chosen.actions.shape == (ROWS, DISCOUNTS, 4, SIZE) and chosen.weights.shape == (ROWS, DISCOUNTS, 4)
    assert (chosen.actions[~own()[:, None, None].expand_as(chosen.actions)] == 0).all()
    (grad,) = torch.autograd.grad(chosen.actions.sum(), params)
    assert (grad[:, :, 0] > 0).eq(own()[:, None].expand(-1, DISCOUNTS, -1)).all()
    frozen = model.candidates(params.detach(), exact_up_to=16, samples=4, generator=generator()).actions
    assert frozen is not None and not frozen.requires_grad and torch.equal(frozen, chosen.actions)


def test_acting_greedily_is_the_squashed_mean_and_otherwise_a_draw_of_that_discount() -> None:
    model = policy()
    params = model(features(), own())
    for d in range(DISCOUNTS):
        greedy = model.act(features(), d, own(), greedy=True, generator=generator())
        torch.testing.assert_close(greedy, torch.tanh(params[:, d, 0]) * own())
        drawn = torch.stack([model.act(features(), d, own(), greedy=False, generator=generator(s)) for s in range(300)])
        assert (drawn[:, ~own()] == 0).all()
        median = drawn.median(dim=0).values[own()]
        assert (torch.atanh(median) - params[:, d, 0][own()]).abs().max() < 0.5


def bandit(rng: np.random.Generator, best: np.ndarray, rows: int, actions: np.ndarray) -> Batch:  # type: ignore[type-arg]
    """Two tasks, one step a trial; the reward is less the farther the action is from the task's best one."""
    shape = (2, rows, 1)
    reward = 1 - 2 * np.square(actions - best[:, None, None]).mean(axis=-1)
    task = np.broadcast_to(np.eye(2, dtype=np.float32)[:, None, None], (2, rows, 2, 2))
    observation = {
        "vector": task.copy(),
        "previous_action": np.zeros((2, rows, 2, 2), np.float32),
        "previous_reward": np.zeros((2, rows, 2), np.float32),
        "attempt_start": np.zeros((2, rows, 2), np.int8),
        "time": np.broadcast_to(np.arange(2, dtype=np.int32), (2, rows, 2)).copy(),
    }
    return Batch(
        observation={key: torch.from_numpy(value) for key, value in observation.items()},
        action=torch.from_numpy(actions.astype(np.float32)),
        reward=torch.from_numpy(reward.astype(np.float32)),
        terminated=torch.ones(shape, dtype=torch.bool),
        mask=torch.ones(shape, dtype=torch.bool),
        task_ids=torch.arange(2),
        allowed=torch.ones(2, 2, dtype=torch.bool),
    )


@pytest.mark.parametrize("critic", ["regression", "two-hot"])
@pytest.mark.parametrize("actor", ["filtered", "policy-gradient"])
def test_all_four_updates_learn_a_bandit_with_continuous_actions(actor: Any, critic: str) -> None:
    jaxtyping.config.update("jaxtyping_disable", True)  # until the next test: checks would take most of the time
    learning = LearningConfig(
        actor=actor, critic=critic, discounts=(0.1,), acting_discount=0.1, bins=9, value_reach=2.0, entropy_weight=0.01
    )
    rescaling = make_rescaling("none", num_tasks=2, value_shape=(1,))
    torch.manual_seed(0)
    space = Dict(
        {
            "vector": Box(-LARGEST, LARGEST, (2,), np.float32),
            "previous_action": Box(-1, 1, (2,), np.float32),
            "previous_reward": Box(-LARGEST, LARGEST, (), np.float32),
            "attempt_start": Box(0, 1, (), np.int8),
            "time": Box(0, 10, (), np.int32),
        }
    )
    config = replace(SMALL, critics=2, head_width=32, memory="gru")
    model = Agent(space, Box(-1, 1, (2,), np.float32), 2, config, learning, rescaling)
    update = UpdateConfig(learning_rate=2e-3, warmup_updates=0)
    updater = Updater(model, make_strategy("mean", 2), rescaling, ("one", "two"), update, learning)
    rng, draws = np.random.default_rng(0), generator()
    best = np.array([[0.6, -0.4], [0.2, 0.5]])

    def play(greedy: bool, rows: int) -> np.ndarray:  # type: ignore[type-arg]
        given = bandit(rng, best, rows, np.zeros((2, rows, 1, 2)))
        now = {key: value[:, :, 0].flatten(0, 1) for key, value in given.observation.items()}
        state = model.memory.initial_state(2 * rows)
        return model.act(now, state, None, greedy=greedy, generator=draws).view(2, rows, 1, 2).numpy()

    def regret(greedy: bool) -> float:
        return float(np.square(play(greedy, 64) - best[:, None, None]).mean())

    before = regret(False)
    stored = rng.uniform(-1, 1, (2, 256, 1, 2))
    for _ in range(300):
        stored = np.concatenate([stored, play(False, 32)], axis=1)
        drawn = stored[:, rng.integers(stored.shape[1], size=32)]
        updater.update(bandit(rng, best, 32, drawn), draws, measure=False)
    assert regret(False) < 0.4 * before
    assert regret(True) < 0.4 * before
