"""The Gramian of the task gradients as the solvers read it: float64 on the CPU, its scale taken out.

Every strategy here is homogeneous: its weights do not change when all gradients are multiplied by one number. So
solvers see gradients whose longest has length 1, and no threshold of theirs depends on the size of a loss.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]
else:
    Array = np.ndarray

SHORTEST = 1e-18
"""A gradient shorter than this share of the longest counts as zero: weights of its inverse would overflow float32."""


@dataclass(frozen=True)
class Gramian:
    """Inner products of K task gradients, the longest of which has length 1 (or all of which are zero)."""

    matrix: Float64[Array, "task task"]
    noise: float
    """Relative precision of the entries, K times that of the dtype they came in: eigenvalues below are rounding."""

    @classmethod
    def read(cls, gram_kk: Float[Tensor, "task task"], task_ids: Int[Tensor, " task"]) -> "Gramian":
        """Args: task_ids: which tasks the rows are, for the message.

        Raises:
            ValueError: an entry is NaN or infinite.
        """
        values = gram_kk.detach().double().cpu().numpy()
        if not np.isfinite(values).all():
            raise ValueError(_blame(values, task_ids))
        values = 0.5 * (values + values.T)
        longest = float(values.diagonal().max())
        if longest > 0:
            values /= longest
        return cls(values, noise=len(values) * torch.finfo(gram_kk.dtype).eps)

    @classmethod
    def unknown(cls, count: int) -> "Gramian":
        """All NaN, for strategies that do not look at it."""
        return cls(np.full((count, count), np.nan), noise=0.0)

    def __len__(self) -> int:
        return len(self.matrix)

    @cached_property
    def norms(self) -> Float64[Array, " task"]:
        """Lengths of the gradients; exactly 0 where one counts as zero."""
        norms: Array = np.sqrt(np.maximum(self.matrix.diagonal(), 0.0))
        norms[norms < SHORTEST] = 0.0
        return norms

    @cached_property
    def alive(self) -> Bool[Array, " task"]:
        """Which gradients are not zero."""
        return self.norms > 0

    @cached_property
    def cosines(self) -> Float64[Array, "task task"]:
        """Inner products of the unit gradients; rows and columns of zero gradients are zero."""
        inverse = np.divide(1.0, self.norms, out=np.zeros_like(self.norms), where=self.alive)
        cosines: Array = (self.matrix * inverse[:, None] * inverse).clip(-1.0, 1.0)
        np.fill_diagonal(cosines, self.alive)
        return cosines

    def norm(self, weights_k: Float64[Array, " task"]) -> float:
        """Length of the weighted sum of the gradients; 0 where it is no more than rounding."""
        terms = float(np.abs(weights_k) @ self.norms)
        square = float(weights_k @ self.matrix @ weights_k)
        return square**0.5 if square > self.noise * terms**2 else 0.0


def pseudo_inverse(matrix: Float64[Array, "n n"], noise: float) -> Float64[Array, "n n"]:
    """Of a positive semidefinite matrix; eigenvalues up to ``noise`` times the largest count as zero."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > noise * max(values[-1], 0.0)
    inverse: Array = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return inverse


def _blame(values: Array, task_ids: Tensor) -> str:
    wrong = ~np.isfinite(values.diagonal())
    if not wrong.any():
        wrong = ~np.isfinite(values).all(axis=1)
    rows = np.flatnonzero(wrong).tolist()
    tasks = task_ids[torch.as_tensor(rows, device=task_ids.device)].tolist()
    return (
        f"the Gramian must be finite, got NaN or infinity in row(s) {', '.join(map(str, rows))} "
        f"(task(s) {', '.join(map(str, tasks))}); their gradients are not finite, or so long that their squares "
        "overflow the dtype"
    )
