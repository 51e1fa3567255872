"""Proximal policy optimisation of every task in a batch, with the same network, critics and values as off-policy.

Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", Equation 7 (the clipped surrogate); Schulman
et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation"; for trials of several
episodes Duan et al. 2016, "RL^2". Truncation cuts no bootstrap, see Pardo et al. 2018, "Time Limits in Reinforcement
Learning".
Departs: what was thought of a rollout (log-probabilities, values) is computed from the same windows that are learnt
from, so that the first update's ratios are exactly 1 however little of a long trial its window shows; for the same
reason the agent has neither shifts of images nor noise or a limit of room in mixtures of experts; the value is not
clipped; any critic's value target will do, and returns are normalised as off-policy.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from conflict.engine.rows import task_rows
from mtrl.agent.experts.use import use_of
from mtrl.learning.actor_critic import Rows, TaskLosses, features_of, observe_returns, read_values, standardised
from mtrl.learning.batch import Batch, Estimates
from mtrl.learning.config import LearningConfig
from mtrl.learning.objectives import clipped_surrogate, mean_by_task, spread_by_task
from mtrl.learning.returns import lambda_targets

if TYPE_CHECKING:
    from mtrl.agent.agent import Agent


@torch.no_grad()
def estimates(agent: Agent, batch: Batch, config: LearningConfig) -> Estimates:
    """What the agent thinks of a rollout. Steps that are not learnt from have zeros."""
    rows = Rows.of(batch)
    task = batch.task_ids.repeat_interleave(batch.mask.shape[1])
    everything = agent.encode({key: value.flatten(0, 1) for key, value in batch.observation.items()}, task)
    everything = everything.flatten(0, 1)
    now = everything[rows.now]
    logs = agent.policy.log_prob(agent.policy(now, rows.allowed, rows.task), rows.action)[:, agent.acting]
    value, following = (_values(agent, features, rows) for features in (now, everything[rows.now + 1]))
    target = lambda_targets(rows.reward, rows.terminated, following, agent.discounts, rows.now, config.gae_lambda)
    advantage = (target - value)[:, agent.acting]

    def spread(found: Tensor) -> Tensor:
        whole = found.new_zeros(batch.mask.numel(), *found.shape[1:]).index_copy_(0, rows.place, found)
        return whole.view(*batch.mask.shape, *found.shape[1:])

    return Estimates(log_prob=spread(logs), target=spread(target), advantage=spread(advantage))


def _values(agent: Agent, features: Tensor, rows: Rows) -> Tensor:
    outputs = agent.critic.of_state(agent.critic.features(features), rows.task)
    values: Tensor = read_values(agent, outputs, rows.task).mean(dim=0)
    return values


def with_standardised(agent: Agent, thought: Estimates, batch: Batch, how: str) -> Estimates:
    """The same with advantages as `mtrl.learning.actor_critic.standardised` has them; 0 at steps that are not learnt
    from."""
    rows = Rows.of(batch)
    values = standardised(agent, thought.advantage.flatten()[rows.place, None], rows, how)[:, 0]
    whole = torch.zeros_like(thought.advantage).flatten().index_copy_(0, rows.place, values)
    return replace(thought, advantage=whole.view_as(thought.advantage))


def ppo_losses(
    agent: Agent, batch: Batch, config: LearningConfig, generator: torch.Generator, *, observe: bool = True
) -> TaskLosses:
    """Losses of every task in a batch of a rollout. The statistics of a normaliser of returns move here, unless
    `observe` is false.

    Raises:
        ValueError: the batch is of a replay, not of a rollout.
    """
    thought = batch.estimates
    if thought is None:
        raise ValueError("ppo: expected a batch of a rollout, with what was thought of it; got one of a replay")
    rows, routes, _, now = features_of(agent, batch, generator)
    target = thought.target.flatten(0, 2)[rows.place]
    before = thought.log_prob.flatten()[rows.place]
    advantage = thought.advantage.flatten()[rows.place]
    with task_rows(rows.sizes):
        params = agent.policy(now, rows.allowed, rows.task)
        if observe:
            observe_returns(agent, target, rows)
        outputs = agent.critic.of_state(agent.critic.features(now), rows.task)
    critic_row = agent.value_target.loss(outputs, agent.normaliser.normalise(target, rows.task)).mean(dim=(0, 2))
    change = agent.policy.log_prob(params, rows.action)[:, agent.acting] - before
    actor_row = -clipped_surrogate(change, advantage, config.ppo_clip)
    with torch.set_grad_enabled(config.entropy_weight > 0):
        entropy = agent.policy.entropy(params)[:, agent.acting]
    if config.entropy_weight:
        actor_row = actor_row - config.entropy_weight * entropy
    count = len(rows.sizes)
    actor, critic = (mean_by_task(row, rows.group, count) for row in (actor_row, critic_row))
    better = (advantage > 0).float()
    ratio = change.detach().exp()
    metrics = {
        "share_imitated": better.mean(),
        "share_clipped": ((ratio - 1).abs() > config.ppo_clip).float().mean(),
        "kl": (ratio - 1 - change.detach()).mean(),
        "value_mean": read_values(agent, outputs.detach(), rows.task)[..., agent.acting].mean(),
        "target_mean": target[:, agent.acting].mean(),
        "entropy": entropy.detach().mean(),
        "valid_share": batch.mask.float().mean(),
    }
    total = actor + config.ppo_critic_weight * critic
    for routing in routes.routings:
        total = total + mean_by_task(routing.loss[rows.now], rows.group, count)
    return TaskLosses(
        total=total,
        actor=actor,
        critic=critic,
        task_ids=batch.task_ids.tolist(),
        imitated=mean_by_task(better, rows.group, count),
        targets=spread_by_task(target[:, agent.acting], rows.group, count),
        experts=[partial(use_of, routing, rows.now, rows.group, count) for routing in routes.routings],
        metrics=metrics,
    )
