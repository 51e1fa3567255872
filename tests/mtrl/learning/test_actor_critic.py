"""The losses of a batch: against a plain reference, under padding, by task, and under another scale of returns."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from conflict.engine.reference import reference_jacobian
from conflict.engine.task_gradients import TaskGradients
from mtrl.agent.agent import Agent
from mtrl.agent.config import AgentConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.learning.actor_critic import task_losses
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig
from tests.mtrl.builders import LEARNING, SMALL, agent, batch, scaled
from tests.mtrl.gradients import assert_gradients_are_those_of_separate_passes

ACTORS = ("filtered", "policy-gradient")
CRITICS = ("regression", "two-hot", "hl-gauss")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def learning(**settings: Any) -> LearningConfig:
    return replace(LEARNING, target_ensemble="mean", **settings)


def plain_losses(model: Agent, given: Batch, config: LearningConfig) -> tuple[list[float], list[float]]:
    """Actor and critic losses, one step, one critic, one discount and one action at a time."""
    tasks, sequences, time = given.mask.shape
    actor: list[float] = []
    critic: list[float] = []
    for k in range(tasks):
        task = given.task_ids[k : k + 1]
        allowed = None if given.allowed is None else given.allowed[k : k + 1]
        actions = range(4) if allowed is None else allowed[0].nonzero().flatten().tolist()

        def q(network: Any, h: Tensor, action: int, task: Tensor = task) -> Tensor:
            out = network.of_action(network.features(h), torch.tensor([action]), task)
            return model.normaliser.denormalise(model.value_target.decode(out), task).mean(dim=0)[0]

        actor_terms, critic_terms = [], []
        for s in range(sequences):
            h = model.encode({key: value[k, s : s + 1] for key, value in given.observation.items()})[0]
            for t in range(time):
                if not given.mask[k, s, t]:
                    continue
                here, there = model.policy(h[t : t + 1], allowed)[0], model.policy(h[t + 1 : t + 2], allowed)[0]
                after = sum(there[:, a].exp() * q(model.target_critic, h[t + 1 : t + 2], a) for a in actions)
                target = given.reward[k, s, t] + model.discounts * (0 if given.terminated[k, s, t] else 1) * after
                action = int(given.action[k, s, t])
                out = model.critic.of_action(model.critic.features(h[t : t + 1]), torch.tensor([action]), task)
                wanted = model.normaliser.normalise(target[None].detach(), task)
                critic_terms.append(model.value_target.loss(out, wanted.expand(out.shape[:-1])).mean().item())
                value = sum(here[:, a].exp() * q(model.critic, h[t : t + 1], a) for a in actions)
                if config.actor == "filtered":
                    worth = target if config.filter_value == "return" else q(model.critic, h[t : t + 1], action)
                    counts = worth > value
                    if config.filter == "exponential":
                        counts = ((worth - value) / config.filter_temperature).exp().clamp(max=20)
                    actor_terms.append(-(counts * here[:, action]).mean().item())
                else:
                    actor_terms.append(-model.normaliser.normalise(value[None], task).mean().item())  # type: ignore[union-attr]
        actor.append(sum(actor_terms) / len(actor_terms))
        critic.append(sum(critic_terms) / len(critic_terms))
    return actor, critic


@pytest.mark.parametrize("memory", ["transformer", "linear-attention", "gru"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("actor", ACTORS)
def test_losses_are_those_of_a_plain_reference(actor: Any, critic: str, masked: bool, memory: Any) -> None:
    """All at once, without padding, with actions entering late and the ensemble batched: the same numbers as in plain
    loops."""
    config = learning(actor=actor, critic=critic)
    model = agent(config, replace(SMALL, memory=memory))
    torch.nn.init.normal_(model.critic.outputs.weight)
    torch.nn.init.normal_(model.target_critic.outputs.weight)
    model.normaliser.observe_returns = lambda *_, **__: None  # type: ignore[method-assign]  # statistics stay, so that both see the same
    given = batch(masked=masked)
    losses = task_losses(model, given, config, generator())
    with torch.no_grad():
        expected_actor, expected_critic = plain_losses(model, given, config)
    torch.testing.assert_close(losses.actor.tolist(), expected_actor, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(losses.critic.tolist(), expected_critic, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(losses.total, losses.actor + config.critic_weight * losses.critic)


@pytest.mark.parametrize(
    "settings",
    [
        {"filter_value": "return"},
        {"filter": "exponential", "advantages": "raw", "filter_temperature": 0.8},
        {"filter": "exponential", "advantages": "raw", "filter_value": "return"},
    ],
)
def test_filters_are_those_of_a_plain_reference(settings: dict[str, Any]) -> None:
    config = learning(critic="two-hot", **settings)
    model, given = agent(config), batch()
    torch.nn.init.normal_(model.critic.outputs.weight)
    torch.nn.init.normal_(model.target_critic.outputs.weight)
    losses = task_losses(model, given, config, generator())
    with torch.no_grad():
        expected, _ = plain_losses(model, given, config)
    torch.testing.assert_close(losses.actor.tolist(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("advantages", ["batch", "task", "raw"])
def test_what_the_exponential_filter_counts_depends_on_a_tasks_scale_as_the_advantages_say(advantages: Any) -> None:
    """Rewards of one task grow a hundredfold: with advantages of each task no actor's loss knows, with those of the
    batch the others fall towards plain imitation, and bare ones know all."""
    config = learning(critic="regression", popart=False, filter="exponential", filter_value="return")
    config = replace(config, advantages=advantages)
    given, found = batch(), []
    for factor in (1.0, 100.0):
        model = agent(config)
        torch.nn.init.zeros_(model.critic.outputs.weight)
        torch.nn.init.zeros_(model.target_critic.outputs.weight)
        reward = given.reward * torch.tensor([factor, 1.0, 1.0], dtype=given.reward.dtype)[:, None, None]
        found.append(task_losses(model, replace(given, reward=reward), config, generator()).actor)
    same = [torch.isclose(a, b, rtol=1e-4).item() for a, b in zip(*found, strict=True)]
    assert same == {"task": [True, True, True], "batch": [False, False, False], "raw": [False, True, True]}[advantages]


def padded(given: Batch, extra: int) -> Batch:
    def pad(value: Tensor) -> Tensor:
        return torch.cat([value, torch.ones_like(value[:, :, :1]).repeat_interleave(extra, dim=2)], dim=2)

    longer = {name: pad(getattr(given, name)) for name in ("action", "reward", "terminated")}
    mask = torch.cat([given.mask, torch.zeros_like(given.mask[:, :, :1]).repeat_interleave(extra, dim=2)], dim=2)
    return replace(given, observation={k: pad(v) for k, v in given.observation.items()}, mask=mask, **longer)


@pytest.mark.parametrize("filter_", ["binary", "exponential"])
@pytest.mark.parametrize("critic", CRITICS)
def test_padding_changes_nothing(critic: str, filter_: Any) -> None:
    config = learning(critic=critic, filter=filter_)
    given = batch()
    short, long = (task_losses(agent(config), b, config, generator()).total for b in (given, padded(given, 3)))
    torch.testing.assert_close(short, long, rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("memory", ["transformer", "linear-attention", "gru"])
@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("rescaling", ["none", "popart"])
def test_task_gradients_in_one_backward_are_those_of_separate_ones(rescaling: str, critic: str, memory: Any) -> None:
    config = learning(critic=critic)
    model = agent(config, replace(SMALL, memory=memory), rescaling=rescaling)
    torch.nn.init.normal_(model.critic.outputs.weight)
    model.normaliser.observe_returns = lambda *_, **__: None  # type: ignore[method-assign]
    assert_gradients_are_those_of_separate_passes(model, batch(masked=True), config)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("memory", ["jacobian", "layerwise", "chunked"])
@pytest.mark.parametrize("critic", ["regression", "two-hot"])
@pytest.mark.parametrize("conditioning", ["none", "one-hot", "embedding", "film"])
@pytest.mark.parametrize("heads", ["shared", "task", "group"])
def test_task_gradients_are_right_whatever_tasks_share(heads: Any, conditioning: Any, critic: str, memory: Any) -> None:
    groups = {"0": "a", "2": "a"} if heads == "group" else {}
    config = learning(critic=critic, actor="policy-gradient")
    model = agent(config, sharing=SharingConfig(heads=heads, head_groups=groups, conditioning=conditioning))
    differing = [model.critic.outputs.weight, model.policy.last.weight]
    differing += [model.conditioning.project.weight] if conditioning == "film" else []
    for weight in differing:
        torch.nn.init.normal_(weight)
    given = batch(masked=True)
    owned = model.owned_parameters()
    shared = [p for p in model.trained_parameters().values() if id(p) not in {id(q) for q in owned}]
    tasks = TaskGradients(
        model, num_tasks=3, parameters=model.trained_parameters().values(), owned=owned, memory=memory
    )
    with tasks:
        losses = task_losses(model, given, config, generator())
    tasks.backward(losses.total)
    totals = task_losses(model, given, config, generator()).total
    expected = reference_jacobian(totals, shared)
    torch.testing.assert_close(tasks.gramian(), expected @ expected.T, rtol=1e-9, atol=1e-10)
    if memory == "jacobian":
        torch.testing.assert_close(tasks.jacobian(), expected, rtol=1e-9, atol=1e-10)
    assert set(tasks.path.values()) == {"rule"}, tasks.path
    weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    tasks.accumulate(weights)
    found = torch.cat([p.grad.flatten() for p in shared])  # type: ignore[union-attr]
    torch.testing.assert_close(found, weights @ expected, rtol=1e-9, atol=1e-10)
    if owned:
        mean = torch.autograd.grad(task_losses(model, given, config, generator()).total.mean(), owned)
        for parameter, wanted in zip(owned, mean, strict=True):
            torch.testing.assert_close(parameter.grad, wanted)


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("critic", CRITICS)
def test_the_critics_get_no_gradient_from_the_actor(critic: str, actor: Any) -> None:
    config = learning(actor=actor, critic=critic)
    model = agent(config)
    losses = task_losses(model, batch(), config, generator())
    gradients = torch.autograd.grad(losses.actor.sum(), list(model.critic.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


@pytest.mark.parametrize("critic", CRITICS)
def test_only_the_regression_critic_feels_the_scale_of_the_returns(critic: str) -> None:
    """Gradient of the critic's loss when returns grow a thousandfold: about the same for classification, a
    millionfold for regression."""
    config = learning(critic=critic, popart=False)
    norms = []
    for factor in (10.0, 10_000.0):
        model = agent(config)
        losses = task_losses(model, scaled(batch(), factor), config, generator())
        gradients = torch.autograd.grad(losses.critic.sum(), list(model.critic.outputs.parameters()))
        norms.append(float(torch.stack([g.norm() for g in gradients]).norm()))
    growth = norms[1] / norms[0]
    if critic == "regression":
        assert growth > 500
    else:
        assert 0.3 < growth < 3


def test_sampled_expectations_agree_with_exact_ones_on_average() -> None:
    config = learning(critic="two-hot", exact_actions=0, target_samples=64, filter_samples=64)
    model = agent(config)
    torch.nn.init.normal_(model.target_critic.outputs.weight)
    exact = task_losses(model, batch(), replace(config, exact_actions=16), generator())
    draws = torch.stack(
        [
            task_losses(model, batch(), config, generator().manual_seed(seed)).metrics["target_mean"]
            for seed in range(20)
        ]
    )
    assert abs(draws.mean() - exact.metrics["target_mean"]) < 4 * draws.std() / 20**0.5 + 1e-6


def test_a_task_without_rows_gets_no_loss_and_spoils_no_other() -> None:
    given = batch()
    mask = given.mask.clone()
    mask[1] = False
    losses = task_losses(agent(learning()), replace(given, mask=mask), learning(), generator())
    assert losses.total[1] == 0
    assert torch.isfinite(losses.total).all()


def test_a_wide_context_is_refused_nowhere_but_seen_only_within_it() -> None:
    config = AgentConfig(width=16, layers=1, attention_heads=2, context=4, head_width=16, critics=1)
    assert torch.isfinite(task_losses(agent(learning(), config), batch(time=12), learning(), generator()).total).all()


@pytest.mark.parametrize("rescaling", ["none", "popart", "return-scale", "max-return"])
@pytest.mark.parametrize("actor", ["filtered", "exponential", "policy-gradient"])
@pytest.mark.parametrize("factor", [2.0**-6, 2.0**6])
def test_with_normalised_returns_the_scale_of_all_rewards_does_not_matter(
    factor: float, actor: Any, rescaling: str
) -> None:
    """From the first batch on: what critics say before they know anything is noise in the rewards' own unit."""
    settings: dict[str, Any] = {"actor": actor}
    if actor == "exponential":
        settings = {"filter": "exponential", "filter_value": "return", "return_lambda": 0.9}
    config = LearningConfig(discounts=(0.5, 0.9), acting_discount=0.9, critic="regression", **settings)
    found = []
    for scale in (1.0, factor):
        model = agent(config, rescaling=rescaling)
        optimizer = torch.optim.Adam(model.trained_parameters().values(), lr=1e-2)
        generator = torch.Generator().manual_seed(0)
        losses = []
        for number in range(4):
            given = batch(seed=number)
            loss = model.task_losses(replace(given, reward=given.reward * scale), config, generator)
            optimizer.zero_grad()
            loss.total.sum().backward()
            optimizer.step()
            model.follow(0.1)
            losses.append(loss.total.detach())
        found.append(torch.stack(losses))
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-10)
