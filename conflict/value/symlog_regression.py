"""Symlog regression: the head puts out the symlog of the value, so that errors count relative to the value's size.

Source: Hafner et al. 2023, "Mastering Diverse Domains through World Models", Equation 8: (f(x) - symlog(y))^2 / 2, read
back as symexp(f(x)).
Departs: no factor 1/2, as in plain regression. A ``unit`` inside the symlog, and bounds: targets and values that are
read back are clamped to [low, high], for symexp makes a small error of a large output a huge one. Where returns are
random, the value read back is not their mean but nearer to the typical one, as the symlog of a mean is not the mean of
the symlogs.
"""

from jaxtyping import Float
from torch import Tensor

from conflict.value.options import SymlogRegressionOptions
from conflict.value.regression import error_loss
from conflict.value.symlog import symexp, symlog
from conflict.value.value_target import ValueTarget


class SymlogRegression(ValueTarget):
    """One output a value, squared error or Huber's loss in symlog(value / unit). Its gradient grows with the logarithm
    of the scale of the returns."""

    num_outputs = 1

    def __init__(self, options: SymlogRegressionOptions = SymlogRegressionOptions()) -> None:
        super().__init__()
        self.options = options

    def loss(self, outputs: Float[Tensor, "*lead output"], target: Float[Tensor, "..."]) -> Float[Tensor, "*lead"]:
        clamped = target.detach().clamp(self.options.low, self.options.high)
        wanted = symlog(clamped / self.options.unit)
        return error_loss(outputs.squeeze(-1), wanted, self.options.loss, self.options.delta)

    def decode(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        value = self.options.unit * symexp(outputs.squeeze(-1))
        return value.clamp(self.options.low, self.options.high)
