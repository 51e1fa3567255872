"""Regression: the head puts out the value itself. Its gradient grows with the scale of the returns.

Source: the ``Dep`` critic of Grigsby et al. 2024, "AMAGO-2: Breaking the Multi-Task Barrier in Meta-Reinforcement
Learning with Transformers": (Q - y)^2. Huber 1964, "Robust Estimation of a Location Parameter".
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from conflict.value.options import RegressionOptions
from conflict.value.value_target import ValueTarget


class Regression(ValueTarget):
    """One output a value; squared error ``(x - y)^2``, or Huber's loss."""

    linear = True
    num_outputs = 1

    def __init__(self, options: RegressionOptions = RegressionOptions()) -> None:
        super().__init__()
        self.options = options

    def loss(self, outputs: Float[Tensor, "*lead output"], target: Float[Tensor, "..."]) -> Float[Tensor, "*lead"]:
        values = self.decode(outputs)
        if self.options.loss == "mse":
            return (values - target.detach()).square()
        target = torch.broadcast_to(target.detach(), values.shape)
        return F.huber_loss(values, target, reduction="none", delta=self.options.delta)

    def decode(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        return outputs.squeeze(-1)
