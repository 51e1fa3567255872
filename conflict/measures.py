"""How much do task gradients disagree?  Pure functions of the task Gramian.

Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", Definitions 1 and 2.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def cosine_matrix(gram_kk: Float[Tensor, "task task"], *, eps: float = 1e-12) -> Float[Tensor, "task task"]:
    """Cosine of the angle between every two task gradients.

    Args:
        gram_kk: inner products, ``gram_kk[i, j] = <g_i, g_j>``; unit (loss/parameter)^2.
        eps: least norm that is divided by, so that a zero gradient has cosine 0 with all, itself included.
    Returns:
        Values in [-1, 1]; negative means that the two tasks conflict.
    Raises:
        ValueError: ``gram_kk`` holds a NaN or an infinity.
    """
    norms = gradient_norms(gram_kk).clamp(min=eps)
    return (gram_kk / norms[:, None] / norms[None, :]).clamp(-1.0, 1.0)


def gradient_norms(gram_kk: Float[Tensor, "task task"]) -> Float[Tensor, " task"]:
    """Norm of each task gradient.

    Raises:
        ValueError: ``gram_kk`` holds a NaN or an infinity.
    """
    if not bool(torch.isfinite(gram_kk).all()):
        tasks = (~torch.isfinite(gram_kk.diagonal())).nonzero().flatten().tolist()
        raise ValueError(f"the Gramian holds a NaN or an infinity; gradients that are not finite: rows {tasks}")
    return gram_kk.diagonal().clamp(min=0.0).sqrt()


def conflict_rate(gram_kk: Float[Tensor, "task task"]) -> float:
    """Share of the pairs of tasks whose gradients have a negative inner product; 0 for a single task."""
    gradient_norms(gram_kk)  # refuses NaN
    first, second = torch.triu_indices(len(gram_kk), len(gram_kk), offset=1)
    if len(first) == 0:
        return 0.0
    return float((gram_kk[first, second] < 0).double().mean())


def norm_spread(gram_kk: Float[Tensor, "task task"]) -> float:
    """Largest over least norm of the task gradients that are not zero; 1 if there are none."""
    norms = gradient_norms(gram_kk)
    norms = norms[norms > 0]
    return float(norms.max() / norms.min()) if len(norms) else 1.0


def effective_tasks(gram_kk: Float[Tensor, "task task"], weights_k: Float[Tensor, " task"]) -> float:
    """How many tasks make up the update ``sum_k w_k g_k``: inverse participation ratio of the norms ``|w_k g_k|``.

    Returns:
        Between 1 (one task makes up all of it) and the number of tasks (equal parts); 0 if every part is zero.
    """
    parts = weights_k.to(gram_kk).abs() * gradient_norms(gram_kk)
    if not bool((parts > 0).any()):
        return 0.0
    parts = parts / parts.max()
    return float(parts.sum().square() / parts.square().sum())
