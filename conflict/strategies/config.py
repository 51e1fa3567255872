"""ConFIG: the update with the same cosine to every task's gradient.

Source: Liu et al. 2025, "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks", Section 3:
with U the unit gradients as rows, d_u is the unit vector along U^+ 1, and the update is (sum_k <g_k, d_u>) d_u.
Departs: the mean of the projections instead of their sum (the scale convention). U^+ 1 = U^T C^+ 1 with the cosines
C = U U^T, so the Jacobian is not needed; singular values below the square root of rounding count as zero. Tasks with a
zero gradient are left out.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.gramian import Array, Gramian, pseudo_inverse
from conflict.strategies.strategy import Strategy


class ConFIG(Strategy):
    """Independent gradients: every task improves, by the same share of its gradient's norm; the direction, which is
    that of IMTL-G, does not change if one task's gradient is multiplied by a number."""

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        point = pseudo_inverse(gramian.cosines, gramian.noise).sum(axis=1)
        along = gramian.cosines @ point
        square = float(point @ along)
        if square <= 0:
            return np.zeros(len(gramian))
        length = float(gramian.norms @ along) / len(gramian) / square
        return np.divide(length * point, gramian.norms, out=np.zeros_like(point), where=gramian.alive)
