"""Dynamic weight average: more weight to the losses that fall slowly.

Source: Liu et al. 2019, "End-to-End Multi-Task Learning with Attention", Equation 7: w_k = K softmax_k(r_k / T) with
r_k = L_k(t - 1) / L_k(t - 2), means over the last two epochs.
Departs: there are no epochs here, so means run over stretches of ``window`` updates of the task; until two are complete
its r_k is 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import DWAOptions
from conflict.rescaling.rescaling import Rescaling


class DWA(Rescaling):
    """Weights by the ratio of the last two stretches' mean losses."""

    needs_positive_losses = True
    total: Tensor
    count: Tensor
    last: Tensor
    before: Tensor

    def __init__(self, num_tasks: int, value_shape: Sequence[int] = (1,), options: DWAOptions = DWAOptions()) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options
        for name in ("total", "last", "before"):  # 0 means: not known yet
            self.register_buffer(name, torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_tasks, dtype=torch.long))

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        last, before = self.last[task_ids], self.before[task_ids]
        ratio_k = torch.where(before > 0, last / before.clamp(min=torch.finfo(before.dtype).tiny), 1.0)
        return torch.softmax(ratio_k / self.options.temperature, dim=0)

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None, after_k: Tensor | None) -> None:
        self.total[task_ids] += losses_k
        self.count[task_ids] += 1
        full = self.count >= self.options.window
        self.before = torch.where(full, self.last, self.before)
        self.last = torch.where(full, self.total / self.count.clamp(min=1), self.last)
        self.total = torch.where(full, 0.0, self.total)
        self.count = torch.where(full, 0, self.count)
