"""Per-task gradients of every mixture are those of separate backward passes."""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conflict.engine.reference import reference_jacobian
from conflict.engine.rows import task_rows
from conflict.engine.task_gradients import TaskGradients
from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.experts.registry import MIXTURES
from tests.mtrl.agent.experts.builders import EVERY, TASKS, WIDTH, build, draws, features


class Network(nn.Module):
    """A mixture between two linear layers, as a network has it."""

    def __init__(self, mixture: Mixture) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.before, self.mixture, self.after = nn.Linear(WIDTH, WIDTH), mixture, nn.Linear(WIDTH, 2)
        self.double()

    def losses(self, x: Tensor, sizes: Sequence[int], exists: Tensor | None) -> Tensor:
        """One loss a task, of outputs and the auxiliary losses of its rows."""
        task = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        features = torch.tanh(self.before(x))
        mixed, routing = self.mixture(features, task, exists=exists, generator=draws())
        rows = self.after(features + mixed).sin().sum(dim=1) + 10.0 * routing.loss
        rows = rows if exists is None else rows * exists
        return torch.stack([(k + 1.0) * part.sum() for k, part in enumerate(rows.split(list(sizes)))])


def compare(network: Network, sizes: Sequence[int], memory: Any, exists: Tensor | None = None) -> None:
    parameters = list(network.parameters())
    x = features(sum(sizes))
    gradients = TaskGradients(network, num_tasks=len(sizes), memory=memory)
    expected = reference_jacobian(network.losses(x, sizes, exists), parameters)
    assert all(expected[k].any() == (size > 0) for k, size in enumerate(sizes))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an operation without a rule would warn
        with gradients, nullcontext() if len(set(sizes)) == 1 else task_rows(sizes):
            losses = network.losses(x, sizes, exists)
        gradients.backward(losses)
    torch.testing.assert_close(gradients.gramian(), expected @ expected.T, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradients.jacobian(), expected, rtol=1e-9, atol=1e-10)
    weights = torch.linspace(1, 2, len(sizes), dtype=torch.float64)
    gradients.accumulate(weights)
    found = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
    torch.testing.assert_close(found, weights @ expected, rtol=1e-9, atol=1e-10)
    assert set(gradients.path.values()) == {"rule"}


@pytest.mark.parametrize("sizes", [(8, 8, 8), (5, 0, 9), (1, 12, 2)], ids=str)
@pytest.mark.parametrize(("name", "routed_by"), EVERY)
def test_task_gradients_are_those_of_separate_passes(name: str, routed_by: str, sizes: tuple[int, ...]) -> None:
    compare(Network(build(name, routed_by=routed_by, capacity=0.75, router_noise=0.3)), sizes, "jacobian")


@pytest.mark.parametrize("memory", ["layerwise", "chunked"])
@pytest.mark.parametrize("name", MIXTURES)
def test_so_they_are_when_they_are_not_kept(name: str, memory: str) -> None:
    compare(Network(build(name)), (5, 0, 9), memory)


@pytest.mark.parametrize("sizes", [(8, 8, 8), (5, 7, 9)], ids=str)
@pytest.mark.parametrize("name", MIXTURES)
def test_so_they_are_with_padding(name: str, sizes: tuple[int, ...]) -> None:
    exists = torch.rand(sum(sizes), generator=draws(5)) < 0.7
    compare(Network(build(name, capacity=0.75)), sizes, "jacobian", exists)


@pytest.mark.parametrize("experts", [(0, 0), (1, 3), (3, 3)])
def test_experts_that_no_row_visits_have_none(experts: tuple[int, int]) -> None:
    """Of four, one choice each."""
    mixture = build("top-k", chosen_experts=1, routed_by="task", capacity=0)
    with torch.no_grad():
        mixture.router.task.weight[:] = 0.0
        for task, expert in enumerate(experts):
            mixture.router.task.weight[task, expert] = 5.0
    network = Network(mixture)
    compare(network, (6, 4), "jacobian")
    visited = sorted(set(experts))
    for key, parameter in mixture.experts.named_parameters():
        assert parameter.grad is not None, key
        assert sorted(parameter.grad.flatten(1).any(dim=1).nonzero().flatten().tolist()) == visited


def test_unseen_tasks_have_a_part_in_the_whole_table() -> None:
    mixture = build("paco")
    network = Network(mixture)
    x, task = features(8), torch.tensor([0, 0, 0, 0, TASKS, TASKS, TASKS, TASKS])

    def losses() -> Tensor:
        out, _ = mixture(network.before(x), task)
        return out.square().sum(dim=1).view(2, 4).sum(dim=1)

    expected = reference_jacobian(losses(), mixture.parameters())
    gradients = TaskGradients(mixture, num_tasks=2)
    with gradients:
        found = losses()
    gradients.backward(found)
    torch.testing.assert_close(gradients.jacobian(), expected, rtol=1e-9, atol=1e-10)
