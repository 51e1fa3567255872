"""Fixed weights on the task losses.

Source: Kurin et al. 2022, "In Defense of the Unitary Scalarization for Deep Multi-Task Learning", Section 2: weights
that are hyperparameters.
Departs: divided by their mean over the batch's tasks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import FixedScalesOptions
from conflict.rescaling.rescaling import Rescaling


class FixedScales(Rescaling):
    """One weight a task, for good."""

    task_weights: Tensor

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: FixedScalesOptions = FixedScalesOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape)
        weights = options.values or (1.0,) * num_tasks
        if len(weights) != num_tasks:
            raise ValueError(f"fixed: expected a weight for each of {num_tasks} tasks, got {len(weights)}")
        self.register_buffer("task_weights", torch.tensor(weights, dtype=torch.float64), persistent=False)

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.task_weights[task_ids]
