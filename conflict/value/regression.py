"""Regression: the head puts out the value itself. Its gradient grows with the scale of the returns.

Source: the ``Dep`` critic of Grigsby et al. 2024, "AMAGO-2: Breaking the Multi-Task Barrier in Meta-Reinforcement
Learning with Transformers": (Q - y)^2. Huber 1964, "Robust Estimation of a Location Parameter".
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from conflict.value.options import RegressionOptions
from conflict.value.value_target import ValueTarget


def error_loss(
    values: Float[Tensor, "*lead"], target: Float[Tensor, "..."], loss: Literal["mse", "huber"], delta: float
) -> Float[Tensor, "*lead"]:
    """Squared error, or Huber's loss, which is linear beyond ``delta``; unreduced, the target broadcasts."""
    if loss == "mse":
        return (values - target).square()
    return F.huber_loss(values, torch.broadcast_to(target, values.shape), reduction="none", delta=delta)


class Regression(ValueTarget):
    """One output a value; squared error ``(x - y)^2``, or Huber's loss."""

    linear = True
    num_outputs = 1

    def __init__(self, options: RegressionOptions = RegressionOptions()) -> None:
        super().__init__()
        self.options = options

    def loss(self, outputs: Float[Tensor, "*lead output"], target: Float[Tensor, "..."]) -> Float[Tensor, "*lead"]:
        return error_loss(self.decode(outputs), target.detach(), self.options.loss, self.options.delta)

    def decode(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        return outputs.squeeze(-1)
