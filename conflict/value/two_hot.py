"""Two-hot: classify a return into bins, its two neighbours sharing the weight so that the mean bin is the return.

Source: Schrittwieser et al. 2020, "Mastering Atari, Go, Chess and Shogi by Planning with a Learned Model", Appendix F;
Grigsby et al. 2024, "AMAGO-2: Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with Transformers": bins
in symlog(+-1e5), read back as symexp(p^T b).
Departs: AMAGO-2's appendix prints the two weights swapped; here the nearer bin gets the larger one. Targets beyond the
bins are clamped to them.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from conflict.value.local_cross_entropy import local_cross_entropy
from conflict.value.options import TwoHotOptions
from conflict.value.support import Support
from conflict.value.value_target import ValueTarget


class TwoHot(ValueTarget):
    """Cross-entropy against the two bins around the target. Its gradient hardly depends on the scale of the returns."""

    def __init__(self, options: TwoHotOptions = TwoHotOptions()) -> None:
        super().__init__()
        self.num_outputs = options.bins
        self.support = Support(options)

    def loss(self, outputs: Float[Tensor, "*lead output"], target: Float[Tensor, "..."]) -> Float[Tensor, "*lead"]:
        return local_cross_entropy(outputs, *self.neighbours(target))

    def decode(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        return self.support.read(outputs)

    def encode(self, target: Float[Tensor, "*lead"]) -> Float[Tensor, "*lead output"]:
        """The target's probabilities over all bins."""
        return self.support.spread_out(*self.neighbours(target))

    @torch.no_grad()
    def neighbours(self, target: Float[Tensor, "*lead"]) -> tuple[Int[Tensor, "*lead"], Float[Tensor, "*lead 2"]]:
        """The lower of the two bins around each target, and the weights of the two."""
        position = self.support.position(target)
        lower = position.long().clamp_(0, self.num_outputs - 2)  # clamped as integers: a NaN stays in the weights
        upper_weight = position - lower
        return lower, torch.stack((1.0 - upper_weight, upper_weight), dim=-1)

    def prior(self) -> Float[Tensor, " output"]:
        return self.support.prior()
