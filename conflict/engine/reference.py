"""The reference for per-task gradients: one ordinary backward pass for each task's loss. Slow, and right for any
model."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn


def reference_jacobian(
    losses_k: Float[Tensor, " task"], parameters: Iterable[nn.Parameter]
) -> Float[Tensor, "task param"]:
    """Row k is the gradient of ``losses_k[k]`` in all parameters, flattened and concatenated; keeps the graph."""
    leaves = list(parameters)
    rows = []
    for loss in losses_k:
        grads = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
        filled = [torch.zeros_like(p) if g is None else g for p, g in zip(leaves, grads, strict=True)]
        rows.append(torch.cat([g.flatten() for g in filled]))
    return torch.stack(rows)
