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
    normalises_returns: ClassVar[bool] = False
    """Whether ``observe_returns``, ``normalise`` and ``denormalise`` do anything."""

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

    def loss_scales(self, task_ids: Int[Tensor, " task"]) -> Float[Tensor, " task"]:
        """Detached factor on the loss of each task of the batch."""
        return torch.ones(task_ids.shape, device=task_ids.device)

    def observe_update(
        self,
        task_ids: Int[Tensor, " task"],
        losses_k: Float[Tensor, " task"],
        norms_k: Float[Tensor, " task"] | None,
    ) -> None:
        """Adapt the scales after a backward pass.

        Args:
            task_ids: the tasks of the batch.
            losses_k: their losses *before* scaling.
            norms_k: norms of the gradients of their losses *after* scaling; None unless ``needs_gradient_norms``.
        """

    def observe_returns(
        self,
        returns: Float[Tensor, "row value"],
        row_task: Int[Tensor, " row"],
        outputs: Sequence[TaskAffine] = (),
    ) -> None:
        """Update statistics with a batch of returns and rewrite the value heads' last layers to match."""

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
