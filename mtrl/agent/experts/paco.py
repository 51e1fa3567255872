"""Each task's parameters are a weighted sum of shared parameter sets.

Source: Sun et al. 2022, "PaCo: Parameter-Compositional Multi-Task Reinforcement Learning", Figure 2: the parameters
of task t are ``Phi w_t``, applied in every layer.
Departs: a block of two layers inside of a network is composed, and added to the features that come in (see `routes`),
not the whole policy. Parameter sets enter linearly, so
their outputs are summed before each activation and no task's parameters are built. Weights start around one common
vector of norm 1, so that a composed layer is as large as an ordinary one, and the mean stands in for tasks that
training has not seen. What the paper does about single tasks whose loss explodes (masking the loss, drawing ``w_t``
anew from the other tasks') is left out.
"""

import torch
from torch import Tensor
from torch.nn.functional import gelu

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.mixture import Mixture, Routing, weighted_sum, without_loss
from mtrl.agent.heads import EnsembleLinear
from mtrl.agent.task_table import TaskTable


class PaCo(Mixture):
    """Parameter composition; the gates are the task's weights, which may have any sign and sum."""

    def __init__(self, width: int, num_tasks: int, config: ExpertsConfig) -> None:
        super().__init__()
        sets = config.num_experts
        self.weights = TaskTable(num_tasks, sets, mean=sets**-0.5, std=0.5 * sets**-0.5)
        self.enter = EnsembleLinear(sets, width, config.expert_width)
        self.leave = EnsembleLinear(sets, config.expert_width, width, scale=0.5**0.5)

    def forward(
        self, x: Tensor, task: Tensor, *, exists: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Routing]:
        weights = self.weights(task)
        hidden = gelu(_composed(self.enter, x, weights), approximate="tanh")
        return _composed(self.leave, hidden, weights), without_loss(weights, exists)


def _composed(layer: EnsembleLinear, x: Tensor, weights: Tensor) -> Tensor:
    """``sum_k w_k (x W_k + b_k)``, the layer with the parameters ``sum_k w_k W_k`` and ``sum_k w_k b_k``."""
    return weighted_sum(layer(x.expand(layer.weight.shape[0], *x.shape)), weights)
