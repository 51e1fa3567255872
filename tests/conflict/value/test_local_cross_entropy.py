"""The hand-written cross-entropy and its gradient are right, and stay right where exponentials overflow."""

import pytest
import torch

from conflict.value.local_cross_entropy import local_cross_entropy


def example(window: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    logits = torch.randn(2, 5, 12, dtype=dtype, requires_grad=True)
    first = torch.randint(0, 12 - window + 1, (5,))
    return logits, first, torch.rand(5, window, dtype=dtype).softmax(dim=-1)


@pytest.mark.parametrize("window", [1, 2, 9, 12])
def test_the_gradient_passes_gradcheck(window: int) -> None:
    logits, first, weights = example(window)
    assert torch.autograd.gradcheck(lambda x: local_cross_entropy(x, first, weights), logits)


@pytest.mark.parametrize("window", [2, 9])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_float32_agrees_with_log_softmax(window: int, size: float) -> None:
    logits, first, weights = example(window, torch.float32)
    logits = (size * logits.detach()).requires_grad_()
    dense = torch.zeros(5, 12).scatter(-1, first[:, None] + torch.arange(window), weights)
    upstream = torch.rand(2, 5)
    expected = -(dense * logits.log_softmax(dim=-1)).sum(dim=-1)
    found = local_cross_entropy(logits, first, weights)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(loss, logits, upstream)[0] for loss in (expected, found)]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-6)


def test_several_backward_passes_through_one_graph_agree() -> None:
    logits, first, weights = example(2)
    loss = local_cross_entropy(logits, first, weights).sum()
    once = torch.autograd.grad(loss, logits, retain_graph=True)[0]
    assert torch.equal(once, torch.autograd.grad(loss, logits)[0])


def test_a_tensor_that_is_not_contiguous_is_read_rightly() -> None:
    logits, first, weights = example(2)
    other = logits.detach().transpose(0, 2).contiguous().transpose(0, 2)
    assert not other.is_contiguous()
    torch.testing.assert_close(local_cross_entropy(other, first, weights), local_cross_entropy(logits, first, weights))
