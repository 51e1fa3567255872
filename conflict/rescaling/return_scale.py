"""Divide returns by a running scale, and rewrite the value head so that its outputs stay what they were.

Source: Schaul et al. 2021, "Return-based Scaling: Yet Another Normalisation Trick for Deep RL", Equation 4:
sigma^2 = V[R] + V[gamma] E[G^2], from rewards R, discounts gamma (0 where an episode ends) and returns G. van Hasselt
et al. 2016, "Learning values across many orders of magnitude", for the rewriting.
Departs: G is the critic's target, which bootstraps, instead of a Monte-Carlo return; statistics are bias-corrected
running averages, per task and discount; the target is divided by sigma instead of the temporal difference, which with a
rewritten head is the same; a scale starts as that of the first rewards (`normalised_returns.py`). ``max-return``
divides by the largest |G| of the task so far: a common practice without a paper.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from conflict.rescaling.normalised_returns import NormalisedReturns, is_flat
from conflict.rescaling.options import MaxReturnOptions, ReturnScaleOptions
from conflict.rescaling.task_affine import TaskAffine


class _Scaled(NormalisedReturns):
    """Returns over a scale for each task and value."""

    scale: Tensor

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int], options: ReturnScaleOptions | MaxReturnOptions
    ) -> None:
        super().__init__(num_tasks, value_shape)
        self.bounds = (options.minimum, options.maximum)
        self.register_buffer("scale", torch.ones(num_tasks, self.num_values, dtype=torch.float64))

    def _begin(self, begins: Tensor, scale: Tensor) -> None:
        self.scale = torch.where(begins[:, None], scale.clamp(*self.bounds), self.scale)

    def _rewrite(self, scale: Tensor, outputs: Sequence[TaskAffine]) -> None:
        for output in outputs:
            if output.num_tasks != self.num_tasks:
                raise ValueError(
                    f"scales of {self.num_tasks} tasks cannot rewrite a TaskAffine with {output.num_tasks} map(s); "
                    "build it with num_tasks=rescaling.num_groups"
                )
        factor = self.scale / scale
        for output in outputs:
            output.weight.copy_(output.weight.double() * factor)
            output.bias.copy_(output.bias.double() * factor)
        self.scale = scale

    def normalise(
        self, returns: Float[Tensor, "*lead row value"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row value"]:
        return returns / self.scale.to(returns.dtype)[row_task]

    def denormalise(
        self, values: Float[Tensor, "*lead row value"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row value"]:
        return values * self.scale.to(values.dtype)[row_task]


class ReturnScale(_Scaled):
    """sigma^2 = V[R] + V[gamma] E[G^2]."""

    moments: Tensor
    total_weight: Tensor

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: ReturnScaleOptions = ReturnScaleOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape, options)
        self.options = options
        # [task, 5, value]: averages of R, R^2, gamma, gamma^2 and G^2.
        self.register_buffer("moments", torch.zeros(num_tasks, 5, self.num_values, dtype=torch.float64))
        self.register_buffer("total_weight", torch.zeros(num_tasks, dtype=torch.float64))  # 1 - (1 - step)^batches

    @torch.no_grad()
    def observe_returns(
        self,
        returns: Float[Tensor, "row value"],
        row_task: Int[Tensor, " row"],
        outputs: Sequence[TaskAffine] = (),
        *,
        rewards: Float[Tensor, " row"] | None = None,
        discounts: Float[Tensor, "row value"] | None = None,
    ) -> None:
        if rewards is None or discounts is None:
            raise ValueError("return-scale needs the rewards and the discounts that the returns are made of, got None")
        if len(returns) == 0:
            return
        self._meet(row_task, rewards)
        r, gamma, g = rewards.double()[:, None].expand_as(returns), discounts.double(), returns.double()
        rows = torch.stack([r, r.square(), gamma, gamma.square(), g.square()], dim=1)
        count = torch.bincount(row_task, minlength=self.num_tasks).double()
        means = torch.zeros_like(self.moments).index_add_(0, row_task, rows) / count.clamp(min=1.0)[:, None, None]
        step = self.options.step_size
        seen = (count > 0) & self.begun
        weight = torch.where(seen, self.total_weight + step * (1.0 - self.total_weight), self.total_weight)
        rate = torch.where(seen, step / weight.clamp(min=step), 0.0)
        self.moments += rate[:, None, None] * (means - self.moments)
        self.total_weight = weight
        mean_r, square_r, mean_gamma, square_gamma, square_g = self.moments.unbind(1)
        variance = (square_r - mean_r.square()) + (square_gamma - mean_gamma.square()).clamp(min=0.0) * square_g
        sigma = variance.clamp(min=0.0).sqrt().clamp(*self.bounds)
        # The same reward in every step, and no end: there is nothing to divide by.
        known = (weight > 0)[:, None] & ~is_flat(variance, square_r)
        self._rewrite(torch.where(known, sigma, self.scale), outputs)


class MaxReturn(_Scaled):
    """The largest |G| of the task so far."""

    seen: Tensor

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: MaxReturnOptions = MaxReturnOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape, options)
        self.options = options
        self.register_buffer("seen", torch.zeros(num_tasks, dtype=torch.bool))

    @torch.no_grad()
    def observe_returns(
        self,
        returns: Float[Tensor, "row value"],
        row_task: Int[Tensor, " row"],
        outputs: Sequence[TaskAffine] = (),
        *,
        rewards: Float[Tensor, " row"] | None = None,
        discounts: Float[Tensor, "row value"] | None = None,
    ) -> None:
        if len(returns) == 0:
            return
        self._meet(row_task, rewards)
        index = row_task[:, None].expand_as(returns)
        before = torch.where(self.seen[:, None], self.scale, 0.0) * self.options.decay
        largest = before.scatter_reduce(0, index, returns.double().abs(), "amax")
        now = (torch.bincount(row_task, minlength=self.num_tasks) > 0) & self.begun
        self._rewrite(torch.where(now[:, None], largest.clamp(*self.bounds), self.scale), outputs)
        self.seen = self.seen | now
