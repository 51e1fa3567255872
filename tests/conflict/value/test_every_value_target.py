"""What every registered value target must satisfy."""

import pytest
import torch

from conflict.registry import VALUE_TARGETS, make_value_target
from conflict.value.value_target import ValueTarget

pytestmark = pytest.mark.parametrize("name", VALUE_TARGETS)


def gradient_norm(target: ValueTarget, returns: torch.Tensor) -> float:
    """Norm of the mean loss's gradient in the head's outputs, at the outputs that a fresh head gives."""
    outputs = (0.1 * torch.randn(*returns.shape, target.num_outputs).double()).requires_grad_()
    (gradient,) = torch.autograd.grad(target.loss(outputs, returns).mean(), outputs)
    return float(gradient.norm())


def test_the_gradient_follows_the_scale_of_the_returns_as_claimed(name: str) -> None:
    target, returns = make_value_target(name), torch.randn(256).double()
    norms = [gradient_norm(target, scale * returns) for scale in (1.0, 10.0, 100.0, 1000.0)]
    if target.linear:
        assert norms[-1] > 500 * norms[0]
    elif target.num_outputs == 1:  # symlog: the gradient grows with the logarithm
        assert 3 * norms[0] < norms[-1] < 20 * norms[0]
    else:
        assert max(norms) < 1.05 * min(norms)


def test_only_distributional_targets_have_distributions(name: str) -> None:
    target = make_value_target(name)
    outputs = torch.randn(3, target.num_outputs)
    if target.distributional:
        p = target.probabilities(outputs)
        assert target.project(p, torch.zeros(3), torch.ones(3)).shape == p.shape
        torch.testing.assert_close(target.mean(p), target.decode(outputs))
        assert target.loss_to(outputs, p).shape == (3,)
        return
    for call in (
        lambda: target.probabilities(outputs),
        lambda: target.mean(outputs),
        lambda: target.project(outputs, torch.zeros(3), torch.ones(3)),
        lambda: target.loss_to(outputs, outputs),
    ):
        with pytest.raises(NotImplementedError, match="is not distributional"):
            call()


def test_losses_are_unreduced_and_targets_broadcast_over_the_critics(name: str) -> None:
    target, returns = make_value_target(name), torch.randn(6, 2)
    outputs = torch.randn(4, 6, 2, target.num_outputs)
    losses = target.loss(outputs, returns)
    assert losses.shape == (4, 6, 2)
    for critic in range(4):
        torch.testing.assert_close(losses[critic], target.loss(outputs[critic], returns))


def test_decoding_drops_the_last_axis(name: str) -> None:
    target = make_value_target(name)
    assert target.decode(torch.randn(4, 6, 2, target.num_outputs)).shape == (4, 6, 2)


def test_no_gradient_flows_into_the_target(name: str) -> None:
    target, returns = make_value_target(name), torch.randn(5, requires_grad=True)
    target.loss(torch.randn(5, target.num_outputs, requires_grad=True), returns).sum().backward()
    assert returns.grad is None


def test_minimising_the_loss_reads_back_the_target(name: str) -> None:
    target, returns = make_value_target(name), torch.tensor([-40.0, -0.3, 0.0, 2.0, 7.5]).double()
    outputs = torch.zeros(5, target.num_outputs, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.3)
    for _ in range(400):
        optimizer.zero_grad()
        target.loss(outputs, returns).sum().backward()
        optimizer.step()
    torch.testing.assert_close(target.decode(outputs.detach()), returns, rtol=0.05, atol=0.02)


def test_a_nan_target_gives_a_nan_loss_and_no_other_error(name: str) -> None:
    target, returns = make_value_target(name), torch.tensor([1.0, float("nan")])
    losses = target.loss(torch.randn(2, target.num_outputs), returns)
    assert torch.isfinite(losses).tolist() == [True, False]


def test_decode_can_be_differentiated(name: str) -> None:
    target = make_value_target(name)
    outputs = torch.randn(3, target.num_outputs, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: target.decode(0.1 * x), outputs)


def test_state_survives_a_round_trip(name: str) -> None:
    target, other = make_value_target(name), make_value_target(name)
    other.load_state_dict(target.state_dict())
    outputs = torch.randn(3, target.num_outputs)
    assert torch.equal(target.decode(outputs), other.decode(outputs))


def test_half_precision_outputs_are_taken(name: str) -> None:
    target = make_value_target(name)
    outputs = torch.randn(3, target.num_outputs).bfloat16()
    assert torch.isfinite(target.loss(outputs, torch.randn(3))).all()
    assert torch.isfinite(target.decode(outputs)).all()
