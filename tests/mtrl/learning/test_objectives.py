"""Objectives against numbers worked out by hand."""

import pytest
import torch

from mtrl.learning.objectives import filtered_imitation, imitated, mean_by_task


def test_only_actions_that_beat_the_policy_are_imitated() -> None:
    keep = imitated(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.0]]))
    assert keep.tolist() == [[True, False]]
    loss = filtered_imitation(torch.tensor([[-2.0, -7.0]], requires_grad=True), keep)
    assert loss.tolist() == [1.0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_filter_does_not_know_the_scale_of_the_returns(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    value, baseline = torch.randn(2, 50, 3, generator=generator)
    assert torch.equal(imitated(scale * value, scale * baseline), imitated(value, baseline))


def test_each_task_gets_the_mean_of_its_own_rows_and_a_task_without_rows_gets_nothing() -> None:
    loss = mean_by_task(torch.tensor([1.0, 3.0, 10.0]), torch.tensor([0, 0, 2]), 3)
    assert loss.tolist() == [2.0, 0.0, 10.0]
