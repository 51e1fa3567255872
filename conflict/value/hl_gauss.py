"""HL-Gauss: classify a return into bins with a Gaussian spread around it.

Source: Imani & White 2018, "Improving Regression Performance with Distributional Losses", Section 3; Farebrother et al.
2024, "Stop Regressing: Training Value Functions via Classification for Scalable Deep RL", Section 3.1: p_i is the
Gaussian's mass between the edges of bin i, normalised over the support, sigma = 0.75 bin widths.
Departs: the Gaussian lives in the space of the support (symlog by default). It is cut off at 5 standard deviations and
as many bins stand beyond ``low`` and ``high``, so no target within them is cut off at an end. So the mean bin is the
target within exp(-2 pi^2 sigma_ratio^2) / pi + 2e-6 sigma_ratio bin widths (discretisation and cut-off): 6e-6 at 0.75.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from conflict.value.local_cross_entropy import local_cross_entropy
from conflict.value.options import HLGaussOptions
from conflict.value.support import Support
from conflict.value.value_target import ValueTarget

CUT_OFF = 5.0  # standard deviations


class HLGauss(ValueTarget):
    """Cross-entropy against a discretised Gaussian. Its gradient hardly depends on the scale of the returns."""

    def __init__(self, options: HLGaussOptions = HLGaussOptions()) -> None:
        super().__init__()
        self.num_outputs = options.bins
        self.sigma_ratio = options.sigma_ratio
        self.reach = math.ceil(CUT_OFF * options.sigma_ratio)
        self.support = Support(options, margin=self.reach)

    def loss(self, outputs: Float[Tensor, "*lead output"], target: Float[Tensor, "..."]) -> Float[Tensor, "*lead"]:
        return local_cross_entropy(outputs, *self.window(target))

    def decode(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        return self.support.read(outputs)

    def encode(self, target: Float[Tensor, "*lead"]) -> Float[Tensor, "*lead output"]:
        """The target's probabilities over all bins."""
        return self.support.spread_out(*self.window(target))

    @torch.no_grad()
    def window(self, target: Float[Tensor, "*lead"]) -> tuple[Int[Tensor, "*lead"], Float[Tensor, "*lead window"]]:
        """The first bin that each target's Gaussian reaches, and the mass in that bin and those after it."""
        position = self.support.position(target)
        last = self.num_outputs - 2 * self.reach - 1
        first = (position.round().long() - self.reach).clamp_(0, last)  # as integers: a NaN stays in the mass
        edges = torch.arange(2 * self.reach + 2, dtype=target.dtype, device=target.device) - 0.5
        scaled = (edges + (first - position)[..., None]) / (self.sigma_ratio * math.sqrt(2.0))
        cdf = torch.erf(scaled)
        return first, cdf.diff(dim=-1) / (cdf[..., -1:] - cdf[..., :1])

    def prior(self) -> Float[Tensor, " output"]:
        return self.support.prior()
