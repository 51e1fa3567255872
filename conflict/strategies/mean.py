"""The plain mean of the task gradients: the baseline that every other strategy has to beat.

Source: Kurin et al. 2022, "In Defense of the Unitary Scalarization for Deep Multi-Task Learning".
Departs: the mean instead of the sum, by the toolkit's scale convention.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.strategy import Strategy


class Mean(Strategy):
    """Weight ``1 / k`` for each of the k tasks in the batch; one ordinary backward of the mean loss gives the same."""

    needs = "losses"

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        return np.full(len(gramian), 1.0 / len(gramian))
