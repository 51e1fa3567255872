"""C51: the projection against the paper's own sum, its invariants, and a distribution learnt by bootstrapping."""

import pytest
import torch
from torch import Tensor

from conflict.value.c51 import C51
from conflict.value.options import C51Options

LINEAR = C51Options(bins=11, low=-5.0, high=5.0, spacing="linear")
SYMLOG = C51Options(bins=21, low=-50.0, high=50.0)
SKEWED = C51Options(bins=16, low=-2.0, high=30.0, unit=0.1)
OPTIONS = [LINEAR, SYMLOG, SKEWED]


def some(count: int, bins: int) -> Tensor:
    return torch.rand(count, bins, dtype=torch.float64).softmax(dim=-1)


def test_the_projection_is_the_papers_equation_for_equally_spaced_atoms() -> None:
    target = C51(LINEAR)
    p, reward, discount = some(30, 11), 4 * torch.randn(30).double(), torch.rand(30).double()
    atoms, width = target.support.values, 1.0
    moved = (reward[:, None] + discount[:, None] * atoms).clamp(-5, 5)
    share = (1 - (moved[:, None, :] - atoms[:, None]).abs() / width).clamp(0, 1)  # [row, bin, atom]
    torch.testing.assert_close(target.project(p, reward, discount), (share * p[:, None, :]).sum(dim=-1))


@pytest.mark.parametrize("options", OPTIONS)
def test_projections_are_distributions(options: C51Options) -> None:
    target = C51(options)
    moved = target.project(some(50, options.bins), 100 * torch.randn(50).double(), torch.rand(50).double())
    assert float(moved.min()) >= 0.0
    torch.testing.assert_close(moved.sum(dim=-1), torch.ones(50).double())


def test_with_linear_spacing_the_mean_is_reward_plus_discounted_mean() -> None:
    target, options = C51(LINEAR), LINEAR
    p, discount = some(50, options.bins), 0.5 * torch.rand(50).double()
    room = 0.5 * torch.rand(50).double()
    reward = options.low * (1 - discount) + room * (options.high - options.low) * (1 - discount)
    moved = target.project(p, reward, discount)
    torch.testing.assert_close(target.mean(moved), reward + discount * target.mean(p))


@pytest.mark.parametrize("options", OPTIONS)
def test_the_mean_in_the_space_of_the_bins_is_that_of_the_moved_bins(options: C51Options) -> None:
    target = C51(options)
    p, discount, reward = some(50, options.bins), torch.rand(50).double(), 3 * torch.randn(50).double()
    moved = (reward[:, None] + discount[:, None] * target.support.values).clamp(options.low, options.high)
    found = target.project(p, reward, discount) @ torch.arange(options.bins).double()
    torch.testing.assert_close(found, (p * target.support.position(moved)).sum(dim=-1))


@pytest.mark.parametrize("options", OPTIONS)
def test_nothing_moves_without_reward_and_discounting(options: C51Options) -> None:
    p = some(5, options.bins)
    torch.testing.assert_close(C51(options).project(p, torch.zeros(5).double(), torch.ones(5).double()), p)


@pytest.mark.parametrize("options", OPTIONS)
def test_after_the_end_only_the_reward_is_left_as_two_hot_around_it(options: C51Options) -> None:
    target = C51(options)
    reward = torch.tensor([0.3, -1.7, 4.0, 1e6, -1e6]).double()
    moved = target.project(some(5, options.bins), reward, torch.zeros(5).double())
    torch.testing.assert_close(moved, target.encode(reward))
    assert bool(((moved > 0).sum(dim=-1) <= 2).all())
    torch.testing.assert_close(target.mean(moved), reward.clamp(options.low, options.high))


def test_by_hand() -> None:
    target = C51(C51Options(bins=3, low=0.0, high=2.0, spacing="linear"))
    moved = target.project(torch.tensor([0.5, 0.3, 0.2]), torch.tensor(0.5), torch.tensor(0.5))
    torch.testing.assert_close(moved, torch.tensor([0.25, 0.25 + 0.3 + 0.1, 0.1]))  # atoms go to 0.5, 1 and 1.5


@pytest.mark.parametrize("options", OPTIONS)
def test_a_scalar_target_is_the_distribution_with_all_mass_on_it(options: C51Options) -> None:
    target, returns = C51(options), 3 * torch.randn(40).double()
    outputs = torch.randn(40, options.bins).double()
    torch.testing.assert_close(target.loss(outputs, returns), target.loss_to(outputs, target.encode(returns)))


def test_the_loss_is_least_at_the_target_and_broadcasts_over_the_critics() -> None:
    target, p = C51(LINEAR), some(6, 11)
    outputs = p.log().expand(4, -1, -1).clone().requires_grad_()
    loss = target.loss_to(outputs, p)
    assert loss.shape == (4, 6)
    (gradient,) = torch.autograd.grad(loss.sum(), outputs)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_no_gradient_flows_into_the_target_distribution() -> None:
    wanted = some(3, 11).requires_grad_()
    C51(LINEAR).loss_to(torch.randn(3, 11, requires_grad=True).double(), wanted).sum().backward()
    assert wanted.grad is None


@pytest.mark.parametrize("options", [LINEAR, C51Options(bins=41, low=-8.0, high=8.0)])
def test_bootstrapping_finds_the_distribution_of_returns_that_scalar_targets_cannot(options: C51Options) -> None:
    """Each step pays -1 or 1 by a coin toss; half of all steps are the last. Returns vary by
    1 / (1 - 1/2) = 2 around 0."""
    target, discount = C51(options), 1.0
    p = target.encode(torch.zeros(1).double())
    for _ in range(60):
        moved = [
            target.project(p, torch.tensor([r]).double(), torch.tensor([c]).double())
            for r in (-1.0, 1.0)
            for c in (0.0, discount)
        ]
        p = torch.stack(moved).mean(dim=0)
    atoms = target.support.values
    assert float(target.mean(p).abs()) < 1e-9
    spread = float((p * atoms.square()).sum())
    assert 1.9 < spread < 2.6  # the projection adds a little spread where atoms are apart
    scalar = target.encode(torch.zeros(1).double())
    assert float((scalar * atoms.square()).sum()) < 0.01


@pytest.mark.parametrize("options", OPTIONS)
def test_a_head_that_starts_with_the_prior_says_nearly_zero_also_when_its_weights_are_noisy(
    options: C51Options,
) -> None:
    target = C51(options)
    noisy = target.prior() + 0.1 * torch.randn(200, options.bins)
    assert float(target.decode(noisy).abs().max()) < 1.0
    assert float(target.prior().min()) > -30.0


def test_a_nan_reward_gives_a_nan_loss_and_no_other_error() -> None:
    target = C51(LINEAR)
    moved = target.project(some(2, 11), torch.tensor([1.0, float("nan")]).double(), torch.ones(2).double())
    assert torch.isfinite(target.loss_to(torch.randn(2, 11).double(), moved)).tolist() == [True, False]
