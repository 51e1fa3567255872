"""Experts whose outputs are made orthogonal to each other in every row, and mixed by weights of the task.

Source: Hendawy et al. 2024, "Multi-Task Reinforcement Learning with Mixture of Orthogonal Experts", Section 4: the
representations of a state are orthonormalised by the Gram-Schmidt process, then summed with weights of the task.
Departs: directions have the length ``sqrt(width)``, not 1, so that features are of size 1 as those around them. An
output that lies in the span of those before it becomes 0, where the process would divide by nearly nothing. Weights
start around one common vector of norm 1, so that the mean over tasks stands in for one that training has not seen. No
activation follows the sum. The features beside which the mixture stands go on as well (see `routes`): the span of the
experts holds what is added, and not all that policy and critics read, as in the paper.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.feed_forward import FeedForwardExperts
from mtrl.agent.experts.mixture import Mixture, Routing, weighted_sum, without_loss
from mtrl.agent.task_table import TaskTable

SPANNED = 1e-3
"""An output of which no larger part is new counts as spanned by those before it."""


class MOORE(Mixture):
    """Mixture of orthogonal experts; the gates are the task's weights, which may have any sign and sum."""

    def __init__(self, width: int, num_tasks: int, config: ExpertsConfig) -> None:
        super().__init__()
        experts = config.num_experts
        if experts > width:
            raise ValueError(
                f"num_experts: expected at most the width of the features, {width}, for moore, found {experts}: "
                "more directions cannot be orthogonal"
            )
        self.weights = TaskTable(num_tasks, experts, mean=experts**-0.5, std=0.5 * experts**-0.5)
        self.experts = FeedForwardExperts(experts, width, config.expert_width)

    def forward(
        self, x: Tensor, task: Tensor, *, exists: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Routing]:
        weights = self.weights(task)
        directions = orthonormal(self.experts(x)) * x.shape[-1] ** 0.5
        return weighted_sum(directions, weights), without_loss(weights, exists)


def orthonormal(vectors: Float[Tensor, "expert row width"]) -> Float[Tensor, "expert row width"]:
    """Gram-Schmidt over the experts, in every row: orthogonal vectors of length 1, or 0 where a vector is spanned."""
    found: list[Tensor] = []
    for vector in vectors:
        rest = vector
        for _ in range(2 if found else 0):  # the second time takes away what rounding left
            basis = torch.stack(found)
            rest = rest - ((basis * rest).sum(dim=-1, keepdim=True) * basis).sum(dim=0)
        length = rest.norm(dim=-1, keepdim=True)
        new = length > SPANNED * vector.norm(dim=-1, keepdim=True)
        found.append(torch.where(new, rest / torch.where(new, length, 1.0), 0.0))
    return torch.stack(found)
