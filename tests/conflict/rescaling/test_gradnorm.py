"""GradNorm by hand, against its own loss, and on tasks of very different scale."""

import pytest
import torch

from conflict.rescaling.gradnorm import GradNorm, gradnorm_gradient
from conflict.rescaling.options import GradNormOptions


def scales_of(rescaling: GradNorm, task_ids: torch.Tensor) -> torch.Tensor:
    return rescaling.loss_scales(task_ids, torch.ones(len(task_ids)))


def test_the_gradient_is_that_of_the_papers_loss() -> None:
    raw = torch.tensor([3.0, 0.2, 1.0], dtype=torch.float64)
    ratios = torch.tensor([0.5, 1.5, 0.9], dtype=torch.float64)
    weights = torch.tensor([0.5, 1.5, 1.0], dtype=torch.float64, requires_grad=True)
    norms = weights * raw
    target = (norms.mean() * (ratios / ratios.mean()) ** 0.7).detach()
    (expected,) = torch.autograd.grad((norms - target).abs().sum(), weights)
    found = gradnorm_gradient(norms.detach(), weights.detach(), ratios, alpha=0.7)
    torch.testing.assert_close(found, expected)


def test_one_step_by_hand() -> None:
    rescaling = GradNorm(2, options=GradNormOptions(learning_rate=0.1))
    rescaling.observe_update(torch.arange(2), torch.tensor([5.0, 7.0]), torch.tensor([3.0, 1.0]))
    # first losses: ratios 1, target 2; steps of log w: -0.1 * 3/2 and +0.1 * 1/2; then the sum is made 2
    new = torch.tensor([-0.15, 0.05]).exp()
    torch.testing.assert_close(scales_of(rescaling, torch.arange(2)), 2 * new / new.sum())


def test_a_task_that_trains_slower_than_the_rest_gains_weight() -> None:
    rescaling = GradNorm(2)
    norms = torch.ones(2)
    rescaling.observe_update(torch.arange(2), torch.tensor([1.0, 100.0]), norms)
    rescaling.observe_update(torch.arange(2), torch.tensor([0.1, 90.0]), norms)
    scales = scales_of(rescaling, torch.arange(2))
    assert scales[1] > scales[0]


def test_gradient_norms_are_equalised_and_the_weights_sum_to_the_number_of_tasks() -> None:
    rescaling, raw = GradNorm(4), torch.tensor([1000.0, 10.0, 1.0, 0.1])
    ids = torch.arange(4)
    for _ in range(1500):
        rescaling.observe_update(ids, torch.ones(4), scales_of(rescaling, ids) * raw)
    norms = scales_of(rescaling, ids) * raw
    assert norms.max() / norms.min() < 1.2
    assert float(scales_of(rescaling, ids).sum()) == pytest.approx(4.0, rel=1e-4)


def test_the_scale_of_all_losses_has_no_influence() -> None:
    small, large = GradNorm(3), GradNorm(3)
    losses, norms = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.1, 2.0])
    for _ in range(5):
        small.observe_update(torch.arange(3), losses, norms)
        large.observe_update(torch.arange(3), 1e4 * losses, 1e4 * norms)
    torch.testing.assert_close(scales_of(small, torch.arange(3)), scales_of(large, torch.arange(3)))


def test_tasks_outside_of_the_batch_keep_their_weight_and_the_sum_is_kept() -> None:
    rescaling = GradNorm(4)
    rescaling.observe_update(torch.tensor([3, 1]), torch.tensor([1.0, 1.0]), torch.tensor([5.0, 1.0]))
    scales = scales_of(rescaling, torch.arange(4))
    assert scales[0] == scales[2] == 1.0
    assert scales[3] < 1.0 < scales[1]
    assert float(scales.sum()) == pytest.approx(4.0)


def test_first_losses_are_recorded_at_first_sight_of_each_task() -> None:
    rescaling = GradNorm(3)
    rescaling.observe_update(torch.tensor([0, 1]), torch.tensor([2.0, 4.0]), torch.ones(2))
    rescaling.observe_update(torch.tensor([1, 2]), torch.tensor([1.0, 8.0]), torch.ones(2))
    torch.testing.assert_close(rescaling.first_losses, torch.tensor([2.0, 4.0, 8.0]))


def test_zero_gradients_change_nothing() -> None:
    rescaling = GradNorm(2)
    rescaling.observe_update(torch.arange(2), torch.ones(2), torch.zeros(2))
    torch.testing.assert_close(scales_of(rescaling, torch.arange(2)), torch.ones(2))


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan")])
def test_losses_that_are_not_positive_are_refused_and_the_task_is_named(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"positive losses, got \{5: "):
        GradNorm(6).observe_update(torch.tensor([2, 5]), torch.tensor([1.0, wrong]), torch.ones(2))


def test_missing_norms_are_refused() -> None:
    with pytest.raises(ValueError, match="needs the norms"):
        GradNorm(2).observe_update(torch.arange(2), torch.ones(2), None)
