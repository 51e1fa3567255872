"""Who does the work: the use of experts by task, its entropy, experts that nobody uses, rows that found no room."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mtrl.agent.experts.config import UNUSED
from mtrl.agent.experts.mixture import Routing


@dataclass(frozen=True)
class ExpertUse:
    """Of one mixture in one batch."""

    usage: Float[Tensor, "task expert"]
    """Each task's mean weight of each expert, as a share: absolute weights, which sum to 1."""
    entropy: Float[Tensor, " task"]
    """Mean entropy of the rows' shares in nats: 0 where a row has one expert, log n where it has n of them alike."""
    dropped: Float[Tensor, " task"]
    """Share of the choices that found no room."""

    def record(self, names: dict[int, str]) -> dict[str, Any]:
        """Ready for JSON, of the tasks at these places; "dead" is how many experts no task of the batch uses."""
        share = self.usage.amax(dim=0) * self.usage.shape[1]
        return {
            "usage": {name: [round(u, 4) for u in self.usage[k].tolist()] for k, name in names.items()},
            "entropy": {name: float(self.entropy[k]) for k, name in names.items()},
            "dropped": {name: float(self.dropped[k]) for k, name in names.items()},
            "dead": int((share < UNUSED).sum()),
        }


@torch.no_grad()
def use_of(routing: Routing, rows: Int[Tensor, " row"], group: Int[Tensor, " row"], num_groups: int) -> ExpertUse:
    """Summarise a routing.

    Args:
        rows: those that count.
        group: the place of each one's task, counted from 0.
    """
    weights = routing.gates[rows].abs()
    shares = weights / weights.sum(dim=-1, keepdim=True).clamp_min(1e-12)
    entropy = -(shares * shares.clamp_min(1e-12).log()).sum(dim=-1)
    counts = shares.new_zeros(num_groups).index_add_(0, group, shares.new_ones(len(rows))).clamp_min(1)

    def mean(values: Tensor) -> Tensor:
        total = values.new_zeros(num_groups, *values.shape[1:]).index_add_(0, group, values)
        return total / counts.reshape(-1, *[1] * (values.dim() - 1))

    return ExpertUse(usage=mean(shares), entropy=mean(entropy), dropped=mean(routing.dropped[rows]))
