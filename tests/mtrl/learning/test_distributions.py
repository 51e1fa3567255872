"""Critics that learn distributions of returns: the target is the policy's mixture of the next step's, moved."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from conflict.rescaling.popart import PopArt
from conflict.value.c51 import C51
from mtrl.agent.agent import Agent
from mtrl.learning.actor_critic import task_losses
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig
from tests.mtrl.builders import LEARNING, agent, batch

CONFIG = replace(LEARNING, critic="c51", bins=21, value_reach=10.0, target_ensemble="mean")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def noisy(rescaling: str = "none", **settings: Any) -> tuple[Agent, LearningConfig]:
    config = replace(CONFIG, **settings)
    model = agent(config, rescaling=rescaling)
    for critic in (model.critic, model.target_critic):
        torch.nn.init.normal_(critic.outputs.weight)
    if isinstance(model.normaliser, PopArt):
        model.normaliser.mean.normal_()
        model.normaliser.variance.uniform_(0.5, 2.0)
        model.normaliser.total_weight.fill_(1.0)
        model.normaliser.options = replace(model.normaliser.options, step_size=1e-12)  # statistics stay
    return model, config


@torch.no_grad()
def plain_losses(model: Agent, given: Batch, *, least: bool) -> list[float]:
    """Critic losses, one step, one critic, one discount and one action at a time."""
    assert isinstance(model.value_target, C51)
    atoms, found = model.value_target.support.values, []
    for k, task in enumerate(given.task_ids):
        allowed = None if given.allowed is None else given.allowed[k : k + 1]
        actions = range(4) if allowed is None else allowed[0].nonzero().flatten().tolist()
        terms = []
        for s, t in given.mask[k].nonzero().tolist():
            h = model.encode({key: value[k, s : s + 1] for key, value in given.observation.items()})[0]
            there = model.policy(h[t + 1 : t + 2], allowed)[0].exp()

            def outputs(critic: Any, at: int, action: int, h: Any = h, task: Any = task) -> Any:
                return critic.of_action(critic.features(h[at : at + 1]), torch.tensor([action]), task[None])[:, 0]

            for d, discount in enumerate(model.discounts):
                each = torch.stack([outputs(model.target_critic, t + 1, a)[:, d].softmax(dim=-1) for a in actions])
                mixed = (there[d, actions][:, None, None] * each).sum(dim=0)
                mixed = mixed[model.value_target.mean(mixed).argmin()] if least else mixed.mean(dim=0)
                values = model.normaliser.denormalise(atoms[:, None].expand(-1, 2), task.expand(len(atoms)))[:, d]
                end = 0.0 if given.terminated[k, s, t] else 1.0
                moved = given.reward[k, s, t] + discount * end * values
                moved = model.normaliser.normalise(moved[:, None].expand(-1, 2), task.expand(len(atoms)))[:, d]
                wanted = (mixed[:, None] * model.value_target.encode(moved)).sum(dim=0)
                out = outputs(model.critic, t, int(given.action[k, s, t]))[:, d]
                terms.append(-(wanted * out.log_softmax(dim=-1)).sum(dim=-1).mean())
        found.append(float(torch.stack(terms).mean()))
    return found


@pytest.mark.parametrize("rescaling", ["none", "popart", "popart-global"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("least", [False, True])
def test_losses_are_those_of_a_plain_reference(rescaling: str, masked: bool, least: bool, monkeypatch: Any) -> None:
    model, config = noisy(rescaling, target_ensemble="min-of-two" if least else "mean")
    monkeypatch.setattr("mtrl.learning.actor_critic.draw_members", lambda *_: None)  # of all, the least
    given = batch(masked=masked)
    losses = task_losses(model, given, config, generator())
    expected = plain_losses(model, given, least=least)
    torch.testing.assert_close(losses.critic.tolist(), expected, rtol=1e-6, atol=1e-7)


def test_sampled_actions_agree_with_all_of_them_on_average() -> None:
    model, config = noisy()
    exact = task_losses(model, batch(), config, generator()).critic
    sampled = replace(config, exact_actions=0, target_samples=32)
    draws = torch.stack(
        [task_losses(model, batch(), sampled, generator().manual_seed(seed)).critic for seed in range(10)]
    )
    torch.testing.assert_close(draws.mean(dim=0), exact, rtol=0.02, atol=0.0)


def test_without_a_next_step_the_target_is_that_of_the_reward() -> None:
    model, config = noisy()
    given = batch()
    given = replace(given, terminated=torch.ones_like(given.terminated))
    ended = task_losses(model, given, config, generator()).critic
    for parameter in model.target_critic.parameters():
        torch.nn.init.normal_(parameter)
    torch.testing.assert_close(task_losses(model, given, config, generator()).critic, ended)


def test_lambda_returns_are_refused_where_targets_are_distributions() -> None:
    with pytest.raises(ValueError, match=r"return_lambda 0\.5 is for critics with scalar targets; c51"):
        agent(replace(CONFIG, return_lambda=0.5))
