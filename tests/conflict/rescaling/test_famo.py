"""FAMO by hand, against autograd, and on a problem where it balances the rates at which losses fall."""

import pytest
import torch

from conflict.rescaling.famo import FAMO, famo_gradient
from conflict.rescaling.geometric import Geometric
from conflict.rescaling.options import FAMOOptions

IDS = torch.arange(3)
LOSSES = torch.tensor([2.0, 0.5, 1.0], dtype=torch.float64)


def test_scales_are_equation_11_times_the_number_of_tasks() -> None:
    rescaling = FAMO(3)
    rescaling.logits.copy_(torch.tensor([0.3, -0.2, 1.0]))
    z = rescaling.logits.softmax(dim=0)
    c = 1 / (z / LOSSES).sum()
    torch.testing.assert_close(rescaling.loss_scales(IDS, LOSSES), 3 * c * z / LOSSES)


def test_it_begins_as_the_geometric_mean() -> None:
    torch.testing.assert_close(FAMO(3).loss_scales(IDS, LOSSES), Geometric(3).loss_scales(IDS, LOSSES))


def test_the_gradient_is_that_of_equation_10() -> None:
    logits = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64, requires_grad=True)
    after = torch.tensor([1.0, 0.6, 0.9], dtype=torch.float64)
    fall = LOSSES.log() - after.log()
    (expected,) = torch.autograd.grad(logits.softmax(dim=0) @ fall, logits)
    torch.testing.assert_close(famo_gradient(logits.detach(), LOSSES, after), expected)


def test_several_steps_are_those_of_adam_with_the_papers_decay() -> None:
    rescaling = FAMO(3, options=FAMOOptions(learning_rate=0.025, decay=0.01))
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.025, weight_decay=0.01)
    for step in range(10):
        after = LOSSES * torch.tensor([0.9, 0.99, 1.1 - 0.05 * step])
        optimizer.zero_grad()
        (logits.softmax(dim=0) @ (LOSSES.log() - after.log())).backward()
        optimizer.step()
        rescaling.observe_update(IDS, LOSSES, None, after)
    torch.testing.assert_close(rescaling.logits, logits.detach())


def test_a_task_whose_loss_fell_faster_loses_weight() -> None:
    rescaling = FAMO(3)
    rescaling.observe_update(IDS, LOSSES, None, LOSSES * torch.tensor([0.1, 0.9, 0.9]))
    ones = torch.ones(3, dtype=torch.float64)
    scales = rescaling.loss_scales(IDS, ones)
    assert scales[0] < 1.0 < scales[1]
    torch.testing.assert_close(scales[1], scales[2])


def test_with_conflicting_tasks_the_log_losses_fall_at_nearer_rates_than_under_the_mean() -> None:
    """Two distances to points that lie apart: the mean serves the far one alone."""
    points, ids = torch.tensor([[3.0, 1.0], [-0.3, 1.0]], dtype=torch.float64), torch.arange(2)

    def difference_of_rates(rescaling: FAMO | None) -> float:
        x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        history = []
        for _ in range(300):
            losses = (x - points).square().sum(dim=1)
            scales = torch.ones(2) if rescaling is None else rescaling.loss_scales(ids, losses.detach())
            (gradient,) = torch.autograd.grad((scales * losses).mean(), x)
            with torch.no_grad():
                x -= 0.003 * gradient
                if rescaling is not None:
                    rescaling.observe_update(ids, losses.detach(), None, (x - points).square().sum(dim=1))
            history.append(losses.detach().log())
        fall = history[200] - history[299]
        return float((fall[0] - fall[1]).abs())

    assert difference_of_rates(FAMO(2, options=FAMOOptions(decay=1e-5))) < 0.1 * difference_of_rates(None)


@pytest.mark.parametrize("wrong", [0.0, -1.0])
def test_losses_after_the_step_must_be_positive_too(wrong: float) -> None:
    with pytest.raises(ValueError, match=rf"FAMO needs positive losses, got \{{1: {wrong}\}}"):
        FAMO(3).observe_update(IDS, LOSSES, None, torch.tensor([1.0, wrong, 1.0]))


def test_missing_losses_after_the_step_are_refused() -> None:
    with pytest.raises(ValueError, match="after the optimizer's step, got None"):
        FAMO(3).observe_update(IDS, LOSSES)
