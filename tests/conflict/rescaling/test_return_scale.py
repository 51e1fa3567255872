"""Scales of returns against their definitions."""

import pytest
import torch

from conflict.registry import make_rescaling
from conflict.rescaling.options import MaxReturnOptions
from conflict.rescaling.return_scale import MaxReturn, ReturnScale


def test_the_scale_is_that_of_schauls_equation() -> None:
    rescaling = ReturnScale(2, (1,))
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(400, generator=generator).double() * 3
    ended = torch.rand(400, generator=generator) < 0.2
    discounts = (0.9 * (~ended).double())[:, None]
    returns = 10 * torch.randn(400, 1, generator=generator).double()
    row_task = torch.zeros(400, dtype=torch.long)
    rescaling.observe_returns(returns, row_task, rewards=rewards, discounts=discounts)
    expected = (rewards.var(correction=0) + discounts.var(correction=0) * returns.square().mean()).sqrt()
    torch.testing.assert_close(rescaling.scale[0, 0], expected)
    assert float(rescaling.scale[1, 0]) == 1.0
    torch.testing.assert_close(rescaling.normalise(returns, row_task), returns / expected)


@pytest.mark.parametrize("name", ["return-scale", "max-return"])
def test_normalised_returns_do_not_know_the_scale_of_the_rewards(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    rewards, returns = torch.randn(50, generator=generator).double(), torch.randn(50, 3, generator=generator).double()
    discounts = (torch.rand(50, 3, generator=generator) > 0.3).double()
    row_task, found = torch.arange(50) % 2, []
    for scale in (1.0, 1000.0):
        rescaling = make_rescaling(name, num_tasks=2, value_shape=(3,))
        rescaling.observe_returns(scale * returns, row_task, rewards=scale * rewards, discounts=discounts)
        found.append(rescaling.normalise(scale * returns, row_task))
    torch.testing.assert_close(found[0], found[1])


def test_return_scale_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="needs the rewards and the discounts"):
        ReturnScale(1).observe_returns(torch.ones(3, 1), torch.zeros(3, dtype=torch.long))


def test_the_largest_return_of_each_task_is_remembered() -> None:
    rescaling = MaxReturn(3, (1,))
    for values in ([[2.0], [-5.0], [1.0]], [[3.0], [1.0], [0.5]]):
        rescaling.observe_returns(torch.tensor(values), torch.tensor([0, 0, 1]))
    assert rescaling.scale.flatten().tolist() == [5.0, 1.0, 1.0]


@pytest.mark.parametrize("reward", [-1.0, 0.1])
def test_the_same_reward_in_every_step_leaves_the_scale_that_it_began_with(reward: float) -> None:
    """As in a task that costs 1 a step until it is solved for the first time: the equation gives 0."""
    rescaling, task = ReturnScale(1), torch.zeros(8, dtype=torch.long)
    rewards, discounts = torch.full((8,), reward), torch.full((8, 1), 0.6)
    rescaling.begin_returns(rewards, task, discounts)
    began = float(rescaling.scale)
    assert began == pytest.approx(abs(reward) * 1.25)
    for _ in range(3):
        rescaling.observe_returns(torch.randn(8, 1), task, rewards=rewards, discounts=discounts)
    assert float(rescaling.scale) == began


@pytest.mark.parametrize("name", ["popart", "return-scale", "max-return"])
def test_a_start_is_within_the_bounds_and_needs_rows(name: str) -> None:
    rescaling = make_rescaling(name, num_tasks=2)
    rescaling.begin_returns(torch.zeros(0), torch.zeros(0, dtype=torch.long), torch.zeros(0, 1))
    assert rescaling.awaits_rewards
    tasks = torch.tensor([0, 1])
    rescaling.begin_returns(torch.tensor([1e-9, 1e9]), tasks, torch.zeros(2, 1))
    assert not rescaling.awaits_rewards
    units = 1 / rescaling.normalise(torch.ones(2, 1, dtype=torch.float64), tasks)
    torch.testing.assert_close(units, torch.tensor([[1e-4], [1e6]], dtype=torch.float64))


@pytest.mark.parametrize("name", ["popart", "return-scale", "max-return"])
def test_a_task_that_ends_in_every_step_has_a_unit_of_its_own(name: str) -> None:
    rescaling, tasks = make_rescaling(name, num_tasks=2), torch.tensor([0, 0, 1, 1])
    rescaling.begin_returns(torch.ones(4), tasks, torch.tensor([[0.0], [0.0], [0.6], [0.0]]))
    units = 1 / rescaling.normalise(torch.ones(4, 1), tasks)
    assert units.flatten().tolist() == pytest.approx([1.0, 1.0, 1.25, 1.25])


def test_the_largest_return_of_a_task_that_is_not_in_the_batch_does_not_fade() -> None:
    rescaling = MaxReturn(2, (1,), MaxReturnOptions(decay=0.5))
    rescaling.observe_returns(torch.tensor([[4.0], [4.0]]), torch.tensor([0, 1]))
    rescaling.observe_returns(torch.tensor([[1.0]]), torch.tensor([0]))
    assert rescaling.scale.flatten().tolist() == [2.0, 4.0]
