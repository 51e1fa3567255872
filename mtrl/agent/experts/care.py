"""A mixture of encoders, attended to by the task's context.

Source: Sodhani et al. 2021, "Multi-Task Reinforcement Learning with Context-based Representations", Figure 3:
attention scores between the context and each encoder's output, normalised; the weighted sum of the outputs
goes on together with the context.
Departs: the encoders read the features of one encoder that tasks share, not observations, and their sum is added to
these (see `routes`). The context is learnt by the number of the task, in place of a pretrained language model that
reads a description; a mission, where tasks have one, is among the features and no part of the context. Scores are inner
products over the root of the width. The context is not concatenated to the features, which would change their width,
but added to them by a linear map.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.feed_forward import FeedForwardExperts
from mtrl.agent.experts.mixture import Mixture, Routing, weighted_sum, without_loss
from mtrl.agent.task_table import TaskTable


class CARE(Mixture):
    """Contextual attention over encoders."""

    def __init__(self, width: int, num_tasks: int, config: ExpertsConfig) -> None:
        super().__init__()
        self.context = TaskTable(num_tasks, width)
        self.experts = FeedForwardExperts(config.num_experts, width, config.expert_width)
        self.beside = nn.Linear(width, width, bias=False)

    def forward(
        self, x: Tensor, task: Tensor, *, exists: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Routing]:
        context, outputs = self.context(task), self.experts(x)
        gates = attention(context, outputs)
        return weighted_sum(outputs, gates) + self.beside(context), without_loss(gates, exists)


def attention(
    context: Float[Tensor, "row width"], outputs: Float[Tensor, "expert row width"]
) -> Float[Tensor, "row expert"]:
    """``softmax_e <context, output_e> / sqrt(width)`` of each row."""
    scores = (outputs * context).sum(dim=-1).T
    return (scores / math.sqrt(context.shape[-1])).softmax(dim=-1)
