"""Regression in the space of the symmetric logarithm: scales of very different size cost about the same.

Source: Hafner et al. 2023, "Mastering Diverse Domains through World Models", Equation 10: (x - symlog(y))^2, read back
as symexp(x).
Departs: a unit, below which symlog is about linear.
"""

from jaxtyping import Float
from torch import Tensor

from conflict.value.options import SymlogRegressionOptions
from conflict.value.symlog import symexp, symlog
from conflict.value.value_target import ValueTarget


class SymlogRegression(ValueTarget):
    """One output a value, on the scale of symlog(value / unit)."""

    num_outputs = 1

    def __init__(self, options: SymlogRegressionOptions = SymlogRegressionOptions()) -> None:
        super().__init__()
        self.options = options

    def loss(self, outputs: Float[Tensor, "*lead output"], target: Float[Tensor, "..."]) -> Float[Tensor, "*lead"]:
        return (outputs.squeeze(-1) - symlog(target.detach() / self.options.unit)).square()

    def decode(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        return self.options.unit * symexp(outputs.squeeze(-1))
