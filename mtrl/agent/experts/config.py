"""Settings of the mixtures of experts. Imports no torch, so that the command line can list them at once."""

import math
from dataclasses import dataclass
from typing import Literal

UNUSED = 0.01
"""An expert with less than this part of its even share is not used."""
_LEAST: dict[str, float] = {
    "num_experts": 1,
    "chosen_experts": 1,
    "expert_width": 1,
    "expert_layers": 1,
    "capacity": 0,
    "balance_weight": 0,
    "router_z_weight": 0,
    "router_noise": 0,
}


@dataclass(frozen=True, kw_only=True)
class ExpertsConfig:
    """Which parameters tasks share, and how."""

    experts: Literal["none", "dense", "top-k", "soft-modularization", "care", "paco", "moore"] = "none"
    """Mixture of experts; none: every task has all parameters in common."""
    experts_in: Literal["encoder", "blocks", "both"] = "encoder"
    """Where the mixtures stand: one behind the encoder, added to its features; or one in place of the feed-forward net
    of every block of a Transformer or of linear attention; or both."""
    num_experts: int = 4
    """Experts (modules of a layer, parameter sets), at least 1; for moore at most the width of the features."""
    chosen_experts: int = 2
    """Experts that top-k runs for a row, from 1 to --num-experts."""
    expert_width: int = 128
    """Hidden width of one expert, at least 1."""
    expert_layers: int = 2
    """Layers of modules in soft-modularization, at least 1."""
    capacity: float = 1.5
    """Rows that an expert of top-k takes in training, as a multiple of its even share of a batch's choices; what finds
    no room is dropped. 0: no limit. Acting knows none, and so does PPO."""
    balance_weight: float = 0.01
    """Weight, at least 0, of the load-balancing loss of top-k, which is 1 where experts are chosen evenly."""
    router_z_weight: float = 0.001
    """Weight, at least 0, of the squared log-sum-exp of top-k's router logits."""
    router_noise: float = 0.0
    """Standard deviation of the noise on the router logits of dense and top-k in training, at least 0; with PPO there
    is none."""
    routed_by: Literal["state", "task", "both"] = "both"
    """What the router of dense and top-k sees: the features, the task, or both."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= least):
                raise ValueError(f"{name}: expected a finite number of at least {least}, found {value}")
        if self.experts == "top-k" and self.chosen_experts > self.num_experts:
            raise ValueError(
                f"chosen_experts: expected at most num_experts = {self.num_experts}, found {self.chosen_experts}"
            )
