"""The Gramian of task gradients and their weighted sums, parameter by parameter; the [K, P] Jacobian is never put
together."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor


def gramian(parts: Iterable[Tensor], num_tasks: int) -> Float[Tensor, "task task"]:
    """Inner products of the task gradients, in float64.

    Args:
        parts: each parameter's task gradients, [task, *parameter shape]; products are taken in their own precision.
        num_tasks: K, for the case without parts.
    """
    total: Tensor | None = None
    for part in parts:
        flat = part.reshape(num_tasks, -1)
        product = (flat @ flat.T).double()
        total = product if total is None else total.add_(product)
    return torch.zeros(num_tasks, num_tasks, dtype=torch.float64) if total is None else total


def weighted_sum(part: Tensor, weights_k: Float[Tensor, " task"]) -> Tensor:
    """``sum_k weights[k] part[k]``, in the precision of the part."""
    return (weights_k.to(part) @ part.reshape(len(part), -1)).reshape(part.shape[1:])
