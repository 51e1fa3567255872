"""Do rows really belong to one task each? Tested once for every operation, with two extra backward passes.

If row r of an operation's output serves only the loss of task k, weighting the losses by v weights the gradient of that
row by v_k. Batch statistics, position embeddings shared by all sequences, or rows in another order break this.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from conflict.engine.rules import Saved
from conflict.engine.watch import Key, Use

TRIES = 3  # an operation whose gradient is all zero at first (heads that start at zero, say) is tested again this often


class RowCheck:
    """Remembers what was tested, and what failed."""

    def __init__(self) -> None:
        self.mixing: set[Key] = set()
        self._tries_left: dict[Key, int] = {}
        self._passes: list[list[tuple[Use, Tensor]]] = []

    def wanted(self, keys: Iterable[Key]) -> bool:
        """Whether one of these operations is still to be tested."""
        return any(self._tries_left.get(key, TRIES) > 0 for key in keys)

    def factors(self, losses_k: Tensor) -> Tensor:
        """Different factors for the tasks, between 1 and 2."""
        golden = (1 + math.sqrt(5)) / 2
        return losses_k.new_tensor([1.0 + (golden * (k + 1)) % 1.0 for k in range(len(losses_k))])

    def next_pass(self) -> None:
        """What comes belongs to another backward pass."""
        self._passes.append([])

    def receive(self, use: Use, saved: Saved, grad: Tensor) -> None:
        """One operation's output gradient."""
        self._passes[-1].append((use, grad))

    def judge(self, factors: Tensor) -> None:
        """Compare the plain pass with the one that weighted the losses by ``factors``."""
        plain, weighted = self._passes
        self._passes = []
        sizes = [float(before.abs().max()) if before.numel() else 0.0 for _, before in plain]
        # The least precise part of the model sets the noise everywhere; mixing shows in whole percents.
        eps = max([torch.finfo(torch.float32).eps, *(torch.finfo(grad.dtype).eps for _, grad in plain)])
        for (use, before), (_, after), size in zip(plain, weighted, sizes, strict=True):
            left = self._tries_left.get(use.key, TRIES)
            self._tries_left[use.key] = min(left, left - 1 if size == 0.0 else 0)
            # What cancels out leaves noise, whose size is that of what came before.
            noise = min(0.1, 1e3 * eps) * size + 10 * eps * max(sizes)
            if not _in_proportion(before, after, noise, factors, use):
                self.mixing.add(use.key)


def _in_proportion(before: Tensor, after: Tensor, noise: float, factors: Tensor, use: Use) -> bool:
    axis = use.rule.row_axis
    if use.sizes is None or before.numel() == 0 or axis is None:
        return True  # nothing to see, or a module with its own rule that does not say where its rows are
    shape = [1] * before.dim()
    shape[axis] = -1
    per_row = factors.to(before).repeat_interleave(torch.tensor(use.sizes, device=before.device))
    difference = float((after - before * per_row.reshape(shape)).abs().max())
    return not difference > noise  # a NaN is not this test's business
