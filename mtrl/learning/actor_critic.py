"""The actor-critic losses of every task in a batch, from one pass through the network.

Source: Grigsby et al. 2024 (AMAGO-2), Section 3 and Appendix A: loss = actor + lambda * critic in a single backward
pass, several discounts trained at once, critic ensemble, targets by slowly moving critics; the critics' parameters get
no gradient from the actor; a policy gradient through Q in the normalised unit of the critics.
Departs: the targets' and the filter's expectation over actions is exact where actions are few; the policy gradient
takes the mean of the ensemble and does not flow through Q into the backbone (through the action alone, if actions are
continuous); the policy that targets evaluate is the current one, not a slow copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from conflict.engine.rows import task_rows
from mtrl.agent.encoders.timestep import Sequences
from mtrl.agent.experts.routes import Routes
from mtrl.agent.experts.use import ExpertUse, use_of
from mtrl.agent.policy import Candidates
from mtrl.learning.batch import Batch, existing
from mtrl.learning.config import LearningConfig
from mtrl.learning.objectives import (
    exponential_filter,
    filtered_imitation,
    imitated,
    mean_by_task,
    spread_by_task,
    standardised_by_task,
)
from mtrl.learning.returns import draw_members, lambda_targets

if TYPE_CHECKING:
    from mtrl.agent.agent import Agent
    from mtrl.agent.critic import CriticEnsemble


@dataclass(frozen=True, kw_only=True)
class TaskLosses:
    """Losses of the tasks in a batch, in the batch's order, and what else is worth logging."""

    total: Float[Tensor, " task"]
    """actor + lambda * critic (+ what routers of experts add): what is minimised."""
    actor: Float[Tensor, " task"]
    critic: Float[Tensor, " task"]
    task_ids: list[int]
    imitated: Float[Tensor, " task"]
    """Share of the actions in the batch that beat the policy."""
    targets: dict[str, Float[Tensor, " task"]]
    """Where the critic's targets of the acting discount lie, in trained return: mean, std, low, high."""
    experts: list[Callable[[], ExpertUse]]
    """How the rows were routed, for every mixture of experts; worked out when it is asked for."""
    metrics: dict[str, Tensor]


@dataclass(frozen=True)
class Rows:
    """The steps of a batch that are learnt from, sorted by task."""

    sizes: list[int]
    """Rows of each task."""
    group: Tensor
    """[row] the task's place in the batch."""
    task: Tensor
    """[row] the task's place in the suite."""
    place: Tensor
    """[row] where the step lies among all actions of the batch."""
    now: Tensor
    """[row] where the step's features lie among all steps of the batch (each sequence has one more step than
    actions)."""
    action: Tensor
    reward: Tensor
    terminated: Tensor
    allowed: Tensor | None

    @classmethod
    def of(cls, batch: Batch) -> Rows:
        """Pick the rows of a batch."""
        _tasks, sequences, time = batch.mask.shape
        learnt = batch.mask if batch.learnt is None else batch.learnt
        place = learnt.flatten().nonzero().squeeze(-1)
        group = place // (sequences * time)
        return cls(
            sizes=learnt.sum(dim=(1, 2)).tolist(),
            group=group,
            task=batch.task_ids[group],
            place=place,
            now=place + place // time,
            action=batch.action.flatten(0, 2)[place],
            reward=batch.reward.flatten()[place],
            terminated=batch.terminated.flatten()[place],
            allowed=None if batch.allowed is None else batch.allowed[group],
        )

    def discount(self, discounts: Float[Tensor, " discount"]) -> Float[Tensor, "row discount"]:
        """What is multiplied by what comes after the row: nothing where the trial ended."""
        return discounts * (~self.terminated)[:, None]


def task_losses(
    agent: Agent, batch: Batch, config: LearningConfig, generator: torch.Generator, *, observe: bool = True
) -> TaskLosses:
    """Losses of every task in the batch. The statistics of a normaliser of returns move here, unless `observe` is
    false."""
    rows, routes, everything, now = features_of(agent, batch, generator)
    after = everything.detach().index_select(0, rows.now + 1)
    discount = rows.discount(agent.discounts)
    if observe:
        begin_returns(agent, rows)
    with task_rows(rows.sizes):
        params = agent.policy(now, rows.allowed, rows.task)
        following = _following(agent, after, rows, config, generator)
        target = lambda_targets(
            rows.reward, rows.terminated, following.value, agent.discounts, rows.now, config.return_lambda
        )
        if observe:
            observe_returns(agent, target, rows)
        features = agent.critic.features(now)
        outputs = agent.critic.of_action(features, rows.action, rows.task)
    if following.distribution is None:
        critic_loss = agent.value_target.loss(outputs, agent.normaliser.normalise(target, rows.task))
    else:
        # In the critics' units, in which the discount stays the slope.
        zero = agent.normaliser.denormalise(torch.zeros_like(discount), rows.task)
        start = agent.normaliser.normalise(rows.reward[:, None] + discount * zero, rows.task)
        wanted = agent.value_target.project(following.distribution, start, discount)
        critic_loss = agent.value_target.loss_to(outputs, wanted)
    critic_row = critic_loss.mean(dim=(0, 2))

    ascends = config.actor == "policy-gradient"
    chosen = agent.policy.candidates(
        params if ascends else params.detach(),
        exact_up_to=config.exact_actions,
        samples=config.filter_samples,
        generator=generator,
    )
    # Only continuous actions carry a gradient.
    with torch.set_grad_enabled(
        torch.is_grad_enabled() and chosen.actions is not None and chosen.actions.requires_grad
    ):
        values = candidate_values(agent, agent.critic, features.detach(), chosen, rows).mean(dim=0)
    with torch.no_grad():
        value = read_values(agent, outputs.detach(), rows.task).mean(dim=0)
        worth, expected = target if config.filter_value == "return" else value, chosen.expectation(values)
        better = imitated(worth, expected)
    if config.actor == "filtered":
        counted = better if config.filter == "binary" else _weights(agent, worth - expected, rows, config)
        actor_row = filtered_imitation(agent.policy.log_prob(params, rows.action), counted)
    else:
        # In the unit of the critics' outputs: with PopArt no task's scale weighs its actor, as in AMAGO-2.
        scaled = agent.normaliser.normalise(values.movedim(-1, 0), rows.task).movedim(0, -1)
        actor_row = -agent.policy.surrogate(params, chosen, scaled).mean(dim=-1)
    with torch.set_grad_enabled(config.entropy_weight > 0):
        entropy = agent.policy.entropy(params)
    if config.entropy_weight:
        actor_row = actor_row - config.entropy_weight * entropy.mean(dim=-1)

    actor = mean_by_task(actor_row, rows.group, len(rows.sizes))
    critic = mean_by_task(critic_row, rows.group, len(rows.sizes))
    metrics = {
        "share_imitated": better.float().mean(),
        "value_mean": value[:, agent.acting].mean(),
        "target_mean": target[:, agent.acting].mean(),
        "entropy": entropy.detach()[:, agent.acting].mean(),
        "valid_share": batch.mask.float().mean(),
    }
    total = actor + config.critic_weight * critic
    for routing in routes.routings:
        total = total + mean_by_task(routing.loss[rows.now], rows.group, len(rows.sizes))
    return TaskLosses(
        total=total,
        actor=actor,
        critic=critic,
        task_ids=batch.task_ids.tolist(),
        imitated=mean_by_task(better.float().mean(dim=-1), rows.group, len(rows.sizes)),
        targets=spread_by_task(target[:, agent.acting], rows.group, len(rows.sizes)),
        experts=[partial(use_of, routing, rows.now, rows.group, len(rows.sizes)) for routing in routes.routings],
        metrics=metrics,
    )


def _weights(
    agent: Agent, advantage: Float[Tensor, "row discount"], rows: Rows, config: LearningConfig
) -> Float[Tensor, "row discount"]:
    """What the exponential filter counts each action."""
    return exponential_filter(standardised(agent, advantage, rows, config.advantages), config.filter_temperature)


def standardised(
    agent: Agent, advantage: Float[Tensor, "row discount"], rows: Rows, how: str
) -> Float[Tensor, "row discount"]:
    """Advantages of mean 0 and deviation 1 over the rows of all processes that train together: of all tasks ("batch"),
    of each ("task"), or as they are ("raw")."""
    if how == "raw":
        return advantage
    group, count = (rows.group, len(rows.sizes)) if how == "task" else (rows.group * 0, 1)
    return standardised_by_task(advantage, group, count, agent.rows_of_all(advantage, group))


def features_of(agent: Agent, batch: Batch, generator: torch.Generator) -> tuple[Rows, Routes, Tensor, Tensor]:
    """The rows of a batch, how mixtures of experts were used, the backbone's features of all steps [sequence x time,
    width], and those of the rows [row, width]."""
    rows = Rows.of(batch)
    observation = {key: value.flatten(0, 1) for key, value in batch.observation.items()}
    sequences = Sequences(num_tasks=len(rows.sizes), exists=existing(batch.mask), generator=generator)
    task = batch.task_ids.repeat_interleave(batch.mask.shape[1])
    routes = Routes(task, exists=sequences.exists, generator=generator)
    everything = agent.encode(observation, task, sequences, routes).flatten(0, 1)
    return rows, routes, everything, _Pick.apply(everything, rows.now)  # type: ignore[no-untyped-call]


def begin_returns(agent: Agent, rows: Rows) -> None:
    """Let the normaliser of returns, if there is one, take the unit of rewards that it has not met."""
    if agent.normaliser.awaits_rewards:
        agent.normaliser.begin_returns(*agent.rows_of_all(rows.reward, rows.task, rows.discount(agent.discounts)))


def observe_returns(agent: Agent, target: Float[Tensor, "row discount"], rows: Rows) -> None:
    """Let the normaliser of returns, if there is one, move its statistics; critics keep their values."""
    if agent.normaliser.normalises_returns:
        affines = [c.affine for c in (agent.critic, agent.target_critic) if c.affine is not None]
        targets, task, reward, discount = agent.rows_of_all(
            target, rows.task, rows.reward, rows.discount(agent.discounts)
        )
        agent.normaliser.observe_returns(targets, task, affines, rewards=reward, discounts=discount)


@dataclass(frozen=True)
class _Following:
    """What the target critics say of the step after each row, under the current policy."""

    value: Float[Tensor, "row discount"]
    distribution: Float[Tensor, "row discount output"] | None
    """Where the critics learn distributions."""


@torch.no_grad()
def _following(
    agent: Agent, after: Tensor, rows: Rows, config: LearningConfig, generator: torch.Generator
) -> _Following:
    critic = agent.target_critic
    params = agent.policy(after, rows.allowed, rows.task)
    chosen = agent.policy.candidates(
        params, exact_up_to=config.exact_actions, samples=config.target_samples, generator=generator
    )
    members = draw_members(critic.critics, config.target_ensemble, generator)
    features = critic.features(after, members)
    if not agent.value_target.distributional:
        expected = chosen.expectation(candidate_values(agent, critic, features, chosen, rows, members))
        return _Following(expected.mean(dim=0) if config.target_ensemble == "mean" else expected.amin(dim=0), None)
    mixed = candidate_mixture(agent, critic, features, chosen, rows, members)
    expected = agent.normaliser.denormalise(agent.value_target.mean(mixed), rows.task)
    if config.target_ensemble == "mean":
        return _Following(expected.mean(dim=0), mixed.mean(dim=0))
    joined, least = expected.min(dim=0)
    return _Following(joined, mixed.take_along_dim(least[None, ..., None], dim=0).squeeze(0))


def candidate_values(
    agent: Agent,
    critic: CriticEnsemble,
    features: Tensor,
    chosen: Candidates,
    rows: Rows,
    members: Tensor | None = None,
) -> Float[Tensor, "critic row discount candidate"]:
    """Values, on the scale of returns, of the candidate actions. They carry the gradient of these, and no other."""
    found = candidates_read(critic, features, chosen, rows, members, agent.value_target.decode)
    if chosen.actions is not None:
        return torch.stack([_denormalised(agent, values, rows.task) for _, _, values in found], dim=-1)
    values = features.new_zeros(*features.shape[:2], *chosen.weights.shape[1:])
    for index, having, decoded in found:
        values[:, having, :, index] = _denormalised(agent, decoded, rows.task[having])
    return values


@torch.no_grad()
def candidate_mixture(
    agent: Agent,
    critic: CriticEnsemble,
    features: Tensor,
    chosen: Candidates,
    rows: Rows,
    members: Tensor | None = None,
) -> Float[Tensor, "critic row discount output"]:
    """The distribution of returns over the candidate actions together."""
    mixed = features.new_zeros(*features.shape[:2], chosen.weights.shape[1], agent.value_target.num_outputs)
    probabilities = agent.value_target.probabilities
    for index, having, found in candidates_read(critic, features, chosen, rows, members, probabilities):
        mixed[:, having] += chosen.weights[having, :, index, None] * found
    return mixed


def candidates_read(
    critic: CriticEnsemble,
    features: Tensor,
    chosen: Candidates,
    rows: Rows,
    members: Tensor | None,
    read: Callable[[Tensor], Tensor],
) -> Iterator[tuple[int, Tensor | slice, Float[Tensor, "critic row discount *read"]]]:
    """Each candidate's number, the rows that have it, and what `read` makes of the critics' outputs there. They go one
    by one: their outputs together would not fit a cache."""
    for index in range(chosen.weights.shape[-1]):
        if chosen.actions is not None:
            yield index, slice(None), critic.of_actions(features, chosen.actions[:, :, index], rows.task, read, members)
            continue
        # An action that a row's task does not have has weight zero: its value is not needed.
        action = rows.action.new_full((1,), index)
        having = None if rows.allowed is None else rows.allowed[:, index].nonzero().squeeze(-1)
        if having is None or len(having) == len(rows.task):
            yield index, slice(None), read(critic.of_action(features, action, rows.task, members))
        else:
            some, task = features.index_select(1, having), rows.task.index_select(0, having)
            yield index, having, read(critic.of_action(some, action, task, members))


def read_values(agent: Agent, outputs: Tensor, row_task: Tensor) -> Float[Tensor, "critic row discount"]:
    """Outputs of critics as values on the scale of returns."""
    return _denormalised(agent, agent.value_target.decode(outputs), row_task)


def _denormalised(agent: Agent, values: Tensor, row_task: Tensor) -> Tensor:
    return agent.normaliser.denormalise(values, row_task.clamp_max(agent.num_tasks - 1))


class _Pick(torch.autograd.Function):
    """`x[index]` along the first axis for indices that do not repeat: the backward pass writes where autograd's own
    would add."""

    @staticmethod
    def forward(ctx, x: Tensor, index: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(index)
        ctx.length = x.shape[0]
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx, *grads: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        (index,) = ctx.saved_tensors
        return grads[0].new_zeros(ctx.length, *grads[0].shape[1:]).index_copy_(0, index, grads[0]), None
