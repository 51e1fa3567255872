"""The example that the README quotes runs, and everything composes with everything."""

import textwrap
from itertools import product

import pytest
import torch
from torch import nn

import conflict
from conflict.engine.task_gradients import TaskGradients
from conflict.registry import (
    RESCALINGS,
    STRATEGIES,
    VALUE_TARGETS,
    make_rescaling,
    make_strategy,
    make_value_target,
)
from conflict.rescaling.task_affine import TaskAffine


def test_the_example_in_the_docstring_runs_and_learns() -> None:
    block = (conflict.__doc__ or "").split("::\n\n")[1].split("\n\nImporting")[0]
    space: dict[str, object] = {}
    exec(textwrap.dedent(block), space)
    targets, losses = space["targets"], space["losses"]
    assert isinstance(targets, torch.Tensor)
    assert isinstance(losses, torch.Tensor)
    assert losses.mean() < 0.95 * targets.square().mean()


def test_every_name_offered_by_the_package_is_there() -> None:
    assert all(getattr(conflict, name) is not None for name in conflict.__all__)
    assert dir(conflict) == sorted(conflict.__all__)
    with pytest.raises(AttributeError, match="no attribute 'PCGard'"):
        conflict.PCGard  # noqa: B018


def train(strategy: str, rescaling: str, value: str, updates: int) -> list[float]:
    """Errors of a small model over some updates on three tasks."""
    torch.manual_seed(0)
    tasks, rows, discounts = 3, 8, 2
    combine = make_strategy(strategy, tasks)
    scale = make_rescaling(rescaling, num_tasks=tasks, value_shape=(discounts,))
    target = make_value_target(value)
    trunk = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, discounts * target.num_outputs))
    affine = TaskAffine(scale.num_groups, discounts)
    model = nn.ModuleList([trunk, affine])
    owned = list(affine.parameters()) if affine.num_tasks > 1 else []
    gradients = TaskGradients(model, num_tasks=tasks, owned=owned, check_rows=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    inputs, returns = torch.randn(tasks * rows, 4), torch.randn(tasks * rows, discounts)
    row_task, task_ids = torch.arange(tasks).repeat_interleave(rows), torch.arange(tasks)
    generator = torch.Generator().manual_seed(0)
    errors = []
    for _ in range(updates):
        optimizer.zero_grad()
        scale.observe_returns(
            returns,
            row_task,
            [affine] if target.linear else [],
            rewards=returns[:, 0],
            discounts=torch.full_like(returns, 0.9),
        )
        with gradients:
            outputs = trunk(inputs).reshape(-1, discounts, target.num_outputs)
            if target.linear:
                outputs = affine(outputs.squeeze(-1), row_task)[..., None]
            loss_k = target.loss(outputs, scale.normalise(returns, row_task)).reshape(tasks, -1).mean(dim=1)
        scales = scale.loss_scales(task_ids, loss_k.detach(), generator=generator)
        gradients.backward(loss_k * scales)
        gram_kk = gradients.gramian()
        if combine.needs == "jacobian":
            update = combine.combine(gradients.jacobian(), task_ids=task_ids, generator=generator)
            gradients.accumulate_update(update)
        else:
            gradients.accumulate(combine.weights(gram_kk, task_ids=task_ids, generator=generator))
        scale.observe_update(task_ids, loss_k.detach(), gram_kk.diagonal().sqrt())
        optimizer.step()
        read = scale.denormalise(target.decode(outputs.detach()), row_task)
        errors.append(float((read - returns).square().mean()))
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    return errors


@pytest.mark.parametrize(("strategy", "rescaling"), [*product(STRATEGIES, RESCALINGS)])
def test_every_strategy_rescaling_and_value_target_compose(strategy: str, rescaling: str) -> None:
    for value in VALUE_TARGETS:
        errors = train(strategy, rescaling, value, updates=2)
        assert errors[1] != errors[0], value
    assert errors == train(strategy, rescaling, value, updates=2), "the same seed gave other bits"


@pytest.mark.parametrize("value", VALUE_TARGETS)
@pytest.mark.parametrize(
    ("strategy", "rescaling"), [*((name, "none") for name in STRATEGIES), *(("mean", name) for name in RESCALINGS)]
)
def test_every_method_learns(strategy: str, rescaling: str, value: str) -> None:
    errors = train(strategy, rescaling, value, updates=40)
    assert errors[-1] < 0.8 * errors[0]
