"""Aligned-MTL: make the principal components of the task gradients equally long before taking the mean.

Source: Senushkin et al. 2023, "Independent Component Alignment for Multi-Task Learning", Algorithm 1: with the Gramian
V diag(l) V^T, the aligned gradients are those of the balance matrix B = sigma V diag(l^(-1/2)) V^T, sigma the smallest
singular value sqrt(min l), and the weights are B w.
Departs: w = 1 / K instead of 1 (the scale convention). Eigenvalues up to rounding do not count. Other choices of sigma,
as in published code: the lower median, and the root mean square, of the singular values.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.options import AlignedMTLOptions
from conflict.strategies.strategy import Strategy


def aligned_weights(gramian: Gramian, scale: str) -> Float64[Array, " task"]:
    """``B w`` with ``w = 1 / K``; if all gradients are zero, w."""
    values, vectors = np.linalg.eigh(gramian.matrix)
    kept = values > gramian.noise * max(values[-1], 0.0)
    mean = np.full(len(values), 1.0 / len(values))
    if not kept.any():
        return mean
    values, vectors = values[kept], vectors[:, kept]
    sigma = {"min": values[0], "median": values[(len(values) - 1) // 2], "rmse": values.mean()}[scale] ** 0.5
    weights: Array = vectors @ (sigma / np.sqrt(values) * (mean @ vectors))
    return weights


class AlignedMTL(Strategy):
    """The aligned gradients are orthogonal and equally long, so their mean improves each; the original tasks may get
    worse."""

    def __init__(self, num_tasks: int, options: AlignedMTLOptions = AlignedMTLOptions()) -> None:
        super().__init__(num_tasks, options)
        self.scale = options.scale

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        return aligned_weights(gramian, self.scale)
