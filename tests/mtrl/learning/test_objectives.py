"""Objectives against numbers worked out by hand."""

import math

import pytest
import torch

from mtrl.learning.objectives import (
    exponential_filter,
    filtered_imitation,
    imitated,
    mean_by_task,
    standardised_by_task,
)


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


def test_the_exponential_filter_counts_what_is_better_more_and_nothing_more_than_twenty_times() -> None:
    weight = exponential_filter(torch.tensor([[0.0, 1.0], [-2.0, 50.0]]), temperature=0.5)
    torch.testing.assert_close(weight, torch.tensor([[1.0, math.exp(2.0)], [math.exp(-4.0), 20.0]]))
    loss = filtered_imitation(torch.tensor([[-1.0, -3.0]]), torch.tensor([[2.0, 0.5]]))
    assert loss.tolist() == [1.75]


def test_advantages_are_standardised_by_task_whatever_their_scale() -> None:
    values = torch.tensor([[1.0, 5.0], [3.0, 5.0], [-200.0, 0.0], [200.0, 4.0]])
    found = standardised_by_task(values, torch.tensor([0, 0, 2, 2]), 3)
    torch.testing.assert_close(found, torch.tensor([[-1.0, 0.0], [1.0, 0.0], [-1.0, -1.0], [1.0, 1.0]]))
    together = standardised_by_task(values, torch.zeros(4, dtype=torch.int64), 1)
    torch.testing.assert_close(together, (values - values.mean(dim=0)) / values.std(dim=0, correction=0))


def test_each_task_gets_the_mean_of_its_own_rows_and_a_task_without_rows_gets_nothing() -> None:
    loss = mean_by_task(torch.tensor([1.0, 3.0, 10.0]), torch.tensor([0, 0, 2]), 3)
    assert loss.tolist() == [2.0, 0.0, 10.0]
