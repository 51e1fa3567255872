"""Random loss weighting: new random weights in every update, the baseline that methods should beat.

Source: Lin et al. 2022, "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning", Equation
2: the softmax of standard normal numbers.
Departs: times the number of tasks in the batch (scales average to 1).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import RLWOptions
from conflict.rescaling.rescaling import Rescaling


class RLW(Rescaling):
    """Softmax of normal numbers, random only through the passed generator."""

    def __init__(self, num_tasks: int, value_shape: Sequence[int] = (1,), options: RLWOptions = RLWOptions()) -> None:
        super().__init__(num_tasks, value_shape)
        self.options = options

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        source = losses_k.device if generator is None else generator.device
        normal = torch.randn(len(losses_k), generator=generator, dtype=torch.float64, device=source)
        return torch.softmax(self.options.deviation * normal.to(losses_k.device), dim=0)
