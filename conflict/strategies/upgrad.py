"""UPGrad: project each task gradient so that it conflicts with no task, then take the mean.

Source: Quinton and Rey 2024, "Jacobian Descent for Multi-Objective Optimization", Equation 3 and Section 2.2: the mean
of the projections of the g_k on the dual cone of all of them.
Departs: nothing but the ridge (see ``dual_cone``).
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.active_set import lengths
from conflict.strategies.dual_cone import project_cosines
from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.strategy import Strategy


class UPGrad(Strategy):
    """No task gets worse."""

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        projected = project_cosines(gramian, np.eye(len(gramian)))  # of the unit gradients
        norms = lengths(gramian)
        return norms @ projected / norms / len(gramian)
