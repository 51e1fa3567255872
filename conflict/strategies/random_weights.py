"""Random weights, drawn anew at every update: a baseline that tells whether a method's weights mean anything.

Source: Lin et al. 2022, "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning":
a softmax of independent standard normal numbers.
Departs: nothing; the paper's weights sum to 1. They are the same whether they weigh losses (RLW) or gradients (RGW).
"""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.strategy import Strategy


class RandomWeights(Strategy):
    """A softmax of normal numbers from the passed generator."""

    needs = "losses"

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        device = torch.device("cpu") if generator is None else generator.device
        drawn = torch.randn(len(gramian), generator=generator, dtype=torch.float64, device=device)
        return drawn.softmax(dim=0).cpu().numpy()
