"""The losses of suites with several kinds of observations and with continuous actions."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.learning.actor_critic import task_losses
from mtrl.learning.config import LearningConfig
from tests.mtrl.builders import LEARNING
from tests.mtrl.gradients import assert_gradients_are_those_of_separate_passes
from tests.mtrl.mixed import SIZES, SMALL_ENCODERS, mixed_agent, mixed_batch

ACTORS = ("filtered", "policy-gradient")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def learning(**settings: Any) -> LearningConfig:
    return replace(LEARNING, **settings)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("actor", "critic", "continuous", "memory", "rescaling", "entropy"),
    [
        ("filtered", "two-hot", False, "transformer", "none", 0.0),
        ("filtered", "two-hot", True, "transformer", "none", 0.0),
        ("filtered", "regression", True, "gru", "popart", 0.1),
        ("policy-gradient", "two-hot", True, "gru", "none", 0.1),
        ("policy-gradient", "regression", True, "transformer", "popart", 0.0),
        ("policy-gradient", "c51", True, "transformer", "none", 0.0),
    ],
)
def test_task_gradients_of_a_mixed_suite_are_those_of_separate_passes(
    actor: Any, critic: str, continuous: bool, memory: Any, rescaling: str, entropy: float
) -> None:
    """Tasks with different keys, of which most have no rows in most encoders."""
    config = learning(actor=actor, critic=critic, entropy_weight=entropy)
    model = mixed_agent(config, replace(SMALL_ENCODERS, memory=memory), continuous=continuous, rescaling=rescaling)
    torch.nn.init.normal_(model.critic.outputs.weight)
    model.normaliser.observe_returns = lambda *_, **__: None  # type: ignore[method-assign]
    assert_gradients_are_those_of_separate_passes(model, mixed_batch(continuous=continuous), config, tolerance=1e-8)


@pytest.mark.parametrize("experts", ["none", "top-k", "care"])
@pytest.mark.parametrize("conditioning", ["mission", "film"])
@pytest.mark.parametrize("continuous", [False, True])
def test_so_they_are_where_tasks_have_something_of_their_own(continuous: bool, conditioning: Any, experts: Any) -> None:
    config = learning(actor="policy-gradient", critic="regression")
    model = mixed_agent(
        config,
        continuous=continuous,
        sharing=SharingConfig(heads="task", conditioning=conditioning),
        experts=ExpertsConfig(experts=experts, num_experts=3, expert_width=8),
    )
    moved = [model.critic.outputs.weight, model.policy.last.weight]
    moved += [m.weight for m in (model.encoder.mission, getattr(model.conditioning, "project", None)) if m is not None]
    for weight in moved:
        torch.nn.init.normal_(weight, std=0.3)
    assert_gradients_are_those_of_separate_passes(model, mixed_batch(continuous=continuous), config, tolerance=1e-8)


def test_a_task_without_a_mission_is_told_nothing() -> None:
    given = mixed_batch()
    model = mixed_agent(sharing=SharingConfig(conditioning="mission"))
    seen = {key: value.flatten(0, 1) for key, value in given.observation.items()}
    with torch.no_grad():
        before = model.encoder(seen).unflatten(0, given.mask.shape[:2])
        torch.nn.init.normal_(model.encoder.mission.weight)  # type: ignore[union-attr]
        after = model.encoder(seen).unflatten(0, given.mask.shape[:2])
    for task, words in enumerate((False, True, False, True)):
        assert torch.equal(before[task], after[task]) is not words


def test_a_mission_that_scales_and_shifts_is_added_too_as_where_it_does_not() -> None:
    """Before training it scales by 1 and shifts by 0: both agents see the same."""
    seen = {key: value.flatten(0, 1) for key, value in mixed_batch().observation.items()}
    told, plain = mixed_agent(sharing=SharingConfig(conditioning="mission")), mixed_agent()
    plain.encoder.load_state_dict(told.encoder.state_dict(), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(told.encoder(seen), plain.encoder(seen))
        torch.nn.init.normal_(told.encoder.mission.weight)  # type: ignore[union-attr]
        assert not torch.allclose(told.encoder(seen), plain.encoder(seen))


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("critic", ["regression", "two-hot", "hl-gauss", "c51"])
def test_with_continuous_actions_the_actor_moves_neither_the_critics_nor_through_their_features(
    critic: str, actor: Any
) -> None:
    config = learning(actor=actor, critic=critic)
    model = mixed_agent(config, continuous=True)
    torch.nn.init.normal_(model.critic.outputs.weight)
    actor_loss = task_losses(model, mixed_batch(continuous=True), config, generator()).actor.sum()
    critics = torch.autograd.grad(actor_loss, list(model.critic.parameters()), allow_unused=True, retain_graph=True)
    assert all(gradient is None for gradient in critics)
    policy = torch.autograd.grad(actor_loss, list(model.policy.parameters()))
    assert all(float(gradient.abs().max()) > 0 for gradient in policy)


@pytest.mark.parametrize("actor", ACTORS)
def test_numbers_that_a_task_lacks_count_nowhere(actor: Any) -> None:
    """Whatever stands there in the stored actions, the losses are the same."""
    config = learning(actor=actor)
    model, given = mixed_agent(config, continuous=True), mixed_batch(continuous=True)
    beyond = torch.arange(3) >= torch.from_numpy(SIZES)[:, None, None, None]
    spoilt = replace(given, action=torch.where(beyond, torch.full_like(given.action, 0.7), given.action))
    with torch.no_grad():
        # The critics read actions as they are stored: collection stores zeros there.
        model.critic.action.weight[:, 1:] = 0
        model.target_critic.action.weight[:, 1:] = 0
        first, second = (task_losses(model, b, config, generator()) for b in (given, spoilt))
    torch.testing.assert_close(first.total, second.total)


def test_the_policy_gradient_is_that_of_the_value_in_the_action() -> None:
    """Q = w a for every discount and critic: the gradient in the mean of a normal squashed by tanh is w (1 - a^2)."""
    config = learning(actor="policy-gradient", critic="regression", popart=False, filter_samples=1)
    model, given = mixed_agent(config, continuous=True), mixed_batch(continuous=True, masked=False)
    params = model.policy(torch.randn(5, 16, dtype=torch.float64), None).detach().requires_grad_()
    chosen = model.policy.candidates(params, exact_up_to=16, samples=1, generator=generator())
    assert chosen.actions is not None
    features = torch.full((3, 5, 16), 50.0, dtype=torch.float64)  # where all units of the critics are linear
    tasks = given.task_ids[[0] * 5]
    values = model.critic.of_actions(features, chosen.actions[:, :, 0], tasks, model.value_target.decode)
    model.policy.surrogate(params, chosen, values.mean(dim=0)[..., None]).sum().backward()
    weight = model.critic.outputs.weight
    slopes = torch.einsum("msh,mhd->ds", model.critic.action.weight, weight).detach() / 3
    assert params.grad is not None
    torch.testing.assert_close(params.grad[:, :, 0], slopes * (1 - chosen.actions[:, :, 0].detach() ** 2))
    assert given.allowed is None


@pytest.mark.parametrize("memory", ["transformer", "linear-attention", "gru"])
def test_padding_changes_nothing(memory: Any) -> None:
    model = mixed_agent(config=replace(SMALL_ENCODERS, memory=memory))
    given = mixed_batch()
    longer = replace(
        given,
        **{name: _longer(getattr(given, name)) for name in ("action", "reward", "terminated")},
        mask=torch.cat([given.mask, torch.zeros_like(given.mask)], dim=2),
        observation={key: _longer(value) for key, value in given.observation.items()},
    )
    short, long = (task_losses(model, b, LEARNING, generator()).total for b in (given, longer))
    torch.testing.assert_close(short, long, rtol=1e-6, atol=1e-7)


def _longer(value: torch.Tensor) -> torch.Tensor:
    return torch.cat([value, value[:, :, :1].repeat_interleave(7, dim=2)], dim=2)
