"""Do rows really belong to one task each? Tested once for every module, with one extra backward pass.

If row r of a module's output serves only the loss of task k, weighting the losses by v weights the gradient of that row
by v_k. Batch statistics, position embeddings shared by all sequences, or rows in another order break this.
"""

import math
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from conflict.engine.capture import Capture, row_axis

TRIES = 3  # a module whose gradient is all zero at first (heads that start at zero, say) is tested again this often
_tries_left: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()  # what was found once is not tested again


def unchecked(captures: Sequence[Capture]) -> list[Capture]:
    """The calls of modules that are still to be tested."""
    return [c for c in captures if c.sizes is not None and _tries_left.get(c.ruled.module, TRIES) > 0]


def mixing_modules(losses_k: Tensor, captures: Sequence[Capture]) -> list[nn.Module]:
    """The modules with a row that serves other losses than its own task's; the others are remembered as tested."""
    edges = [capture.edge for capture in captures]
    golden = (1 + math.sqrt(5)) / 2
    factors = torch.tensor([1.0 + (golden * (k + 1)) % 1.0 for k in range(len(losses_k))]).to(losses_k)
    plain = torch.autograd.grad(losses_k.sum(), edges, retain_graph=True, allow_unused=True)
    weighted = torch.autograd.grad(losses_k @ factors, edges, retain_graph=True, allow_unused=True)
    mixing = []
    for capture, before, after in zip(captures, plain, weighted, strict=True):
        module = capture.ruled.module
        size = 0.0 if before is None or before.numel() == 0 else float(before.abs().max())
        _tries_left[module] = _tries_left.get(module, TRIES) - 1 if size == 0.0 else 0
        if before is not None and after is not None and not _in_proportion(before, after, size, factors, capture):
            mixing.append(module)
    for module in mixing:
        _tries_left.pop(module, None)
    return mixing


def _in_proportion(before: Tensor, after: Tensor, size: float, factors: Tensor, capture: Capture) -> bool:
    axis = row_axis(capture.ruled.module) or 0
    if capture.sizes is None or size == 0.0 or before.shape[axis] != capture.rows:
        return True  # nothing to see, or a module with its own rule that does not say where its rows are
    shape = [1] * before.dim()
    shape[axis] = -1
    per_row = factors.to(before).repeat_interleave(torch.tensor(capture.sizes, device=before.device))
    difference = float((after - before * per_row.reshape(shape)).abs().max())
    return not difference > 1e3 * torch.finfo(before.dtype).eps * size  # a NaN is not this test's business
