"""Every rescaling goes with every strategy and every value target."""

import copy
from dataclasses import fields
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conflict.engine.task_gradients import TaskGradients
from conflict.registry import RESCALINGS, STRATEGIES, VALUE_TARGETS, make_rescaling, make_strategy, make_value_target
from conflict.rescaling.task_affine import TaskAffine

TASKS, ROWS, DISCOUNTS = 3, 6, 2
IDS = torch.arange(TASKS)
ROW_TASK = IDS.repeat_interleave(ROWS)


class Learner:
    """A small model that learns fixed returns from fixed inputs: all parts at work, as a trainer puts them together."""

    def __init__(self, rescaling: str, strategy: str, value: str, *, rate: float = 0.01) -> None:
        generator = torch.Generator().manual_seed(0)
        reach = {"bins": 21, "low": -5.0, "high": 5.0}
        known = {field.name for field in fields(VALUE_TARGETS[value].options)}
        self.target = make_value_target(value, {key: x for key, x in reach.items() if key in known})
        self.rescaling = make_rescaling(rescaling, num_tasks=TASKS, value_shape=(DISCOUNTS,))
        self.strategy = make_strategy(strategy, TASKS)
        outputs = self.target.num_outputs
        self.trunk = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, DISCOUNTS * outputs))
        with torch.no_grad():
            for parameter in self.trunk.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
            self.trunk[2].bias.copy_(self.target.prior().repeat(DISCOUNTS))
        self.affine = TaskAffine(self.rescaling.num_groups, DISCOUNTS)
        self.model = nn.ModuleList([self.trunk, self.affine])
        owned = list(self.affine.parameters()) if self.affine.num_tasks > 1 else []
        self.gradients = TaskGradients(self.model, num_tasks=TASKS, owned=owned, check_rows=False)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate)
        self.inputs = torch.randn(TASKS * ROWS, 4, generator=generator)
        self.returns = torch.randn(TASKS * ROWS, DISCOUNTS, generator=generator)
        self.generator = torch.Generator().manual_seed(1)
        self.read: Tensor

    def losses(self) -> Tensor:
        outputs = self.trunk(self.inputs).reshape(-1, DISCOUNTS, self.target.num_outputs)
        if self.target.linear:
            outputs = self.affine(outputs.squeeze(-1), ROW_TASK)[..., None]
        self.read = self.rescaling.denormalise(self.target.decode(outputs.detach()), ROW_TASK)
        row = self.target.loss(outputs, self.rescaling.normalise(self.returns, ROW_TASK))
        return row.reshape(TASKS, -1).mean(dim=1)

    def update(self) -> float:
        self.optimizer.zero_grad()
        affines = [self.affine] if self.target.linear else []
        discounts = torch.zeros_like(self.returns)
        self.rescaling.observe_returns(self.returns, ROW_TASK, affines, rewards=self.returns[:, 0], discounts=discounts)
        with self.gradients:
            loss_k = self.losses()
        scales = self.rescaling.loss_scales(IDS, loss_k.detach(), generator=self.generator)
        self.gradients.backward(loss_k * scales)
        gram_kk = self.gradients.gramian()
        if self.strategy.needs == "jacobian":
            jacobian = self.gradients.jacobian()
            update = self.strategy.combine(jacobian, task_ids=IDS, generator=self.generator)
            self.gradients.accumulate_update(update)
        else:
            self.gradients.accumulate(self.strategy.weights(gram_kk, task_ids=IDS, generator=self.generator))
        self.optimizer.step()
        with torch.no_grad():
            after = self.losses() if self.rescaling.needs_losses_after else None
        self.rescaling.observe_update(IDS, loss_k.detach(), gram_kk.diagonal().clamp_min(0).sqrt(), after)
        return float((self.read - self.returns).square().mean())

    def state(self) -> dict[str, Any]:
        parts = {"model": self.model, "rescaling": self.rescaling, "strategy": self.strategy, "opt": self.optimizer}
        found: dict[str, Any] = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
        return {**found, "generator": self.generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.rescaling.load_state_dict(state["rescaling"])
        self.strategy.load_state_dict(state["strategy"])
        self.optimizer.load_state_dict(state["opt"])
        self.generator.set_state(state["generator"])


@pytest.mark.parametrize(("rescaling", "strategy"), [*product(RESCALINGS, STRATEGIES)])
def test_all_compose_and_a_restored_state_goes_on_to_the_same_bits(rescaling: str, strategy: str) -> None:
    for value in VALUE_TARGETS:
        first, second = (Learner(rescaling, strategy, value) for _ in range(2))
        start = [parameter.detach().clone() for parameter in first.trunk.parameters()]
        first.update()
        second.restore(first.state())
        assert first.update() == second.update(), value
        for before, one, two in zip(start, first.trunk.parameters(), second.trunk.parameters(), strict=True):
            assert torch.isfinite(one).all(), value
            assert not torch.equal(one, before), value
            assert torch.equal(one, two), value


LEARNERS = {
    *product(RESCALINGS, ["mean"], ["regression", "two-hot"]),
    *product(["none"], STRATEGIES, ["two-hot"]),
    *product(["none"], ["mean"], VALUE_TARGETS),
}


@pytest.mark.parametrize(("rescaling", "strategy", "value"), sorted(LEARNERS))
def test_each_part_learns(rescaling: str, strategy: str, value: str) -> None:
    learner = Learner(rescaling, strategy, value, rate=0.03)
    errors = [learner.update() for _ in range(40)]
    assert errors[-1] < 0.8 * errors[0]
