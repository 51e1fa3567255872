"""All experts for every row, mixed by a softmax over router logits.

Source: Jacobs et al. 1991, "Adaptive Mixtures of Local Experts", Equation 1.1.
Departs: experts are feed-forward nets inside of a network, trained by whatever loss that has; the router sees the
features, the task, or both.
"""

import torch
from torch import Tensor

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.feed_forward import FeedForwardExperts
from mtrl.agent.experts.mixture import Mixture, Routing, weighted_sum, without_loss
from mtrl.agent.experts.router import Router


class Dense(Mixture):
    """Soft routing."""

    def __init__(self, width: int, num_tasks: int, config: ExpertsConfig) -> None:
        super().__init__()
        self.router = Router(width, num_tasks, config)
        self.experts = FeedForwardExperts(config.num_experts, width, config.expert_width)

    def forward(
        self, x: Tensor, task: Tensor, *, exists: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Routing]:
        gates = self.router(x, task, exists=exists, generator=generator).softmax(dim=-1)
        return weighted_sum(self.experts(x), gates), without_loss(gates, exists)
