"""A few experts for every row, chosen by a router: sparse in forward and backward.

Source: Shazeer et al. 2017, "Outrageously Large Neural Networks", Equations 3 to 5 (the best k, a softmax over these);
Lepikhin et al. 2021, "GShard", Algorithm 1 (capacity: first choices find room before second ones); Fedus et al. 2022,
"Switch Transformers", Section 2.1 (k = 1: the gate is the raw probability), Equation 3 (capacity); losses in `balance`.
Departs: rows of equal rank find room in random order, where the papers take them as they stand: rows are sorted by
task here, and the last tasks would lose theirs. Second choices are never skipped at random. Capacity holds in training
alone.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mtrl.agent.experts.balance import balance_loss, z_loss
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.mixture import Mixture, Routing, masked
from mtrl.agent.experts.routed_experts import RoutedExperts
from mtrl.agent.experts.router import Router


class TopK(Mixture):
    """Sparse routing to `chosen_experts` of `num_experts`."""

    def __init__(self, width: int, num_tasks: int, config: ExpertsConfig) -> None:
        super().__init__()
        self.config = config
        self.router = Router(width, num_tasks, config)
        self.experts = RoutedExperts(config.num_experts, width, config.expert_width)

    def forward(
        self, x: Tensor, task: Tensor, *, exists: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Routing]:
        logits = self.router(x, task, exists=exists, generator=generator)
        gates, chosen = best(logits, self.config.chosen_experts)
        admitted = self._admitted(chosen, exists, generator)
        gates = gates * admitted
        outputs = self.experts(x, torch.where(admitted, chosen, logits.shape[1]))
        routing = Routing(
            gates=torch.zeros_like(logits).scatter(1, chosen, gates.detach()),
            loss=masked(self._loss(logits, chosen, exists, generator), exists),
            dropped=masked(1.0 - admitted.to(logits).mean(dim=1), exists),
        )
        return (outputs * gates[..., None]).sum(dim=1), routing

    def _admitted(self, chosen: Tensor, exists: Tensor | None, generator: torch.Generator | None) -> Tensor:
        there = torch.ones_like(chosen, dtype=torch.bool) if exists is None else exists[:, None].expand_as(chosen)
        if generator is None or not self.config.capacity:
            return there
        even = int(there.sum()) / self.config.num_experts
        room = max(1, math.ceil(self.config.capacity * even))
        return with_room(chosen, there[:, 0], room, self.config.num_experts, generator)

    def _loss(self, logits: Tensor, chosen: Tensor, exists: Tensor | None, generator: torch.Generator | None) -> Tensor:
        if generator is None:
            return logits.new_zeros(len(logits))
        balance = self.config.balance_weight * balance_loss(logits, chosen, exists)
        return balance + self.config.router_z_weight * z_loss(logits)


def best(
    logits: Float[Tensor, "row expert"], choices: int
) -> tuple[Float[Tensor, "row choice"], Int[Tensor, "row choice"]]:
    """Gates and numbers of the best experts, the best first. One alone has its probability, several sum to 1."""
    highest, chosen = logits.topk(choices, dim=-1)
    if choices == 1:
        return (highest - logits.logsumexp(dim=-1, keepdim=True)).exp(), chosen
    return highest.softmax(dim=-1), chosen


def with_room(
    chosen: Int[Tensor, "row choice"],
    exists: Bool[Tensor, " row"],
    room: int,
    experts: int,
    generator: torch.Generator,
) -> Bool[Tensor, "row choice"]:
    """Which choices find room where every expert takes `room` of them: all first ones before the second ones, and
    rows in random order."""
    rows = exists.nonzero()[:, 0]
    rows = rows[torch.randperm(len(rows), generator=generator, device=generator.device).to(rows.device)]
    queue = chosen[rows].T.flatten()
    before = torch.bincount(queue, minlength=experts).cumsum(dim=0).roll(1)
    before[0] = 0
    by_expert = queue.argsort(stable=True)
    place = torch.empty_like(queue)
    place[by_expert] = torch.arange(len(queue), device=queue.device) - before[queue[by_expert]]
    admitted = torch.zeros_like(chosen, dtype=torch.bool)
    admitted[rows] = (place < room).view(chosen.shape[1], -1).T
    return admitted
