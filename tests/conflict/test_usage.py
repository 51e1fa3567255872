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


@pytest.mark.parametrize(("strategy", "rescaling", "value"), [*product(STRATEGIES, RESCALINGS, VALUE_TARGETS)])
def test_every_strategy_rescaling_and_value_target_compose(strategy: str, rescaling: str, value: str) -> None:
    tasks, rows, discounts = 3, 8, 2
    combine = make_strategy(strategy, tasks)
    scale = make_rescaling(rescaling, num_tasks=tasks, value_shape=(discounts,))
    target = make_value_target(value)
    trunk = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, discounts * target.num_outputs))
    affine = TaskAffine(scale.num_groups, discounts)
    model = nn.ModuleList([trunk, affine])
    owned = list(affine.parameters()) if affine.num_tasks > 1 else []
    gradients = TaskGradients(model, num_tasks=tasks, owned=owned)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    inputs, returns = torch.randn(tasks * rows, 4), torch.randn(tasks * rows, discounts)
    row_task, task_ids = torch.arange(tasks).repeat_interleave(rows), torch.arange(tasks)
    generator = torch.Generator().manual_seed(0)
    history = []
    for _ in range(12):
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
        gradients.backward(loss_k * scale.loss_scales(task_ids, loss_k.detach().abs() + 1.0))
        gram_kk = gradients.gramian()
        if combine.needs == "jacobian":
            update = combine.combine(gradients.jacobian(), task_ids=task_ids, generator=generator)
            gradients.accumulate_update(update)
        else:
            gradients.accumulate(combine.weights(gram_kk, task_ids=task_ids, generator=generator))
        scale.observe_update(task_ids, loss_k.detach(), gram_kk.diagonal().sqrt())
        optimizer.step()
        read = scale.denormalise(target.decode(outputs.detach()), row_task)
        history.append(float((read - returns).square().mean()))
    assert history[-1] < 0.8 * history[0]
