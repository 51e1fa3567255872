"""What every registered rescaling must satisfy."""

import pytest
import torch
from torch import Tensor

from conflict.registry import RESCALINGS, make_rescaling
from conflict.rescaling.rescaling import Rescaling
from conflict.rescaling.task_affine import TaskAffine

pytestmark = pytest.mark.parametrize("name", RESCALINGS)
TASKS, ROWS, VALUES = 4, 64, 3


def made(name: str) -> Rescaling:
    return make_rescaling(name, num_tasks=TASKS, value_shape=(VALUES,))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def live(rescaling: Rescaling, updates: int = 5, order: Tensor | None = None, affine: TaskAffine | None = None) -> None:
    """Let it see some updates over changing subsets of the tasks; ``order`` renames the tasks."""
    draws = generator()
    names = torch.arange(TASKS) if order is None else order
    affine = affine or TaskAffine(rescaling.num_groups, VALUES, leading=(2,))
    for update in range(updates):
        task_ids = names[torch.tensor([update % TASKS, (update + 1) % TASKS])]
        losses, norms = torch.rand(2, generator=draws) + 0.1, 10 * torch.rand(2, generator=draws)
        rescaling.loss_scales(task_ids, losses, generator=generator(update))
        rescaling.observe_update(task_ids, losses, norms, 0.9 * losses)
        returns = 100 * torch.randn(ROWS, VALUES, generator=draws)
        rescaling.observe_returns(
            returns,
            task_ids.repeat_interleave(ROWS // 2),
            [affine],
            rewards=torch.randn(ROWS, generator=draws),
            discounts=(torch.rand(ROWS, VALUES, generator=draws) > 0.1).float(),
        )


LOSSES = torch.tensor([0.5, 3.0, 1.0, 0.01])


def test_loss_scales_are_positive_detached_and_average_to_one(name: str) -> None:
    rescaling = made(name)
    for _ in range(3):
        for ids in ([2, 0], [0, 1, 2, 3], [1]):
            losses = LOSSES[ids].requires_grad_()
            scales = rescaling.loss_scales(torch.tensor(ids), losses, generator=generator())
            assert scales.shape == (len(ids),) and scales.dtype == losses.dtype
            assert bool((scales > 0).all())
            assert float(scales.mean()) == pytest.approx(1.0, rel=1e-5)
            assert not scales.requires_grad
        live(rescaling)


def test_tasks_that_look_alike_weigh_alike(name: str) -> None:
    if name == "rlw":
        pytest.skip("its weights are random")
    rescaling, ids = made(name), torch.arange(TASKS)
    for _ in range(5):
        scales = rescaling.loss_scales(ids, torch.full((TASKS,), 0.7))
        torch.testing.assert_close(scales, torch.ones(TASKS))
        rescaling.observe_update(ids, torch.full((TASKS,), 0.7), torch.full((TASKS,), 3.0), torch.full((TASKS,), 0.6))


def test_the_order_of_the_tasks_does_not_matter(name: str) -> None:
    if name == "rlw":
        pytest.skip("its weights are random")
    order = torch.tensor([2, 0, 3, 1])
    first, second = made(name), made(name)
    live(first)
    live(second, order=order)
    ids = torch.arange(TASKS)
    torch.testing.assert_close(first.loss_scales(ids, LOSSES), second.loss_scales(order, LOSSES))


def test_tasks_outside_of_a_batch_keep_their_state(name: str) -> None:
    rescaling = made(name)
    live(rescaling)
    before = {key: value.clone() for key, value in rescaling.state_dict().items()}
    ids = torch.tensor([0, 2])
    rescaling.loss_scales(ids, LOSSES[ids], generator=generator())
    rescaling.observe_update(ids, LOSSES[ids], torch.ones(2), LOSSES[ids])
    for key, value in rescaling.state_dict().items():
        if value.dim() and value.shape[0] == TASKS:
            assert torch.equal(value[[1, 3]], before[key][[1, 3]]), key


def test_denormalise_inverts_normalise(name: str) -> None:
    rescaling = made(name)
    live(rescaling)
    returns, row_task = 1000 * torch.randn(ROWS, VALUES).double(), torch.arange(ROWS) % TASKS
    back = rescaling.denormalise(rescaling.normalise(returns, row_task).expand(2, -1, -1), row_task)
    torch.testing.assert_close(back, returns.expand(2, -1, -1))


def test_the_values_of_a_head_stay_while_statistics_move(name: str) -> None:
    rescaling = made(name)
    affine = TaskAffine(rescaling.num_groups, VALUES, leading=(2,)).double()
    features, row_task = torch.randn(2, ROWS, VALUES).double(), torch.arange(ROWS) % TASKS
    before = rescaling.denormalise(affine(features, row_task), row_task)
    live(rescaling, affine=affine)
    torch.testing.assert_close(rescaling.denormalise(affine(features, row_task), row_task), before)


def test_state_survives_a_round_trip(name: str) -> None:
    first, second = made(name), made(name)
    live(first)
    second.load_state_dict(first.state_dict())
    live(first, updates=3)
    live(second, updates=3)
    row_task, returns, ids = torch.arange(ROWS) % TASKS, torch.randn(ROWS, VALUES), torch.arange(TASKS)
    scales = [r.loss_scales(ids, LOSSES, generator=generator()) for r in (first, second)]
    assert torch.equal(*scales)
    assert torch.equal(first.normalise(returns, row_task), second.normalise(returns, row_task))


def test_losses_that_are_not_positive_are_refused_where_they_must_be(name: str) -> None:
    rescaling, ids, losses = made(name), torch.tensor([2, 3]), torch.tensor([1.0, -0.5])
    if rescaling.needs_positive_losses:
        with pytest.raises(ValueError, match=r"needs positive losses, got \{3: -0\.5\}"):
            rescaling.loss_scales(ids, losses)
        with pytest.raises(ValueError, match=r"needs positive losses, got \{3: -0\.5\}"):
            rescaling.observe_update(ids, losses, torch.ones(2), torch.ones(2))
    else:
        assert torch.isfinite(rescaling.loss_scales(ids, losses)).all()


def test_what_is_missing_is_refused_where_it_is_needed(name: str) -> None:
    rescaling, ids, ones = made(name), torch.arange(2), torch.ones(2)
    if rescaling.needs_gradient_norms:
        with pytest.raises(ValueError, match="needs the norms"):
            rescaling.observe_update(ids, ones, None, ones)
    elif rescaling.needs_losses_after:
        with pytest.raises(ValueError, match="after the optimizer's step, got None"):
            rescaling.observe_update(ids, ones, ones)
    else:
        rescaling.observe_update(ids, ones)


def test_a_rescaling_needs_a_task(name: str) -> None:
    with pytest.raises(ValueError, match="num_tasks >= 1"):
        make_rescaling(name, num_tasks=0)
