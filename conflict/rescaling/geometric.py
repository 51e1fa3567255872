"""The geometric mean of the losses, whose gradient weighs every loss by its inverse.

Source: Chennupati et al. 2019, "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task
Learning", Equation 2: (prod_k L_k)^(1/K), with gradient (1/K) sum_k (mean / L_k) grad L_k.
Departs: its own factor, the geometric mean itself, is replaced by an average scale of 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conflict.rescaling.options import GeometricOptions
from conflict.rescaling.rescaling import Rescaling


class Geometric(Rescaling):
    """Weights 1 / L_k."""

    needs_positive_losses = True

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: GeometricOptions = GeometricOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape)

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        return 1.0 / losses_k
