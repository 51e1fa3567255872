"""What every registered rescaling must satisfy."""

import pytest
import torch

from conflict.registry import RESCALINGS, make_rescaling
from conflict.rescaling.rescaling import Rescaling
from conflict.rescaling.task_affine import TaskAffine

pytestmark = pytest.mark.parametrize("name", RESCALINGS)
TASKS, ROWS, VALUES = 4, 64, 3


def live(rescaling: Rescaling, updates: int = 5) -> None:
    """Let it see some updates over changing subsets of the tasks."""
    generator = torch.Generator().manual_seed(0)
    affine = TaskAffine(rescaling.num_groups, VALUES, leading=(2,))
    for update in range(updates):
        task_ids = torch.tensor([update % TASKS, (update + 1) % TASKS])
        losses = torch.rand(2, generator=generator) + 0.1
        rescaling.observe_update(task_ids, losses, 10 * torch.rand(2, generator=generator))
        returns = 100 * torch.randn(ROWS, VALUES, generator=generator)
        rescaling.observe_returns(returns, task_ids.repeat_interleave(ROWS // 2), [affine])


def test_loss_scales_are_positive_detached_and_one_a_task(name: str) -> None:
    rescaling = make_rescaling(name, num_tasks=TASKS, value_shape=(VALUES,))
    live(rescaling)
    scales = rescaling.loss_scales(torch.tensor([2, 0]))
    assert scales.shape == (2,)
    assert bool((scales > 0).all())
    assert not scales.requires_grad


def test_loss_scales_begin_at_one(name: str) -> None:
    rescaling = make_rescaling(name, num_tasks=TASKS, value_shape=(VALUES,))
    torch.testing.assert_close(rescaling.loss_scales(torch.arange(TASKS)), torch.ones(TASKS))


def test_denormalise_inverts_normalise(name: str) -> None:
    rescaling = make_rescaling(name, num_tasks=TASKS, value_shape=(VALUES,))
    live(rescaling)
    returns, row_task = 1000 * torch.randn(ROWS, VALUES).double(), torch.arange(ROWS) % TASKS
    back = rescaling.denormalise(rescaling.normalise(returns, row_task).expand(2, -1, -1), row_task)
    torch.testing.assert_close(back, returns.expand(2, -1, -1))


def test_state_survives_a_round_trip(name: str) -> None:
    first, second = (make_rescaling(name, num_tasks=TASKS, value_shape=(VALUES,)) for _ in range(2))
    live(first)
    second.load_state_dict(first.state_dict())
    live(first, updates=3)
    live(second, updates=3)
    row_task, returns = torch.arange(ROWS) % TASKS, torch.randn(ROWS, VALUES)
    assert torch.equal(first.loss_scales(torch.arange(TASKS)), second.loss_scales(torch.arange(TASKS)))
    assert torch.equal(first.normalise(returns, row_task), second.normalise(returns, row_task))


def test_a_rescaling_needs_a_task(name: str) -> None:
    with pytest.raises(ValueError, match="num_tasks >= 1"):
        make_rescaling(name, num_tasks=0)
