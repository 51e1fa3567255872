"""Continuous actions: a normal distribution squashed into (-1, 1), with a standard deviation that the state decides.

Source: Haarnoja et al. 2018, "Soft Actor-Critic", Appendix C: log pi(a) = log N(x) - sum_i log(1 - tanh(x_i)^2).
Departs: one distribution a discount, as for discrete actions; means and deviations within smooth bounds; the entropy
by quadrature in place of one draw.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mtrl.agent.policy import Candidates, Policy
from mtrl.agent.task_heads import TaskLinear, for_tasks

_LEAST_LOG_STD, _MOST_LOG_STD = -5.0, 1.0
_FIRST_STD = 0.9
"""Before training. Squashed, this is nearly the uniform distribution, so that the first data hold every action."""
_MOST_MEAN = 5.0
"""Squashed, this is an action of 0.9999."""
_MOST_ACTION = 1.0 - 1e-6
"""Stored actions are clamped to this: beyond it float32 has too few digits to say what was squashed."""
_NODES = 16


class SquashedNormalPolicy(Policy):
    """Its parameters are [row, discount, 3, size]: means, logarithms of standard deviations, and which of the numbers
    of an action the row's task has (1 or 0). Those that it lacks are 0 in every action and count nowhere."""

    def __init__(
        self, width: int, head_width: int, size: int, num_discounts: int, heads: Sequence[int] | None = None
    ) -> None:
        """Args: heads: the head of every task; None: one for all."""
        super().__init__()
        self.size, self.num_discounts = size, num_discounts
        self.hidden = nn.Sequential(
            nn.Linear(width, head_width), nn.LeakyReLU(), nn.Linear(head_width, head_width), nn.LeakyReLU()
        )
        last = nn.Linear(head_width, num_discounts * 2 * size)
        nn.init.normal_(last.weight, std=0.01)
        half = (_MOST_LOG_STD - _LEAST_LOG_STD) / 2
        first = math.atanh((math.log(_FIRST_STD) - _LEAST_LOG_STD) / half - 1)
        last.bias.data.copy_(torch.tensor([0.0, first]).repeat_interleave(size).repeat(num_discounts))
        self.moments: nn.Linear | TaskLinear = last if heads is None else for_tasks(last, heads)
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)  # type: ignore[no-untyped-call]
        self.nodes: Tensor
        self.node_weights: Tensor
        self.register_buffer("nodes", torch.tensor(nodes, dtype=torch.float32), persistent=False)
        weights = torch.tensor(weights / weights.sum(), dtype=torch.float32)
        self.register_buffer("node_weights", weights, persistent=False)

    @property
    def last(self) -> nn.Linear | TaskLinear:
        return self.moments

    def forward(
        self,
        features: Float[Tensor, "row width"],
        allowed: Bool[Tensor, "row size"] | None,
        task: Int[Tensor, " row"] | None = None,
    ) -> Float[Tensor, "row discount 3 size"]:
        raw = self._raw(features, task).unflatten(-1, (self.num_discounts, 2, self.size))
        return _bounded(raw, None if allowed is None else allowed[:, None, :])

    def act(
        self,
        features: Float[Tensor, "row width"],
        discount: int,
        allowed: Bool[Tensor, "row size"] | None,
        task: Int[Tensor, " row"] | None = None,
        *,
        greedy: bool,
        generator: torch.Generator,
    ) -> Float[Tensor, "row size"]:
        """The greedy action is the squashed mean, which is the median."""
        raw = self._raw(features, task, slice(discount * 2 * self.size, (discount + 1) * 2 * self.size))
        params = _bounded(raw.unflatten(-1, (2, self.size)), allowed)
        mean, _, own = params.unbind(-2)
        return torch.tanh(mean) * own if greedy else _sample(params, generator)

    def log_prob(
        self, params: Float[Tensor, "row discount 3 size"], action: Float[Tensor, "row size"]
    ) -> Float[Tensor, "row discount"]:
        mean, log_std, own = params.unbind(-2)
        x = torch.atanh(action.to(mean.dtype).clamp(-_MOST_ACTION, _MOST_ACTION))[:, None]
        density = -0.5 * ((x - mean) * torch.exp(-log_std)).square() - log_std - 0.5 * math.log(2 * math.pi)
        return ((density - _log_slope(x)) * own).sum(dim=-1)

    def candidates(
        self,
        params: Float[Tensor, "row discount 3 size"],
        *,
        exact_up_to: int,
        samples: int,
        generator: torch.Generator,
    ) -> Candidates:
        """`samples` draws of equal weight; they carry the gradient of `params`. `exact_up_to` means nothing here."""
        drawn = torch.stack([_sample(params, generator) for _ in range(samples)], dim=2)
        return Candidates(drawn, params.new_full(drawn.shape[:-1], 1 / samples))

    def surrogate(
        self,
        params: Float[Tensor, "row discount 3 size"],
        chosen: Candidates,
        values: Float[Tensor, "row discount candidate"],
    ) -> Float[Tensor, "row discount"]:
        """The values themselves: they rise where the actions that they carry the gradient of do."""
        return chosen.expectation(values)

    def entropy(self, params: Float[Tensor, "row discount 3 size"]) -> Float[Tensor, "row discount"]:
        """That of the normal plus E[log(1 - tanh(x)^2)], the latter by Gauss-Hermite quadrature."""
        mean, log_std, own = params.unbind(-2)
        x = mean[..., None] + torch.exp(log_std)[..., None] * self.nodes.to(mean.dtype)
        squashing = _log_slope(x) @ self.node_weights.to(mean.dtype)
        return ((log_std + 0.5 * math.log(2 * math.pi * math.e) + squashing) * own).sum(dim=-1)

    def outline(self, params: Float[Tensor, "row discount 3 size"]) -> Float[Tensor, "row discount 3 size"]:
        """One standard deviation to either side, squashed: squashing keeps quantiles."""
        mean, log_std, own = params.unbind(-2)
        std = torch.exp(log_std)
        return torch.tanh(torch.stack([mean - std, mean, mean + std], dim=-2)) * own[..., None, :]


def _bounded(raw: Float[Tensor, "*lead 2 size"], own: Tensor | None) -> Float[Tensor, "*lead 3 size"]:
    mean = _MOST_MEAN * torch.tanh(raw[..., 0, :] / _MOST_MEAN)
    half = (_MOST_LOG_STD - _LEAST_LOG_STD) / 2
    log_std = _LEAST_LOG_STD + half * (torch.tanh(raw[..., 1, :]) + 1)
    owned = torch.ones_like(mean) if own is None else own.to(mean.dtype).expand_as(mean)
    return torch.stack([mean, log_std, owned], dim=-2)


def _sample(params: Float[Tensor, "*lead 3 size"], generator: torch.Generator) -> Float[Tensor, "*lead size"]:
    mean, log_std, own = params.unbind(-2)
    noise = torch.randn(mean.shape, device=mean.device, dtype=mean.dtype, generator=generator)
    return torch.tanh(mean + torch.exp(log_std) * noise) * own


def _log_slope(x: Tensor) -> Tensor:
    """log(1 - tanh(x)^2), without loss of digits where tanh is close to 1."""
    return 2.0 * (math.log(2.0) - x - nn.functional.softplus(-2.0 * x))
