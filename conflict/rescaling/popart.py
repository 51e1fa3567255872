"""PopArt: normalise returns by running statistics, and rewrite the value head so that its outputs stay what they were.

Source: van Hasselt et al. 2016, "Learning values across many orders of magnitude", Algorithm 1; Hessel et al. 2018,
"Multi-task Deep Reinforcement Learning with PopArt", Equations 4-6 (one statistic a task).
Departs: statistics are averages over the batch's rows of a task, with bias correction (the first batch sets them
outright), and mean and variance are tracked instead of the two moments (the same numbers, without cancellation). With a
classification value target there is no linear output to rewrite: pass no outputs, and only the targets are normalised.
A task without rows in the batch is left alone. The standard deviation starts as that of the first rewards
(`normalised_returns.py`), not at 1.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from conflict.rescaling.normalised_returns import NormalisedReturns, is_flat
from conflict.rescaling.options import PopArtOptions
from conflict.rescaling.task_affine import TaskAffine


class PopArt(NormalisedReturns):
    """Mean and standard deviation of the returns, per task (``groups = num_tasks``) or over all tasks (``groups =
    1``)."""

    mean: Tensor
    variance: Tensor
    unit: Tensor
    total_weight: Tensor

    def __init__(
        self,
        num_tasks: int,
        value_shape: Sequence[int] = (1,),
        options: PopArtOptions = PopArtOptions(),
        *,
        groups: int | None = None,
    ) -> None:
        if groups not in (None, 1, num_tasks):
            raise ValueError(f"PopArt keeps statistics for 1 or num_tasks = {num_tasks} groups, got {groups}")
        super().__init__(num_tasks, value_shape, groups)
        self.options = options
        shape = (self.num_groups, self.num_values)
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("unit", torch.ones(shape, dtype=torch.float64))  # as long as there is no variance
        # 1 - (1 - step_size)^batches
        self.register_buffer("total_weight", torch.zeros(self.num_groups, dtype=torch.float64))

    @property
    def sigma(self) -> Float[Tensor, "group value"]:
        """Standard deviation within its bounds."""
        found = torch.where(is_flat(self.variance, self.mean.square()), self.unit, self.variance.sqrt())
        return found.clamp(self.options.minimum, self.options.maximum)

    def _begin(self, begins: Tensor, scale: Tensor) -> None:
        self.unit.copy_(torch.where(begins[:, None], scale, self.unit))

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
        for output in outputs:
            if self.num_groups not in (1, output.num_tasks):
                raise ValueError(
                    f"PopArt keeps {self.num_groups} groups of statistics, a TaskAffine has {output.num_tasks} map(s); "
                    "build it with num_tasks=rescaling.num_groups"
                )
        old_mean, old_sigma = self.mean.clone(), self.sigma
        self._meet(row_task, rewards)
        self._update_statistics(returns, self._group_of(row_task))
        mean, sigma = self.mean, self.sigma
        for output in outputs:
            weight, bias = output.weight.double(), output.bias.double()
            output.weight.copy_(weight * (old_sigma / sigma))
            output.bias.copy_((old_sigma * bias + old_mean - mean) / sigma)

    def _update_statistics(self, returns: Tensor, group: Tensor) -> None:
        values = returns.to(self.mean)
        count = torch.zeros_like(self.total_weight).index_add_(0, group, torch.ones_like(values[:, 0]))
        seen = (count > 0) & self.begun
        count = count.clamp(min=1.0)[:, None]
        batch_mean = torch.zeros_like(self.mean).index_add_(0, group, values) / count
        batch_variance = torch.zeros_like(self.mean).index_add_(0, group, (values - batch_mean[group]).square()) / count
        beta = self.options.step_size
        total = torch.where(seen, self.total_weight + beta * (1.0 - self.total_weight), self.total_weight)
        rate = torch.where(seen, beta / total.clamp(min=beta), 0.0)[:, None]  # bias-corrected averages in one step
        delta = batch_mean - self.mean
        self.variance.copy_((1 - rate) * (self.variance + rate * delta.square()) + rate * batch_variance)
        self.mean.add_(rate * delta)
        self.total_weight.copy_(total)

    def normalise(
        self, returns: Float[Tensor, "*lead row value"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row value"]:
        mean, sigma = self._rows(returns, row_task)
        return (returns - mean) / sigma

    def denormalise(
        self, values: Float[Tensor, "*lead row value"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row value"]:
        mean, sigma = self._rows(values, row_task)
        return values * sigma + mean

    def _rows(self, like: Tensor, row_task: Tensor) -> tuple[Tensor, Tensor]:
        mean, sigma = self.mean.to(like.dtype), self.sigma.to(like.dtype)
        return (mean, sigma) if self.num_groups == 1 else (mean[row_task], sigma[row_task])


def popart_global(
    num_tasks: int, value_shape: Sequence[int] = (1,), options: PopArtOptions = PopArtOptions()
) -> PopArt:
    """PopArt with one set of statistics over all tasks, as in AMAGO-2."""
    return PopArt(num_tasks, value_shape, options, groups=1)
