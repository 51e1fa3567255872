"""IMTL-G: the update whose projections on all task gradients' directions are equal.

Source: Liu et al. 2021, "Towards Impartial Multi-task Learning", gradient balance: <d, g_k> / |g_k| is the same for all
k, d = sum_k a_k g_k, sum_k a_k = 1.
Departs: with C the cosines, a_k = (C^+ 1)_k / |g_k| is the paper's closed form, with a pseudo-inverse, so that
dependent gradients have an answer (the nearest to equal). It is divided by sum_k |a_k|: that is the paper's sum where
all are positive, but the sum of weights of both signs can be near 0 or below it, where the paper's update explodes or
makes every task worse. Tasks with a zero gradient are left out.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.gramian import Array, Gramian, pseudo_inverse
from conflict.strategies.strategy import Strategy


class IMTLG(Strategy):
    """Independent gradients: every task improves, by the same share of its gradient's norm; the direction does not
    change if one task's gradient is multiplied by a number. The shortest gradient decides the update's length."""

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        point = pseudo_inverse(gramian.cosines, gramian.noise).sum(axis=1)
        weights = np.divide(point, gramian.norms, out=np.zeros_like(point), where=gramian.alive)
        total = float(np.abs(weights).sum())
        return weights / total if total > 0 else weights
