"""Logits over experts from the features, the task, or both.

Source: Jacobs et al. 1991, "Adaptive Mixtures of Local Experts" (a linear gating network); Shazeer et al. 2017,
"Outrageously Large Neural Networks", Equation 4 (noise on the logits); Fedus et al. 2022, "Switch Transformers",
Section 2.4 (a tenth of the usual variance at the start).
Departs: the noise has one fixed size, which Shazeer et al. learn. A linear map of features beside an embedding of the
task is the sum of two, so the task's part is a table of logits.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.task_table import TaskTable

_VARIANCE = 0.1


class Router(nn.Module):
    """One logit for each row and expert."""

    def __init__(self, width: int, num_tasks: int, config: ExpertsConfig) -> None:
        super().__init__()
        self.noise = config.router_noise
        self.state = nn.Linear(width, config.num_experts) if config.routed_by != "task" else None
        self.task = (
            TaskTable(num_tasks, config.num_experts, std=_VARIANCE**0.5) if config.routed_by != "state" else None
        )
        if self.state is not None:
            nn.init.normal_(self.state.weight, std=(_VARIANCE / width) ** 0.5)
            nn.init.zeros_(self.state.bias)

    def forward(
        self,
        x: Float[Tensor, "row width"],
        task: Int[Tensor, " row"],
        *,
        exists: Bool[Tensor, " row"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "row expert"]:
        """Arguments as those of a `Mixture`."""
        parts = [] if self.state is None else [self.state(x)]
        parts += [] if self.task is None else [self.task(task)]
        logits: Tensor = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        if generator is None or not self.noise:
            return logits
        return logits + self.noise * normal_noise(logits, exists, generator)


def normal_noise(
    logits: Float[Tensor, "row expert"], exists: Bool[Tensor, " row"] | None, generator: torch.Generator
) -> Float[Tensor, "row expert"]:
    """Standard normal numbers, drawn for the rows that exist alone: padding does not change what the others get."""
    count = len(logits) if exists is None else int(exists.sum())
    drawn = torch.randn(count, logits.shape[1], generator=generator, device=generator.device).to(logits)
    if exists is None:
        return drawn
    noise = torch.zeros_like(logits)
    noise[exists] = drawn
    return noise
