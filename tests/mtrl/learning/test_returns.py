"""One-step targets against sequences worked out by hand."""

import torch

from mtrl.learning.returns import draw_members, one_step_targets


def test_targets_of_a_hand_worked_trial() -> None:
    """Four steps: an ordinary one, one that ends an attempt inside the trial, one that ends the trial, one cut off by
    a time limit."""
    reward = torch.tensor([1.0, 2.0, 3.0, 4.0])
    next_value = torch.tensor([[10.0, 100.0]]).expand(4, 2)
    terminated = torch.tensor([False, False, True, False])
    targets = one_step_targets(reward, terminated, next_value, torch.tensor([0.0, 0.5]))
    assert targets.tolist() == [[1.0, 51.0], [2.0, 52.0], [3.0, 3.0], [4.0, 54.0]]


def test_a_discounted_return_is_the_fixed_point_of_its_targets() -> None:
    """Rewards 1, 2, 3 and a termination, discount 0.5: returns 2.75, 3.5, 3."""
    returns = torch.tensor([[2.75], [3.5], [3.0]])
    following = torch.cat([returns[1:], torch.tensor([[1e9]])])
    targets = one_step_targets(
        torch.tensor([1.0, 2.0, 3.0]), torch.tensor([False, False, True]), following, torch.tensor([0.5])
    )
    torch.testing.assert_close(targets, returns)


def test_two_target_critics_are_drawn_anew_and_are_never_the_same_one_twice() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [tuple(draw_members(4, "min-of-two", generator).tolist()) for _ in range(200)]  # type: ignore[union-attr]
    assert all(first != second for first, second in drawn)
    assert {member for pair in drawn for member in pair} == {0, 1, 2, 3}
    assert draw_members(4, "mean", generator) is None
    assert draw_members(2, "min-of-two", generator) is None
