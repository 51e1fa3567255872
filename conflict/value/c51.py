"""C51: learn the distribution of returns, from the next state's distribution moved by reward and discount.

Source: Bellemare, Dabney & Munos 2017, "A Distributional Perspective on Reinforcement Learning", Algorithm 1 and
Equation 7: atoms z_i; the mass at r + gamma z_j goes to its two neighbours among the atoms in proportion to nearness;
the loss is the cross-entropy; the value is sum_i p_i z_i.
Departs: the atoms may be equally spaced in symlog(value / unit), as those of the other classification targets; then
nearness and the mean are taken there too, and where returns are random the value read back is not their mean but nearer
to the typical one. (In the value itself a millionth of mass at the end of a reach of 1e5 would be worth 0.1.) With
linear spacing it is the paper's, which keeps the mean. A scalar target is the distribution with all mass on it, which
gives the two-hot target.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from conflict.value.options import C51Options
from conflict.value.two_hot import TwoHot


class C51(TwoHot):
    """Cross-entropy against a projected distribution, or against two bins where the target is a scalar."""

    distributional = True

    def __init__(self, options: C51Options = C51Options()) -> None:
        super().__init__(options)

    def loss_to(
        self, outputs: Float[Tensor, "*lead output"], probabilities: Float[Tensor, "... output"]
    ) -> Float[Tensor, "*lead"]:
        logits = outputs.float() if outputs.dtype in (torch.float16, torch.bfloat16) else outputs
        return -(probabilities.detach().to(logits.dtype) * logits.log_softmax(dim=-1)).sum(dim=-1)

    def probabilities(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead output"]:
        return outputs.softmax(dim=-1)

    def mean(self, probabilities: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        return self.support.read_probabilities(probabilities)

    @torch.no_grad()
    def project(
        self,
        probabilities: Float[Tensor, "*lead output"],
        reward: Float[Tensor, "*lead"],
        discount: Float[Tensor, "*lead"],
    ) -> Float[Tensor, "*lead output"]:
        moved = reward[..., None] + discount[..., None] * self.support.values.to(probabilities)
        lower, weights = self.neighbours(moved)
        mass = probabilities[..., None] * weights
        found = torch.zeros_like(probabilities).scatter_add_(-1, lower, mass[..., 0])
        return found.scatter_add_(-1, lower + 1, mass[..., 1])
