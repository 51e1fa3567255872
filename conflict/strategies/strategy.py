"""What a gradient strategy is: a rule that turns K task gradients into one update."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Strategy(nn.Module, ABC):
    """Combines the task gradients of a batch into one update.

    Scale convention: K identical gradients come out as that same gradient, for every strategy. So every strategy runs
    at the same learning rate as the plain mean and comparisons are fair.

    The batch may hold fewer tasks than there are; state is kept per task over all ``num_tasks``.
    """

    needs: ClassVar[Literal["losses", "gramian", "jacobian"]] = "gramian"
    """What must be computed before: ``losses`` (the weights do not look at gradients, so one ordinary backward of the
    weighted losses suffices), ``gramian`` (``weights`` is enough) or ``jacobian`` (call ``combine``)."""

    def __init__(self, num_tasks: int) -> None:
        """Args: num_tasks: how many tasks there are in all; at least 1."""
        super().__init__()
        if num_tasks < 1:
            raise ValueError(f"a strategy needs num_tasks >= 1, got {num_tasks}")
        self.num_tasks = num_tasks

    @abstractmethod
    def weights(
        self,
        gram_kk: Float[Tensor, "task task"] | None,
        *,
        task_ids: Int[Tensor, " task"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " task"]:
        """Weights such that the update is ``sum_k weights[k] * grad_k``.

        Args:
            gram_kk: inner products of the task gradients; may be None where ``needs`` is ``losses``.
            task_ids: which task each row of ``gram_kk`` is, each in [0, num_tasks).
            generator: the only source of randomness; None draws from torch's default generator.
        """

    def combine(
        self,
        jac_kp: Float[Tensor, "task param"],
        *,
        task_ids: Int[Tensor, " task"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " param"]:
        """The update itself. Strategies that are no weighted sum of task gradients override this."""
        weights_k = self.weights(jac_kp @ jac_kp.T, task_ids=task_ids, generator=generator)
        return weights_k.to(jac_kp) @ jac_kp
