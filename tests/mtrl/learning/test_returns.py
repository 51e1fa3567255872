"""Targets against sequences worked out by hand."""

import pytest
import torch

from mtrl.learning.returns import draw_members, lambda_targets


def test_targets_of_a_hand_worked_trial() -> None:
    """Four steps: an ordinary one, one that ends an attempt inside the trial, one that ends the trial, one cut off by
    a time limit."""
    reward = torch.tensor([1.0, 2.0, 3.0, 4.0])
    next_value = torch.tensor([[10.0, 100.0]]).expand(4, 2)
    terminated = torch.tensor([False, False, True, False])
    targets = lambda_targets(reward, terminated, next_value, torch.tensor([0.0, 0.5]), torch.arange(4), 0.0)
    assert targets.tolist() == [[1.0, 51.0], [2.0, 52.0], [3.0, 3.0], [4.0, 54.0]]


@pytest.mark.parametrize("trace", [0.0, 0.5, 1.0])
def test_a_discounted_return_is_the_fixed_point_of_its_targets(trace: float) -> None:
    """Rewards 1, 2, 3 and a termination, discount 0.5: returns 2.75, 3.5, 3."""
    returns = torch.tensor([[2.75], [3.5], [3.0]])
    following = torch.cat([returns[1:], torch.tensor([[1e9]])])
    targets = lambda_targets(
        torch.tensor([1.0, 2.0, 3.0]),
        torch.tensor([False, False, True]),
        following,
        torch.tensor([0.5]),
        torch.arange(3),
        trace,
    )
    torch.testing.assert_close(targets, returns)


def recursive(
    reward: list[float], ends: list[bool], value: list[float], place: list[int], gamma: float, trace: float
) -> list[float]:
    """Peng's Q(lambda) for one discount as its definition says it, one row at a time from the back."""
    targets: list[float] = []
    for i in reversed(range(len(reward))):
        follows = i + 1 < len(reward) and place[i + 1] == place[i] + 1
        after = (1 - trace) * value[i] + trace * targets[0] if follows else value[i]
        targets.insert(0, reward[i] + (0.0 if ends[i] else gamma * after))
    return targets


@pytest.mark.parametrize("trace", [0.3, 0.9, 1.0])
def test_lambda_targets_are_their_recursion_in_every_window(trace: float) -> None:
    """Windows of 4 steps, of 1 (a trial that ends at once), of 3 that end the trial, and of 2 with padding around."""
    generator = torch.Generator().manual_seed(0)
    place = [0, 1, 2, 3, 5, 7, 8, 9, 14, 15]
    ends = [i in (4, 7) for i in range(10)]
    reward, value = torch.randn(10, generator=generator), torch.randn(10, 2, generator=generator)
    discounts = torch.tensor([0.5, 0.99])
    targets = lambda_targets(reward, torch.tensor(ends), value, discounts, torch.tensor(place), trace)
    for d, gamma in enumerate(discounts.tolist()):
        expected = recursive(reward.tolist(), ends, value[:, d].tolist(), place, gamma, trace)
        torch.testing.assert_close(targets[:, d], torch.tensor(expected))


def test_with_lambda_one_a_window_that_ends_its_trial_gives_returns_whatever_the_values_say() -> None:
    targets = lambda_targets(
        torch.ones(3),
        torch.tensor([False, False, True]),
        torch.full((3, 1), 1e3),
        torch.tensor([0.5]),
        torch.arange(3),
        1.0,
    )
    torch.testing.assert_close(targets, torch.tensor([[1.75], [1.5], [1.0]]))


def test_no_rows_have_no_targets() -> None:
    none = torch.zeros(0)
    found = lambda_targets(none, none.bool(), torch.zeros(0, 2), torch.tensor([0.5, 0.9]), none.long(), 0.9)
    assert found.shape == (0, 2)


def test_two_target_critics_are_drawn_anew_and_are_never_the_same_one_twice() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [tuple(draw_members(4, "min-of-two", generator).tolist()) for _ in range(200)]  # type: ignore[union-attr]
    assert all(first != second for first, second in drawn)
    assert {member for pair in drawn for member in pair} == {0, 1, 2, 3}
    assert draw_members(4, "mean", generator) is None
    assert draw_members(2, "min-of-two", generator) is None
