"""PPO's estimates and losses against sums written out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mtrl.agent.agent import Agent
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.registry import MIXTURES
from mtrl.agent.sharing import SharingConfig
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig
from mtrl.learning.objectives import clipped_surrogate
from mtrl.learning.ppo import estimates, ppo_losses, with_standardised
from tests.mtrl import builders

PPO = LearningConfig(
    actor="ppo", critic="regression", discounts=(0.5, 0.9), acting_discount=0.9, gae_lambda=0.8, popart=False
)


def doubled(batch: Batch) -> Batch:
    observation = {key: value.double() for key, value in batch.observation.items()}
    return replace(batch, observation=observation, reward=batch.reward.double())


def rollout(agent: Agent, *, learnt: bool = False, masked: bool = False, config: LearningConfig = PPO) -> Batch:
    given = doubled(builders.batch(masked=masked))
    if learnt:
        given = replace(given, learnt=given.mask & (torch.arange(given.mask.shape[2]) >= 2))
    return replace(given, estimates=estimates(agent, given, config))


def policy_and_values(agent: Agent, batch: Batch, task: int, sequence: int) -> tuple[Tensor, Tensor]:
    """Of one sequence: log-probabilities [time, action] for the acting discount, and values [time + 1, discount]."""
    observation = {key: value[task, sequence][None] for key, value in batch.observation.items()}
    with torch.no_grad():
        features = agent.encode(observation, batch.task_ids[task][None])[0]
        ids = batch.task_ids[task].expand(len(features))
        allowed = None if batch.allowed is None else batch.allowed[task].expand(len(features), -1)
        params = agent.policy(features, allowed, ids)[:, agent.acting]
        values = agent.critic.of_state(agent.critic.features(features), ids).squeeze(-1).mean(dim=0)
    return params, values


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("learnt", [False, True])
def test_estimates_are_generalised_advantages(learnt: bool, masked: bool) -> None:
    agent = builders.agent(PPO)
    batch = rollout(agent, learnt=learnt, masked=masked)
    found = batch.estimates
    assert found is not None
    taken = batch.mask if batch.learnt is None else batch.learnt
    for task in range(3):
        for sequence in range(2):
            log_prob, value = policy_and_values(agent, batch, task, sequence)
            advantage = torch.zeros(2, dtype=torch.float64)
            for t in reversed(range(int(batch.mask[task, sequence].sum()))):
                if not taken[task, sequence, t]:
                    break
                goes_on = 0.0 if batch.terminated[task, sequence, t] else 1.0
                gamma = torch.tensor([0.5, 0.9], dtype=torch.float64)
                delta = batch.reward[task, sequence, t] + gamma * goes_on * value[t + 1] - value[t]
                advantage = delta + gamma * goes_on * 0.8 * advantage
                place = (task, sequence, t)
                torch.testing.assert_close(found.target[place], advantage + value[t])
                torch.testing.assert_close(found.advantage[place], advantage[agent.acting])
                torch.testing.assert_close(found.log_prob[place], log_prob[t, batch.action[place]])
    assert not found.advantage[~taken].any() and not found.target[~taken].any()


def test_the_first_update_is_a_policy_gradient_and_later_ones_are_clipped() -> None:
    agent, generator = builders.agent(PPO), torch.Generator()
    batch = rollout(agent, learnt=True)
    assert batch.estimates is not None and batch.learnt is not None
    losses = ppo_losses(agent, batch, PPO, generator)
    for task in range(3):
        mean = batch.estimates.advantage[task].sum() / batch.learnt[task].sum()
        torch.testing.assert_close(losses.actor[task], -mean)
    assert losses.metrics["share_clipped"] == 0 and abs(losses.metrics["kl"]) < 1e-12
    found = torch.autograd.grad(losses.actor.sum(), agent.policy.last.weight)[0]
    expected = torch.zeros_like(found)
    for task in range(3):
        for sequence in range(2):
            observation = {key: value[task, sequence][None] for key, value in batch.observation.items()}
            params = agent.policy(agent.encode(observation)[0], None)[:, agent.acting]
            for t in batch.learnt[task, sequence].nonzero().flatten().tolist():
                place = (task, sequence, t)
                surrogate = params[t, batch.action[place]] * batch.estimates.advantage[place]
                share = -surrogate / batch.learnt[task].sum()
                expected += torch.autograd.grad(share, agent.policy.last.weight, retain_graph=True)[0]
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        agent.policy.last.bias.add_(torch.tensor([3.0, 0, 0, 0] * 2))
    moved = ppo_losses(agent, batch, PPO, generator)
    assert moved.metrics["share_clipped"] > 0.3 and moved.metrics["kl"] > 0.05


@pytest.mark.parametrize("sharing", [{}, {"heads": "task"}, {"conditioning": "film"}])
@pytest.mark.parametrize("experts", ["none", *MIXTURES])
def test_the_first_ratios_are_1_with_every_architecture(experts: str, sharing: dict[str, str]) -> None:
    """The policy that learns is the policy that acted: no noise in its routers, and no row without room."""
    mixtures = ExpertsConfig(experts=experts, router_noise=0.5, capacity=0.5, experts_in="both")  # type: ignore[arg-type]
    told = SharingConfig(**sharing)  # type: ignore[arg-type]
    agent, generator = builders.agent(PPO, experts=mixtures, sharing=told), torch.Generator().manual_seed(0)
    for parameter in agent.policy.last.parameters():  # a policy that knows what it wants
        torch.nn.init.normal_(parameter)
    losses = ppo_losses(agent, rollout(agent, learnt=True), PPO, generator)
    assert losses.metrics["share_clipped"] == 0 and abs(losses.metrics["kl"]) < 1e-12
    if experts == "top-k":
        assert all(use().dropped.max() == 0 for use in losses.experts)
        assert (losses.total - losses.actor - PPO.ppo_critic_weight * losses.critic > 0).all()  # routers stay balanced


def test_the_surrogate_pays_no_more_beyond_its_bounds() -> None:
    ratio = torch.tensor([1.5, 1.1, 0.5, 1.5, 0.5], dtype=torch.float64, requires_grad=True)
    advantage = torch.tensor([2.0, 2.0, 2.0, -2.0, -2.0], dtype=torch.float64)
    found = clipped_surrogate(ratio.log(), advantage, 0.2)
    torch.testing.assert_close(found, torch.tensor([2.4, 2.2, 1.0, -3.0, -1.6], dtype=torch.float64))
    (slope,) = torch.autograd.grad(found.sum(), ratio)
    torch.testing.assert_close(slope, torch.tensor([0.0, 2.0, 2.0, -2.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("how", ["batch", "task", "raw"])
def test_advantages_are_brought_to_one_unit_over_the_steps_to_learn_from(how: str) -> None:
    agent = builders.agent(PPO)
    batch = rollout(agent, learnt=True)
    assert batch.estimates is not None and batch.learnt is not None
    before = batch.estimates.advantage
    after = with_standardised(agent, batch.estimates, batch, how).advantage
    if how == "raw":
        assert torch.equal(after, before)
        return
    parts = [batch.learnt] if how == "batch" else [batch.learnt & (torch.arange(3) == k)[:, None, None] for k in (0, 1)]
    for part in parts:
        inside = after[part]
        assert abs(inside.mean()) < 1e-9 and math.isclose(float(inside.std(correction=0)), 1.0, rel_tol=1e-9)
        torch.testing.assert_close(torch.corrcoef(torch.stack([inside, before[part]]))[0, 1].item(), 1.0)
    assert not after[~batch.learnt].any()


@pytest.mark.parametrize("critic", ["regression", "two-hot", "hl-gauss"])
@pytest.mark.parametrize("popart", [False, True])
def test_every_critic_learns_the_values_of_states(critic: str, popart: bool) -> None:
    config = replace(PPO, critic=critic, popart=popart, bins=32, value_reach=20.0)
    agent, generator = builders.agent(config), torch.Generator()
    batch = rollout(agent, config=config)
    optimizer = torch.optim.Adam(agent.trained_parameters().values(), lr=1e-2)
    losses = [ppo_losses(agent, batch, config, generator).critic.sum().item()]
    for _ in range(25):
        optimizer.zero_grad()
        ppo_losses(agent, batch, config, generator).critic.sum().backward()
        optimizer.step()
    losses.append(ppo_losses(agent, batch, config, generator).critic.sum().item())
    assert losses[1] < 0.95 * losses[0]


def test_a_batch_of_a_replay_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a batch of a rollout"):
        ppo_losses(builders.agent(PPO), doubled(builders.batch()), PPO, torch.Generator())


def test_critics_that_learn_distributions_step_by_step_are_refused() -> None:
    with pytest.raises(ValueError, match=r"ppo .* found c51"):
        LearningConfig(actor="ppo", critic="c51")


def test_pictures_of_values_are_those_of_states() -> None:
    agent = builders.agent(PPO)
    batch = doubled(builders.batch())
    seen = {key: value[0, :, 0] for key, value in batch.observation.items()}
    seen["time"] = torch.zeros_like(seen["time"])
    task = torch.zeros(2, dtype=torch.long)
    insight = agent.inspect(seen, agent.memory.initial_state(2), None, task)
    features = agent.encode({key: value[:, None] for key, value in seen.items()}, task)[:, 0]
    expected = agent.critic.of_state(agent.critic.features(features), task).mean(dim=0)[:, agent.acting, 0]
    torch.testing.assert_close(insight.value, expected)
    assert insight.action_values is None
