"""Mixtures inside of the agent: in learning, in acting, in the records."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.mixture import Routing
from mtrl.agent.experts.registry import MIXTURES
from mtrl.agent.experts.use import use_of
from mtrl.learning.actor_critic import task_losses
from tests.mtrl.builders import LEARNING, SMALL, agent, batch
from tests.mtrl.gradients import assert_gradients_are_those_of_separate_passes

WHERE = [
    ("gru", "encoder"),
    ("transformer", "encoder"),
    ("transformer", "blocks"),
    ("transformer", "both"),
    ("linear-attention", "blocks"),
]


def experts(kind: str, where: str = "encoder", **more: Any) -> ExpertsConfig:
    return ExpertsConfig(
        experts=kind,  # type: ignore[arg-type]
        experts_in=where,  # type: ignore[arg-type]
        num_experts=3,
        expert_width=8,
        **more,
    )


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("memory", "where"), WHERE)
@pytest.mark.parametrize("kind", MIXTURES)
def test_task_gradients_in_one_backward_are_those_of_separate_ones(kind: str, memory: Any, where: str) -> None:
    model = agent(config=replace(SMALL, memory=memory), experts=experts(kind, where, router_z_weight=0.1))
    assert_gradients_are_those_of_separate_passes(model, batch(masked=True), LEARNING)


@pytest.mark.parametrize(("memory", "where"), WHERE)
@pytest.mark.parametrize("kind", MIXTURES)
def test_acting_step_by_step_is_one_pass_over_the_whole(kind: str, memory: Any, where: str) -> None:
    model = agent(config=replace(SMALL, memory=memory), experts=experts(kind, where))
    given = batch(tasks=(2, 0, 1), sequences=1, time=6)
    seen = {key: value[:, 0].clone() for key, value in given.observation.items()}
    seen["time"] = torch.arange(7.0).expand(3, 7).clone()
    with torch.no_grad():
        whole = model.encode(seen, given.task_ids)
        state, steps = model.memory.initial_state(3), []
        for t in range(7):
            now = {key: value[:, t] for key, value in seen.items()}
            insight = model.inspect(now, state, None, given.task_ids)
            assert [gates.shape for gates in insight.gates] == [(3, 3)] * (2 if where == "both" else 1)
            steps.append(model._remembered(now, state, given.task_ids, _routes(given.task_ids)))
    torch.testing.assert_close(torch.stack(steps, dim=1), whole)


def _routes(task: torch.Tensor) -> Any:
    from mtrl.agent.experts.routes import Routes

    return Routes(task)


def test_what_routers_add_is_part_of_each_tasks_loss() -> None:
    free, weighed = (
        task_losses(agent(experts=experts("top-k", balance_weight=w)), batch(), LEARNING, generator()) for w in (0, 1)
    )
    assert (weighed.total > free.total + 0.1).all()
    torch.testing.assert_close(weighed.critic, free.critic)


def test_padding_has_no_part_in_it() -> None:
    given = batch()
    longer = {key: torch.cat([v, v[:, :, -2:]], dim=2) for key, v in given.observation.items()}
    wide = replace(
        given,
        observation=longer,
        **{
            name: torch.cat([v, torch.zeros_like(v[:, :, :2])], dim=2)
            for name, v in (
                ("action", given.action),
                ("reward", given.reward),
                ("terminated", given.terminated),
                ("mask", given.mask),
            )
        },
    )
    for kind in MIXTURES:
        short, long = (task_losses(agent(experts=experts(kind)), b, LEARNING, generator()).total for b in (given, wide))
        torch.testing.assert_close(short, long, rtol=1e-6, atol=1e-7)


def test_a_gru_has_no_blocks() -> None:
    with pytest.raises(ValueError, match="experts_in blocks: a GRU has no feed-forward blocks"):
        agent(config=replace(SMALL, memory="gru"), experts=experts("dense", "blocks"))


def test_use_by_task() -> None:
    gates = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, -3.0, 1.0], [9.0, 9.0, 9.0]])
    routing = Routing(gates=gates, loss=torch.zeros(4), dropped=torch.tensor([0, 0.5, 0, 1.0]))
    use = use_of(routing, torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]), 2)
    torch.testing.assert_close(use.usage, torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.75, 0.25]]))
    assert use.dropped.tolist() == [0.25, 0.0]
    torch.testing.assert_close(use.entropy[0], torch.tensor(0.5 * 0.6931472))
    record = use.record({0: "A", 1: "B"})
    assert record["usage"]["B"] == [0.0, 0.75, 0.25] and record["dead"] == 0
    assert use.record({1: "B"})["usage"] == {"B": [0.0, 0.75, 0.25]}  # nothing of a task without rows
    crowd = Routing(gates=torch.eye(2)[[0] * 199 + [1]], loss=torch.zeros(200), dropped=torch.zeros(200))
    assert use_of(crowd, torch.arange(200), torch.arange(200), 200).record({i: str(i) for i in range(200)})["dead"] == 0
    lonely = use_of(routing, torch.tensor([0]), torch.tensor([0]), 1).record({0: "A"})
    assert lonely["dead"] == 2 and lonely["entropy"]["A"] == 0
