"""What a rescaling is: a scale for each task, on its loss or on its returns; the base class is the identity."""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from conflict.rescaling.options import IdentityOptions
from conflict.rescaling.task_affine import TaskAffine


class Rescaling(nn.Module, ABC):
    """Rescales losses, returns, or neither. Every method has the identity as its default.

    Args:
        num_tasks: how many tasks there are in all; a batch may hold fewer.
        value_shape: shape of one row's return, for example ``(7,)`` for seven discounts.
    """

    needs_gradient_norms: ClassVar[bool] = False
    """Whether ``observe_update`` must be given the norms of the task gradients."""
    needs_positive_losses: ClassVar[bool] = False
    """Whether the losses must be greater than 0: it compares them by ratios or logarithms."""
    needs_losses_after: ClassVar[bool] = False
    """Whether ``observe_update`` must be given the losses of the same batch after the optimizer's step."""
    normalises_returns: ClassVar[bool] = False
    """Whether ``observe_returns``, ``normalise`` and ``denormalise`` do anything."""

    by_task: bool = False
    """Whether returns have a unit of each task's own, also where there is one task alone."""

    def __init__(self, num_tasks: int, value_shape: Sequence[int] = (1,)) -> None:
        super().__init__()
        if num_tasks < 1:
            raise ValueError(f"a rescaling needs num_tasks >= 1, got {num_tasks}")
        self.num_tasks = num_tasks
        self.value_shape = tuple(value_shape)

    @property
    def num_groups(self) -> int:
        """How many maps a ``TaskAffine`` needs to go with this: 1, or ``num_tasks`` for statistics per task."""
        return 1

    @torch.no_grad()
    def loss_scales(
        self,
        task_ids: Int[Tensor, " task"],
        losses_k: Float[Tensor, " task"],
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " task"]:
        """Detached factor on the loss of each task of the batch; they average to 1, whatever the method.

        Args:
            task_ids: the tasks of the batch.
            losses_k: their losses, by which the tasks are compared.
            generator: the only source of randomness; None draws from torch's default generator.
        Raises:
            ValueError: a loss is not positive, and the method needs that.
        """
        self._refuse_negative(task_ids, losses_k)
        scales = self._scales(task_ids, losses_k.detach().double(), generator)
        return (scales / scales.mean()).to(losses_k.dtype)

    @torch.no_grad()
    def observe_update(
        self,
        task_ids: Int[Tensor, " task"],
        losses_k: Float[Tensor, " task"],
        norms_k: Float[Tensor, " task"] | None = None,
        after_k: Float[Tensor, " task"] | None = None,
    ) -> None:
        """Adapt the scales; call it after the optimizer's step.

        Args:
            task_ids: the tasks of the batch.
            losses_k: their losses *before* scaling and before the step, as given to ``loss_scales``.
            norms_k: norms of the gradients of their losses *after* scaling; None unless ``needs_gradient_norms``.
            after_k: like ``losses_k``, on the same batch after the step; None unless ``needs_losses_after``.
        Raises:
            ValueError: a loss is not positive, or norms or later losses are missing, and the method needs them.
        """
        self._refuse_negative(task_ids, losses_k)
        if self.needs_gradient_norms and norms_k is None:
            raise ValueError(f"{type(self).__name__} needs the norms of the task gradients, got None")
        if self.needs_losses_after:
            if after_k is None:
                raise ValueError(
                    f"{type(self).__name__} needs the losses of the same batch after the optimizer's step, got None"
                )
            self._refuse_negative(task_ids, after_k)
        given = (losses_k, norms_k, after_k)
        losses, norms, after = (None if x is None else x.detach().double() for x in given)
        assert losses is not None
        self._observe(task_ids, losses, norms, after)

    def _scales(self, task_ids: Tensor, losses_k: Tensor, generator: torch.Generator | None) -> Tensor:
        """Positive factors [task] in float64, of any common size."""
        return torch.ones_like(losses_k)

    def _observe(self, task_ids: Tensor, losses_k: Tensor, norms_k: Tensor | None, after_k: Tensor | None) -> None:
        """Adapt to an update; all in float64."""

    def _refuse_negative(self, task_ids: Tensor, losses_k: Tensor) -> None:
        if self.needs_positive_losses and not bool((losses_k > 0).all()):
            wrong = {int(i): float(x) for i, x in zip(task_ids, losses_k, strict=True) if not x > 0}
            raise ValueError(
                f"{type(self).__name__} needs positive losses, got {wrong} (task id: loss). It compares losses by "
                "their ratios; give it critic losses, squared errors or cross-entropies, not an actor's."
            )

    @property
    def awaits_rewards(self) -> bool:
        """Whether ``begin_returns`` has something left to do."""
        return False

    def begin_returns(
        self, rewards: Float[Tensor, " row"], row_task: Int[Tensor, " row"], discounts: Float[Tensor, "row value"]
    ) -> None:
        """Take the unit of rewards that are met for the first time. Call it before targets are made of the batch; what
        critics say that know nothing is then noise in that unit. Value heads are not rewritten.

        Args:
            rewards: of each row, on their scale.
            row_task: task of each row.
            discounts: as for ``observe_returns``.
        """

    def observe_returns(
        self,
        returns: Float[Tensor, "row value"],
        row_task: Int[Tensor, " row"],
        outputs: Sequence[TaskAffine] = (),
        *,
        rewards: Float[Tensor, " row"] | None = None,
        discounts: Float[Tensor, "row value"] | None = None,
    ) -> None:
        """Update statistics with a batch of returns and rewrite the value heads' last layers to match.

        Args:
            returns: the critic's targets, on the scale of the rewards.
            row_task: task of each row.
            outputs: last layers whose outputs are to keep their meaning.
            rewards: the reward that each return begins with.
            discounts: the factor on what comes after it; 0 where the episode terminated.
        """

    def normalise(
        self, returns: Float[Tensor, "*lead row value"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row value"]:
        """Returns in the units that the value head learns."""
        return returns

    def denormalise(
        self, values: Float[Tensor, "*lead row value"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "*lead row value"]:
        """Values in the units of the return; the inverse of ``normalise``."""
        return values


class Identity(Rescaling):
    """No rescaling, registered as ``none``."""

    def __init__(
        self, num_tasks: int, value_shape: Sequence[int] = (1,), options: IdentityOptions = IdentityOptions()
    ) -> None:
        super().__init__(num_tasks, value_shape)
