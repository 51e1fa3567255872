"""Rescalings that divide returns by a running scale, and how such a scale begins.

A target bootstraps from what the critic says. Before it knows anything that is noise, and in units of 1 the noise
would fill the statistics: small rewards drown in it for as long as the averages remember. So a scale begins as that of
the first rewards, before a target is made, and the noise is small in that unit. Then nothing depends on the unit of all
rewards, from the first update on.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from conflict.rescaling.rescaling import Rescaling

_FLAT = 1e-20
"""A variance that is this small beside the mean of squares is rounding."""


def is_flat(
    variance: Float[Tensor, "group value"], mean_square: Float[Tensor, "group value"]
) -> Bool[Tensor, "group value"]:
    """Where returns do not differ at all, so that there is nothing to take a unit from."""
    return variance <= _FLAT * mean_square


class NormalisedReturns(Rescaling):
    """A scale for each group of tasks and each value; a group is one task, or all of them.

    Groups whose rewards have all been 0 so far stay at 1, whatever their critics imagine.
    """

    normalises_returns = True
    begun: Tensor

    def __init__(self, num_tasks: int, value_shape: Sequence[int], groups: int | None = None) -> None:
        """Args: groups: 1 for statistics of all tasks together; by default every task has its own."""
        super().__init__(num_tasks, value_shape)
        self.by_task = groups is None or groups > 1
        self.register_buffer("begun", torch.zeros(num_tasks if groups is None else groups, dtype=torch.bool))
        self.num_values = torch.Size(self.value_shape).numel()

    @property
    def num_groups(self) -> int:
        return len(self.begun)

    @property
    def awaits_rewards(self) -> bool:
        return not bool(self.begun.all())

    @torch.no_grad()
    def begin_returns(
        self, rewards: Float[Tensor, " row"], row_task: Int[Tensor, " row"], discounts: Float[Tensor, "row value"]
    ) -> None:
        if not len(rewards):
            return
        group, value = self._group_of(row_task), rewards.double()
        zero = torch.zeros(self.num_groups, dtype=torch.float64, device=value.device)
        count = zero.index_add(0, group, torch.ones_like(value)).clamp(min=1.0)
        square = zero.index_add(0, group, value.square()) / count
        begins = (square > 0) & ~self.begun
        # Of returns whose rewards have nothing to do with each other: right to a small factor, which is all it need be.
        none = discounts.new_zeros(self.num_groups, self.num_values, dtype=torch.float64)
        longest = none.scatter_reduce(0, group[:, None].expand_as(discounts), discounts.double(), "amax")
        self._begin(begins, (square[:, None] / (1 - longest.square()).clamp(min=1e-3)).sqrt())
        self.begun |= begins

    @abstractmethod
    def _begin(self, begins: Bool[Tensor, " group"], scale: Float[Tensor, "group value"]) -> None:
        """Take over the scales of the groups that begin."""

    def _meet(self, row_task: Tensor, rewards: Tensor | None) -> None:
        """Groups with a reward begin as they are where nobody called `begin_returns`; all, if rewards are not told."""
        self.begun[self._group_of(row_task if rewards is None else row_task[rewards != 0])] = True

    def _group_of(self, row_task: Tensor) -> Tensor:
        return torch.zeros_like(row_task) if self.num_groups == 1 else row_task
