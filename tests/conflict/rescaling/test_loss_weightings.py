"""The weightings of losses against their equations, worked by hand, and on tasks of very different scale."""

import math

import pytest
import torch

from conflict.registry import make_rescaling
from conflict.rescaling.rescaling import Rescaling

IDS = torch.arange(2)


def run(rescaling: Rescaling, losses: list[list[float]]) -> None:
    for pair in losses:
        rescaling.loss_scales(IDS, torch.tensor(pair))
        rescaling.observe_update(IDS, torch.tensor(pair), torch.ones(2), torch.tensor(pair))


def scales(rescaling: Rescaling, losses: tuple[float, float] = (1.0, 1.0)) -> list[float]:
    found: list[float] = rescaling.loss_scales(IDS, torch.tensor(losses, dtype=torch.float64)).tolist()
    return found


def shares(*weights: float) -> list[float]:
    """The weights with an average of 1."""
    return [len(weights) * weight / sum(weights) for weight in weights]


def test_fixed_weights_are_read_from_a_line() -> None:
    rescaling = make_rescaling("fixed", num_tasks=2, options={"weights": "1, 3"})
    assert scales(rescaling) == pytest.approx([0.5, 1.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [("1,2,3", "each of 2 tasks, got 3"), ("1,x", "numbers with commas"), ("1,0", "greater than 0")],
)
def test_wrong_fixed_weights_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_rescaling("fixed", num_tasks=2, options={"weights": text})


def test_uncertainty_takes_the_step_of_kendalls_loss() -> None:
    rescaling = make_rescaling("uncertainty", num_tasks=2, options={"learning_rate": 0.1})
    run(rescaling, [[2.0, 0.5]])
    s = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    loss = (torch.exp(-s) * torch.tensor([2.0, 0.5]) / 2 + s / 2).sum()
    (slope,) = torch.autograd.grad(loss, s)
    assert scales(rescaling) == pytest.approx(shares(*torch.exp(0.1 * slope).tolist()))


def test_imtl_l_takes_the_step_of_its_loss() -> None:
    rescaling = make_rescaling("imtl-l", num_tasks=2, options={"learning_rate": 0.1})
    run(rescaling, [[1.5, 0.5]])
    assert scales(rescaling) == pytest.approx(shares(math.exp(-0.1 * 0.5), math.exp(0.1 * 0.5)))


@pytest.mark.parametrize("name", ["uncertainty", "imtl-l"])
def test_learnt_factors_come_to_the_inverse_of_the_losses(name: str) -> None:
    rescaling = make_rescaling(name, num_tasks=2, options={"learning_rate": 0.1})
    run(rescaling, [[100.0, 0.1]] * 2000)
    assert scales(rescaling) == pytest.approx(shares(1 / 100, 1 / 0.1), rel=1e-3)


def test_dwa_compares_the_last_two_stretches() -> None:
    rescaling = make_rescaling("dwa", num_tasks=2, options={"window": 2, "temperature": 0.5})
    run(rescaling, [[4.0, 4.0], [4.0, 4.0], [1.0, 3.0]])
    assert scales(rescaling) == pytest.approx([1.0, 1.0])
    run(rescaling, [[3.0, 5.0]])  # means 2 and 4, after 4 and 4
    assert scales(rescaling) == pytest.approx(shares(math.exp(0.5 / 0.5), math.exp(1.0 / 0.5)))


def test_random_weights_come_from_the_generator_alone() -> None:
    rescaling = make_rescaling("rlw", num_tasks=3)
    draw = torch.randn(3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    found = rescaling.loss_scales(torch.arange(3), torch.ones(3), generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(found, 3 * torch.softmax(draw, dim=0).float())


def test_random_weights_are_fair() -> None:
    rescaling, generator = make_rescaling("rlw", num_tasks=3), torch.Generator().manual_seed(0)
    drawn = torch.stack(
        [rescaling.loss_scales(torch.arange(3), torch.ones(3), generator=generator) for _ in range(4000)]
    )
    torch.testing.assert_close(drawn.mean(dim=0), torch.ones(3), atol=0.05, rtol=0)


@pytest.mark.parametrize("mu", [0.1, 0.5, 2.0])
def test_stch_is_the_gradient_of_its_objective(mu: float) -> None:
    rescaling = make_rescaling("stch", num_tasks=2, options={"smoothing": mu, "warmup": 2})
    run(rescaling, [[1.0, 12.0], [3.0, 8.0], [100.0, 100.0]])  # the reference is (2, 10): the last is after the warm-up
    losses = torch.tensor([1.0, 9.0], dtype=torch.float64, requires_grad=True)
    objective = mu * torch.logsumexp((losses / torch.tensor([2.0, 10.0])).log() / mu, dim=0)
    (slope,) = torch.autograd.grad(objective, losses)
    assert scales(rescaling, (1.0, 9.0)) == pytest.approx(shares(*slope.tolist()))


def test_stch_warms_up_as_the_geometric_mean() -> None:
    found = scales(make_rescaling("stch", num_tasks=2), (0.5, 2.0))
    assert found == pytest.approx(scales(make_rescaling("geometric", num_tasks=2), (0.5, 2.0)))


def test_the_geometric_mean_weighs_by_the_inverse() -> None:
    losses = torch.tensor([4.0, 0.25], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(losses.prod().sqrt(), losses)
    assert scales(make_rescaling("geometric", num_tasks=2), (4.0, 0.25)) == pytest.approx(shares(*slope.tolist()))


def test_task_rates_even_out_gradients_of_any_size() -> None:
    rescaling, raw = make_rescaling("task-rates", num_tasks=2), torch.tensor([1000.0, 0.01])
    for _ in range(20):
        found = rescaling.loss_scales(IDS, torch.ones(2))
        rescaling.observe_update(IDS, torch.ones(2), found * raw)
    norms = rescaling.loss_scales(IDS, torch.ones(2, dtype=torch.float64)) * raw
    assert float(norms[0] / norms[1]) == pytest.approx(1.0, rel=1e-6)
