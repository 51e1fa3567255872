"""PCGrad against Algorithm 1 written out on gradient vectors, and by hand."""

from collections import Counter

import numpy as np
import pytest
import torch

from conflict.strategies.gramian import Gramian
from conflict.strategies.pcgrad import PCGrad, pcgrad_coefficients, random_orders


def project(grads: torch.Tensor, orders: np.ndarray) -> torch.Tensor:
    """The projected gradients by way of the cosines."""
    norms = grads.norm(dim=1, keepdim=True)
    cosines = Gramian.read(grads @ grads.T, torch.arange(len(grads))).cosines
    return norms * torch.from_numpy(pcgrad_coefficients(cosines, orders)) @ (grads / norms)


def algorithm_1(grads: torch.Tensor, orders: np.ndarray) -> torch.Tensor:
    """The projected gradients, on vectors, one task after the other, as the paper prints it."""
    projected = []
    for i, original in enumerate(grads):
        running = original.clone()
        for j in orders[i].tolist():
            inner = torch.dot(running, grads[j])
            if inner < 0:
                running = running - inner / grads[j].square().sum() * grads[j]
        projected.append(running)
    return torch.stack(projected)


@pytest.mark.parametrize("num_tasks", [2, 3, 8, 27])
@pytest.mark.parametrize("width", [2, 5, 60])
def test_the_gramian_form_is_algorithm_1(num_tasks: int, width: int, generator: torch.Generator) -> None:
    grads = torch.randn(num_tasks, width, generator=generator, dtype=torch.float64)
    grads = grads * torch.logspace(-2, 2, num_tasks, dtype=torch.float64)[:, None]
    order = random_orders(num_tasks, generator=generator)
    torch.testing.assert_close(project(grads, order), algorithm_1(grads, order), rtol=1e-9, atol=1e-9)


def test_two_conflicting_tasks_by_hand() -> None:
    grads = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    weights = PCGrad(2).weights(grads @ grads.T, task_ids=torch.arange(2))
    # g1 -> g1 + g2 / 2 = (.5, .5);  g2 -> g2 + g1 = (0, 1)
    torch.testing.assert_close(weights @ grads, torch.tensor([0.25, 0.75]))


def test_two_agreeing_tasks_are_averaged() -> None:
    grads = torch.tensor([[1.0, 0.0], [3.0, 1.0]])
    weights = PCGrad(2).weights(grads @ grads.T, task_ids=torch.arange(2))
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.5]))


def test_opposite_gradients_cancel() -> None:
    grads = torch.tensor([[2.0, 0.0], [-1.0, 0.0]])
    weights = PCGrad(2).weights(grads @ grads.T, task_ids=torch.arange(2))
    torch.testing.assert_close(weights @ grads, torch.zeros(2))


def test_the_running_gradient_is_tested_against_the_originals() -> None:
    grads = torch.tensor([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    orders = np.array([[1, 2], [0, 2], [0, 1]])
    # task 0: (1, 0) -> off (-1, 1): (.5, .5) -> off (0, -1): (.5, 0)
    torch.testing.assert_close(project(grads, orders)[0], torch.tensor([0.5, 0.0], dtype=torch.float64))


def test_two_tasks_end_without_conflict(generator: torch.Generator) -> None:
    for _ in range(50):
        grads = torch.randn(2, 3, generator=generator, dtype=torch.float64)
        update = PCGrad(2).weights(grads @ grads.T, task_ids=torch.arange(2)) @ grads
        assert (grads @ update).min() > -1e-12


def test_the_order_matters_for_three_tasks(generator: torch.Generator) -> None:
    angles = torch.tensor([0.0, 2.2, 4.1], dtype=torch.float64)
    grads = torch.stack((angles.cos(), angles.sin()), dim=1)
    strategy, gram = PCGrad(3), grads @ grads.T
    draws = {tuple(strategy.weights(gram, task_ids=torch.arange(3), generator=generator).tolist()) for _ in range(40)}
    assert len(draws) > 2


def test_every_order_of_the_others_is_equally_likely_and_fresh_for_each_task(generator: torch.Generator) -> None:
    draws = [random_orders(4, generator=generator) for _ in range(1200)]
    for task in range(4):
        counts = Counter(tuple(order[task].tolist()) for order in draws)
        assert len(counts) == 6
        assert task not in {other for orders in counts for other in orders}
        assert all(140 < count < 260 for count in counts.values())  # 200 expected, 4.6 standard deviations
    same = sum(np.array_equal(order[0][order[0] > 1], order[1][order[1] > 1]) for order in draws)
    assert 500 < same < 700  # two tasks' orders agree on the common pair half of the time


def test_a_missing_gramian_is_refused() -> None:
    with pytest.raises(ValueError, match="PCGrad needs the Gramian"):
        PCGrad(2).weights(None, task_ids=torch.arange(2))
