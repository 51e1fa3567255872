"""Policy heads: what the learner asks of a policy, whatever its actions are.

The learner never looks inside. It asks for log-probabilities of stored actions, for candidate actions that stand for
an expectation over the policy, and for the surrogate whose gradient ascends Q. Continuous actions are another class
with these methods (`mtrl.agent.squashed_normal`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear

from mtrl.agent.task_heads import TaskLinear, for_tasks


@dataclass(frozen=True)
class Candidates:
    """Actions whose weighted values make up E_{a ~ policy} Q(h, a), for every row and discount.

    `actions` is None where the candidates are all actions in order; else [row, discount, candidate], and continuous
    ones [row, discount, candidate, size].
    """

    actions: Tensor | None
    weights: Float[Tensor, "row discount candidate"]

    def expectation(self, values: Float[Tensor, "*lead row discount candidate"]) -> Float[Tensor, "*lead row discount"]:
        """Values averaged by the candidates' weights."""
        return (values * self.weights).sum(dim=-1)


class Policy(nn.Module, ABC):
    """A distribution over actions for every row and discount; `params` is whatever the class's `forward` returns."""

    hidden: nn.Module

    @property
    @abstractmethod
    def last(self) -> nn.Linear | TaskLinear:
        """The last layer."""

    @abstractmethod
    def forward(
        self,
        features: Float[Tensor, "row width"],
        allowed: Bool[Tensor, "row action"] | None,
        task: Int[Tensor, " row"] | None = None,
    ) -> Tensor:
        """Parameters of the distributions, first axes [row, discount].

        Args:
            task: of each row; None: not told, where all tasks have one head.
        """

    @abstractmethod
    def act(
        self,
        features: Float[Tensor, "row width"],
        discount: int,
        allowed: Bool[Tensor, "row action"] | None,
        task: Int[Tensor, " row"] | None = None,
        *,
        greedy: bool,
        generator: torch.Generator,
    ) -> Tensor:
        """One action a row from the policy of one discount: drawn, or the most likely."""

    def _raw(self, features: Tensor, task: Tensor | None, part: slice = slice(None)) -> Float[Tensor, "row part"]:
        """Outputs of the last layer, or some of them."""
        hidden = self.hidden(features)
        if isinstance(self.last, TaskLinear):
            if task is None:
                raise ValueError("tasks have heads of their own: expected the task of every row, got None")
            found: Tensor = self.last(hidden, task)
            return found[:, part]
        if part == slice(None):
            return self.last(hidden)  # type: ignore[no-any-return]
        return linear(hidden, self.last.weight[part], self.last.bias[part])

    @abstractmethod
    def log_prob(self, params: Tensor, action: Tensor) -> Float[Tensor, "row discount"]:
        """Log-probability of the stored action under the policy of every discount."""

    @abstractmethod
    def candidates(self, params: Tensor, *, exact_up_to: int, samples: int, generator: torch.Generator) -> Candidates:
        """Actions that stand for an expectation over the policy.

        Where actions are continuous, they are smooth in `params`, and carry its gradient.
        """

    @abstractmethod
    def surrogate(
        self, params: Tensor, chosen: Candidates, values: Float[Tensor, "row discount candidate"]
    ) -> Float[Tensor, "row discount"]:
        """A number whose gradient in the policy is that of E_{a ~ policy} Q(h, a).

        Args:
            values: of the candidates; they must carry the gradient of these actions, if these carry one.
        """

    @abstractmethod
    def entropy(self, params: Tensor) -> Float[Tensor, "row discount"]:
        """Entropy in nats."""

    @abstractmethod
    def outline(self, params: Tensor) -> Float[Tensor, "row discount *shape"]:
        """What a picture of the distributions shows: the probability of every action, or of every number of a
        continuous action the quantiles of 16, 50 and 84%, [row, discount, 3, size]."""


class DiscretePolicy(Policy):
    """A categorical distribution; its parameters are log-probabilities [row, discount, action]."""

    def __init__(
        self, width: int, head_width: int, num_actions: int, num_discounts: int, heads: Sequence[int] | None = None
    ) -> None:
        """Args: heads: the head of every task; None: one for all."""
        super().__init__()
        self.num_actions, self.num_discounts = num_actions, num_discounts
        self.hidden = nn.Sequential(
            nn.Linear(width, head_width), nn.LeakyReLU(), nn.Linear(head_width, head_width), nn.LeakyReLU()
        )
        last = nn.Linear(head_width, num_discounts * num_actions)
        # Nearly uniform at the start, so that the first data hold every action.
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        self.logits: nn.Linear | TaskLinear = last if heads is None else for_tasks(last, heads)

    @property
    def last(self) -> nn.Linear | TaskLinear:
        return self.logits

    def forward(
        self,
        features: Float[Tensor, "row width"],
        allowed: Bool[Tensor, "row action"] | None,
        task: Int[Tensor, " row"] | None = None,
    ) -> Float[Tensor, "row discount action"]:
        logits = self._raw(features, task).unflatten(-1, (self.num_discounts, self.num_actions))
        return _log_softmax(logits, None if allowed is None else allowed[:, None, :])

    def act(
        self,
        features: Float[Tensor, "row width"],
        discount: int,
        allowed: Bool[Tensor, "row action"] | None,
        task: Int[Tensor, " row"] | None = None,
        *,
        greedy: bool,
        generator: torch.Generator,
    ) -> Int[Tensor, " row"]:
        part = slice(discount * self.num_actions, (discount + 1) * self.num_actions)
        log_probs = _log_softmax(self._raw(features, task, part), allowed)
        return log_probs.argmax(dim=-1) if greedy else _sample(log_probs, generator)

    def log_prob(
        self, params: Float[Tensor, "row discount action"], action: Int[Tensor, " row"]
    ) -> Float[Tensor, "row discount"]:
        return params.gather(-1, action[:, None, None].expand(-1, params.shape[1], 1)).squeeze(-1)

    def candidates(
        self,
        params: Float[Tensor, "row discount action"],
        *,
        exact_up_to: int,
        samples: int,
        generator: torch.Generator,
    ) -> Candidates:
        """All actions weighted by their probability where they are few, else `samples` draws of equal weight."""
        log_probs = params.detach()
        if self.num_actions <= exact_up_to:
            return Candidates(None, log_probs.exp())
        drawn = torch.stack([_sample(log_probs, generator) for _ in range(samples)], dim=-1)
        return Candidates(drawn, torch.full_like(drawn, 1 / samples, dtype=log_probs.dtype))

    def surrogate(
        self,
        params: Float[Tensor, "row discount action"],
        chosen: Candidates,
        values: Float[Tensor, "row discount candidate"],
    ) -> Float[Tensor, "row discount"]:
        """Exact where the candidates are all actions: sum_a p(a) Q(a). Otherwise the score-function estimate
        log p(a_m) (Q(a_m) - mean of the other candidates' Q), unbiased from two candidates up.
        """
        if chosen.actions is None:
            return (params.exp() * values).sum(dim=-1)
        count = values.shape[-1]
        if count > 1:
            values = (values - values.mean(dim=-1, keepdim=True)) * (count / (count - 1))
        return (params.gather(-1, chosen.actions) * values).mean(dim=-1)

    def entropy(self, params: Float[Tensor, "row discount action"]) -> Float[Tensor, "row discount"]:
        # An action that is not allowed has log-probability minus infinity and adds nothing.
        return -(params.exp() * params.clamp_min(-1e9)).sum(dim=-1)

    def outline(self, params: Float[Tensor, "row discount action"]) -> Float[Tensor, "row discount action"]:
        return params.exp()


def _log_softmax(logits: Tensor, allowed: Tensor | None) -> Tensor:
    if allowed is not None:
        logits = logits.masked_fill(~allowed, -torch.inf)
    # Torch's softmax over a short last axis takes several times as long as over the first, and says the same.
    return logits.movedim(-1, 0).log_softmax(dim=0).movedim(0, -1)


def _sample(log_probs: Float[Tensor, "*batch action"], generator: torch.Generator) -> Int[Tensor, "*batch"]:
    # One uniform number per draw: the first action whose cumulative probability is above it.
    cumulative = log_probs.exp().cumsum(dim=-1)
    drawn = torch.rand(cumulative.shape[:-1], device=log_probs.device, dtype=log_probs.dtype, generator=generator)
    return (cumulative <= (drawn.unsqueeze(-1) * cumulative[..., -1:])).sum(dim=-1)
