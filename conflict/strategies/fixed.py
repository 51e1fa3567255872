"""Fixed weights: each task's gradient counts as much as an option says.

Source: none; "linear scalarisation", the plain mean with weights that somebody tuned.
Departs: only the ratios of the weights matter. Those of a batch are divided by their sum, by the scale convention.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.options import FixedOptions
from conflict.strategies.strategy import Strategy


class Fixed(Strategy):
    """Weight ``r_k / sum of r over the batch``; a batch whose tasks all have weight 0 gives no update."""

    needs = "losses"

    def __init__(self, num_tasks: int, options: FixedOptions = FixedOptions()) -> None:
        super().__init__(num_tasks, options)
        self.ratios = np.array(options.weights or num_tasks * (1.0,), dtype=np.float64)
        if len(self.ratios) != num_tasks:
            raise ValueError(f"there are {num_tasks} tasks, but the option weights has {len(self.ratios)} numbers")

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        ratios: Array = self.ratios[task_ids.cpu().numpy()]
        ratios = ratios / max(float(ratios.max()), np.finfo(np.float64).tiny)  # the sum of large ones may overflow
        return ratios / max(float(ratios.sum()), 1.0)
