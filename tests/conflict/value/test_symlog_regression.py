"""Symlog regression by hand."""

import math

import pytest
import torch

from conflict.value.options import SymlogRegressionOptions
from conflict.value.symlog_regression import SymlogRegression


def test_squared_error_in_symlog_by_hand() -> None:
    outputs = torch.tensor([[0.0], [3.0], [1.0]])
    loss = SymlogRegression().loss(outputs, torch.tensor([math.expm1(2.0), -math.expm1(1.0), math.expm1(1.0)]))
    torch.testing.assert_close(loss, torch.tensor([4.0, 16.0, 0.0]))


def test_huber_in_symlog_by_hand() -> None:
    target = SymlogRegression(SymlogRegressionOptions(loss="huber", delta=0.5))
    loss = target.loss(torch.tensor([[0.0], [0.0]]), torch.tensor([math.expm1(0.2), math.expm1(3.0)]))
    torch.testing.assert_close(loss, torch.tensor([0.02, 0.5 * (3.0 - 0.25)]))


@pytest.mark.parametrize("unit", [0.01, 1.0, 20.0])
def test_what_is_learnt_is_read_back(unit: float) -> None:
    target = SymlogRegression(SymlogRegressionOptions(unit=unit))
    returns = torch.tensor([-1e5, -3.0, 0.0, 1e-4, 70.0]).double()
    outputs = torch.copysign((returns / unit).abs().log1p(), returns)[:, None]
    torch.testing.assert_close(target.decode(outputs), returns)
    torch.testing.assert_close(target.loss(outputs, returns), torch.zeros(5).double())


def test_values_and_targets_stay_within_the_reach() -> None:
    target = SymlogRegression(SymlogRegressionOptions(low=-2.0, high=5.0))
    assert target.decode(torch.tensor([[1000.0], [-1000.0]])).tolist() == [5.0, -2.0]
    torch.testing.assert_close(
        target.loss(torch.zeros(2, 1), torch.tensor([1e30, -math.inf])),
        torch.tensor([math.log1p(5) ** 2, math.log1p(2) ** 2]),
    )
