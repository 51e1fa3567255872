"""Regression by hand."""

import torch

from conflict.value.options import RegressionOptions
from conflict.value.regression import Regression


def test_the_output_is_the_value() -> None:
    outputs = torch.randn(3, 4, 1)
    assert torch.equal(Regression().decode(outputs), outputs[..., 0])


def test_squared_error_by_hand() -> None:
    loss = Regression().loss(torch.tensor([[1.0], [-2.0]]), torch.tensor([4.0, -2.0]))
    torch.testing.assert_close(loss, torch.tensor([9.0, 0.0]))


def test_huber_is_linear_beyond_delta() -> None:
    target = Regression(RegressionOptions(loss="huber", delta=2.0))
    loss = target.loss(torch.tensor([[1.0], [10.0]]), torch.tensor([0.0, 0.0]))
    torch.testing.assert_close(loss, torch.tensor([0.5, 2.0 * (10.0 - 1.0)]))
