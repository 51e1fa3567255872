"""Measures of conflict on hand-worked Gramians."""

import math

import pytest
import torch

from conflict.measures import conflict_rate, cosine_matrix, effective_tasks, gradient_norms, norm_spread


def gram(*gradients: list[float]) -> torch.Tensor:
    grads = torch.tensor(gradients, dtype=torch.float64)
    return grads @ grads.T


def test_cosines_of_a_hand_worked_triple() -> None:
    cosines = cosine_matrix(gram([1.0, 0.0], [-2.0, 2.0], [0.0, 0.0]))
    half = math.sqrt(0.5)
    expected = torch.tensor([[1.0, -half, 0.0], [-half, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(cosines, expected)


def test_conflict_rate_counts_pairs() -> None:
    assert conflict_rate(gram([1.0, 0.0], [-1.0, 0.1], [0.0, 1.0])) == 1 / 3
    assert conflict_rate(gram([1.0, 0.0], [0.0, 1.0])) == 0.0
    assert conflict_rate(gram([1.0, 0.0])) == 0.0


@pytest.mark.parametrize("num_tasks", [2, 5, 50])
def test_conflict_rate_and_cosines_ignore_the_scale_of_each_task(num_tasks: int, generator: torch.Generator) -> None:
    grads = torch.randn(num_tasks, 64, generator=generator, dtype=torch.float64)
    scaled = torch.logspace(-3, 3, num_tasks, dtype=torch.float64)[:, None] * grads
    assert conflict_rate(grads @ grads.T) == conflict_rate(scaled @ scaled.T)
    torch.testing.assert_close(cosine_matrix(grads @ grads.T), cosine_matrix(scaled @ scaled.T))


def test_norm_spread_leaves_zero_gradients_out() -> None:
    assert norm_spread(gram([3.0, 4.0], [0.0, 0.5], [0.0, 0.0])) == pytest.approx(10.0)
    assert norm_spread(gram([0.0, 0.0])) == 1.0


def test_effective_tasks_of_hand_worked_updates() -> None:
    equal = gram([1.0, 0.0], [0.0, 1.0], [1.0, 0.0])
    assert effective_tasks(equal, torch.ones(3) / 3) == pytest.approx(3.0)
    assert effective_tasks(equal, torch.tensor([0.0, 1.0, 0.0])) == pytest.approx(1.0)
    assert effective_tasks(gram([1.0, 0.0], [0.0, 3.0]), torch.ones(2)) == pytest.approx(16 / 10)
    assert effective_tasks(equal, torch.zeros(3)) == 0.0


def test_a_gramian_with_a_nan_is_refused_and_the_row_named() -> None:
    broken = gram([1.0, 0.0], [float("nan"), 1.0])
    for measure in (cosine_matrix, conflict_rate, norm_spread, gradient_norms):
        with pytest.raises(ValueError, match=r"NaN or an infinity.*rows \[1\]"):
            measure(broken)
