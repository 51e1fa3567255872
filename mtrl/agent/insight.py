"""What an agent thinks of what it sees, for the people who watch it. Acting and learning take nothing from here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mtrl.agent.experts.mixture import Routing
from mtrl.learning.actor_critic import Rows, candidate_values, read_values

if TYPE_CHECKING:
    from mtrl.agent.agent import Agent

_SAMPLES = 32
"""Continuous actions over which a value is averaged."""


@dataclass(frozen=True)
class Insight:
    """Of the acting discount; values are on the scale of the trained rewards."""

    value: Float[Tensor, " actor"]
    """E_{a ~ policy} Q(h, a), or V(h) of critics of states: the mean over all critics."""
    action_values: Float[Tensor, "actor action"] | None
    """Q(h, a), the mean over all critics; 0 for actions that the task does not have; None for continuous actions,
    and for critics of states."""
    policy: Tensor
    """As `Policy.outline` has it: probabilities [actor, action], or quantiles [actor, 3, size]."""
    entropy: Float[Tensor, " actor"]
    """In nats."""
    gates: list[Float[Tensor, "actor expert"]]
    """Weights of the experts, for every mixture in the backbone."""


def look_inside(
    agent: Agent,
    features: Float[Tensor, "actor width"],
    allowed: Bool[Tensor, "actor action"] | None,
    task: Int[Tensor, " actor"],
    routings: Sequence[Routing] = (),
) -> Insight:
    """Read critics and policy from the backbone's features. Draws from no generator but its own."""
    count, device = len(features), features.device
    params = agent.policy(features, allowed, task)
    outline, entropy = agent.policy.outline(params)[:, agent.acting], agent.policy.entropy(params)[:, agent.acting]
    gates = [routing.gates for routing in routings]
    if agent.values.of_states:
        value = read_values(agent, agent.critic.of_state(agent.critic.features(features), task), task).mean(dim=0)
        return Insight(value[:, agent.acting], None, outline, entropy, gates)
    # The same draws at every step: what moves the curve is the agent.
    draws = torch.Generator(device=device).manual_seed(0)
    chosen = agent.policy.candidates(params, exact_up_to=sys.maxsize, samples=_SAMPLES, generator=draws)
    rows = Rows(
        sizes=[count],
        group=torch.zeros(count, dtype=torch.long, device=device),
        task=task,
        place=torch.arange(count, device=device),
        now=torch.arange(count, device=device),
        action=torch.zeros(count, dtype=torch.long, device=device),
        reward=features.new_zeros(count),
        terminated=torch.zeros(count, dtype=torch.bool, device=device),
        allowed=allowed,
    )
    values = candidate_values(agent, agent.critic, agent.critic.features(features), chosen, rows).mean(dim=0)
    return Insight(
        value=chosen.expectation(values)[:, agent.acting],
        action_values=values[:, agent.acting] if chosen.actions is None else None,
        policy=outline,
        entropy=entropy,
        gates=gates,
    )
