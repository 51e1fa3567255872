"""Nash-MTL: the update on which the tasks would settle if they bargained.

Source: Navon et al. 2022, "Multi-Task Learning as a Bargaining Game", Claim 3.1 and Algorithm 1: the update
sum_k a_k g_k with G a = 1 / a (elementwise), which maximises sum_k log <g_k, d> over a ball. Multiplying one task's
gradient by a number does not change its direction.
Departs: the equation is solved to rounding (see ``fairness``) instead of by convex programs. The paper's update always
has length sqrt(K); ours has that of the mean gradient's projection on it (the scale convention), so it vanishes where
no direction improves all tasks. Tasks with a zero gradient are left out; the paper has no solution there. Between
solutions (``update_every``) weights are kept relative to the mean's, so that batches may differ in their tasks, and a
batch with a task that has none yet is solved.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.fairness import fair_weights
from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.options import NashMTLOptions
from conflict.strategies.strategy import Strategy


class NashMTL(Strategy):
    """No task gets worse in an update whose weights were solved for. Buffers: the last weights, and a counter."""

    kept: Tensor
    calls: Tensor

    def __init__(self, num_tasks: int, options: NashMTLOptions = NashMTLOptions()) -> None:
        super().__init__(num_tasks, options)
        self.update_every = options.update_every
        self.register_buffer("kept", torch.full((num_tasks,), torch.nan, dtype=torch.float64))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        if self.update_every == 1:
            return fair_weights(gramian, 1.0)
        tasks = task_ids.to(self.kept.device)
        kept = self.kept[tasks].double().cpu().numpy() / len(gramian)
        due = int(self.calls) % self.update_every == 0
        self.calls += 1
        if not due and not np.isnan(kept).any():
            return kept
        weights = fair_weights(gramian, 1.0)
        self.kept[tasks] = torch.from_numpy(weights * len(gramian)).to(self.kept)
        return weights
