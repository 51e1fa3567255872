"""Orthogonal experts."""

import pytest
import torch

from mtrl.agent.experts.moore import orthonormal
from tests.mtrl.agent.experts.builders import TASKS, WIDTH, build, features, make_identical, plain, table_of

TASK = torch.arange(8) % TASKS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("alike", [0.0, 0.9, 0.99])
def test_directions_are_orthonormal(dtype: torch.dtype, alike: float) -> None:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(1, 200, 32, generator=generator)
    vectors = (alike * common + (1 - alike) * torch.randn(8, 200, 32, generator=generator)).to(dtype) * 1e3
    basis = orthonormal(vectors).transpose(0, 1)
    torch.testing.assert_close(basis @ basis.mT, torch.eye(8, dtype=dtype).expand(200, 8, 8), rtol=0, atol=1e-5)


def test_directions_are_those_of_gram_and_schmidt() -> None:
    """By an independent factorisation: the triangle of QR with a positive diagonal."""
    vectors = torch.randn(4, 50, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q, r = torch.linalg.qr(vectors.permute(1, 2, 0))
    expected = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]
    torch.testing.assert_close(orthonormal(vectors), expected.permute(2, 0, 1))


def test_a_vector_that_those_before_it_span_becomes_zero_and_gradients_stay_finite() -> None:
    first, second = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
    vectors = torch.stack([first, second, 2 * first - second, torch.zeros(5, 6)]).requires_grad_()
    basis = orthonormal(vectors)
    assert not basis[2:].any() and basis[:2].any()
    (gradient,) = torch.autograd.grad((basis * torch.arange(6.0)).sum(), vectors)
    assert gradient.isfinite().all() and not gradient[2:].any()


def test_identical_experts_are_one_network_up_to_its_length() -> None:
    mixture, x = build("moore"), features(8)
    make_identical(mixture)
    net = plain(mixture, x, 0)
    direction = WIDTH**0.5 * net / net.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(mixture(x, TASK)[0], table_of(mixture)[TASK][:, :1] * direction)


def test_the_length_of_features_is_that_of_the_weights() -> None:
    mixture, x = build("moore"), features(8)
    out, routing = mixture(x, TASK)
    torch.testing.assert_close(out.norm(dim=-1), WIDTH**0.5 * routing.gates.norm(dim=-1))
    torch.testing.assert_close(routing.gates, table_of(mixture)[TASK].detach())


def test_more_experts_than_directions_are_refused() -> None:
    with pytest.raises(ValueError, match=f"at most the width of the features, {WIDTH}, for moore, found 7"):
        build("moore", num_experts=7)
