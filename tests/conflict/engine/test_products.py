"""Turned products say what torch's say."""

import pytest
import torch

from conflict import TaskGradients
from conflict.engine.products import baddbmm, weight_gradient


@pytest.mark.parametrize("columns", [1, 3, 15, 16, 40])
@pytest.mark.parametrize("bias_rows", [1, 6])
def test_they_are_the_same_and_have_the_same_gradients(columns: int, bias_rows: int) -> None:
    generator = torch.Generator().manual_seed(columns)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator, requires_grad=True)

    given = draw(2, bias_rows, columns), draw(2, 6, 5), draw(2, 5, columns)
    mine, torchs = baddbmm(*given), torch.baddbmm(*given)
    torch.testing.assert_close(mine, torchs)
    onto = torch.randn(mine.shape, dtype=torch.float64, generator=generator)
    for found, expected in zip(
        torch.autograd.grad(mine, given, onto), torch.autograd.grad(torchs, given, onto), strict=True
    ):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(weight_gradient(given[1], onto), given[1].mT @ onto)


@pytest.mark.parametrize("columns", [3, 40])
def test_only_the_gradients_that_are_asked_for_are_made(columns: int) -> None:
    bias, x, weight = torch.zeros(2, 1, columns), torch.randn(2, 6, 5), torch.randn(2, 5, columns, requires_grad=True)
    baddbmm(bias, x, weight).sum().backward()
    torch.testing.assert_close(weight.grad, x.sum(dim=1)[:, :, None].expand(2, 5, columns))
    assert bias.grad is None and x.grad is None


@pytest.mark.parametrize("columns", [3, 40])
def test_mixed_precision_reaches_every_gradient(columns: int) -> None:
    given = [torch.randn(*shape, requires_grad=True) for shape in ((2, 1, columns), (2, 6, 5), (2, 5, columns))]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mine, torchs = baddbmm(*given), torch.baddbmm(*given)
    onto = torch.randn(mine.shape).to(mine.dtype)
    assert mine.dtype == torchs.dtype
    for found, expected in zip(
        torch.autograd.grad(mine, given, onto), torch.autograd.grad(torchs, given, onto), strict=True
    ):
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("columns", [3, 40])
def test_they_can_be_mapped(columns: int) -> None:
    given = torch.randn(4, 2, 1, columns), torch.randn(4, 2, 6, 5), torch.randn(4, 2, 5, columns)
    torch.testing.assert_close(torch.vmap(baddbmm)(*given), torch.stack([baddbmm(*one) for one in zip(*given)]))  # noqa: B905


@pytest.mark.parametrize("shape", [(2, 6, 3), (6, 3), (3,), (2, 1, 3), (1, 1, 3)])
def test_torchs_own_biases_still_do_in_a_watched_forward(shape: tuple[int, ...]) -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(2, 5, 3))
            self.bias = torch.randn(shape)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.baddbmm(self.bias, x, self.weight).movedim(1, 0)

    model = Model()
    x = torch.randn(2, 6, 5)
    gradients = TaskGradients(model, num_tasks=2)
    with gradients:
        losses = model(x).square().reshape(2, -1).mean(dim=1)
    gradients.backward(losses)
    expected = []
    for task in range(2):
        loss = model(x).square().reshape(2, -1).mean(dim=1)[task]
        expected.append(torch.autograd.grad(loss, model.weight)[0].flatten())
    torch.testing.assert_close(gradients.jacobian(), torch.stack(expected))
