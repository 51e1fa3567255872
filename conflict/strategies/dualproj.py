"""DualProj: the vector nearest to the mean gradient that conflicts with no task.

Source: Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory for Continual Learning", Equation 11, with all tasks'
gradients in the place of the memory's and their mean in the place of the new one.
Departs: the mean is projected (the scale convention), with a ridge (see ``dual_cone``) and without GEM's margin.
"""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from conflict.strategies.active_set import lengths
from conflict.strategies.dual_cone import project_cosines
from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.strategy import Strategy


class DualProj(Strategy):
    """No task gets worse, and the update is the mean where that conflicts with none."""

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        norms = lengths(gramian)
        weights: Array = project_cosines(gramian, norms[None] / len(gramian))[0] / norms
        return weights
