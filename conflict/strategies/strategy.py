"""What a gradient strategy is: a rule that turns K task gradients into one update."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from conflict.strategies.gramian import Array, Gramian
from conflict.strategies.options import StrategyOptions


class Strategy(nn.Module):
    """Combines the task gradients of a batch into one update.

    Scale convention: K identical gradients come out as that same gradient, for every strategy. So every strategy runs
    at the same learning rate as the plain mean and comparisons are fair. The option ``norm_match`` removes what
    differences of length remain.

    The batch may hold fewer tasks than there are; state is kept per task over all ``num_tasks``.

    A new strategy implements ``_weights``, or, where it is no weighted sum of task gradients, sets ``needs`` to
    ``jacobian`` and implements ``_combine``. Checks and the norm match are done here.
    """

    needs: Literal["losses", "gramian", "jacobian"] = "gramian"
    """What must be computed before: ``losses`` (the weights do not look at gradients, so one ordinary backward of the
    weighted losses suffices), ``gramian`` (``weights`` is enough) or ``jacobian`` (call ``combine``). Ask the object:
    with ``norm_match`` a strategy that could do with the losses needs the Gramian."""

    def __init__(self, num_tasks: int, options: StrategyOptions = StrategyOptions()) -> None:
        """Args: num_tasks: how many tasks there are in all; at least 1."""
        super().__init__()
        if num_tasks < 1:
            raise ValueError(f"a strategy needs num_tasks >= 1, got {num_tasks}")
        self.num_tasks = num_tasks
        self.norm_match = options.norm_match
        if self.norm_match and self.needs == "losses":
            self.needs = "gramian"

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
        Raises:
            ValueError: the Gramian is missing, is not finite, or the strategy is no weighted sum.
        """
        if self.needs == "jacobian":
            raise ValueError(f"{type(self).__name__} is no weighted sum of task gradients; call combine instead")
        if self.needs == "losses":
            gramian = Gramian.unknown(task_ids.numel())
        elif gram_kk is None:
            raise ValueError(f"{type(self).__name__} needs the Gramian of the task gradients, got None")
        else:
            gramian = Gramian.read(gram_kk, task_ids)
        weights_k = self._weights(gramian, task_ids=task_ids, generator=generator)
        if self.norm_match:
            norm = gramian.norm(weights_k)
            if norm > 0:
                weights_k = weights_k * (gramian.norm(np.full(len(weights_k), 1 / len(weights_k))) / norm)
        made = torch.from_numpy(weights_k)
        if gram_kk is None:
            return made.to(task_ids.device, torch.get_default_dtype())
        return made.to(gram_kk.device, gram_kk.dtype)

    def combine(
        self,
        jac_kp: Float[Tensor, "task param"],
        *,
        task_ids: Int[Tensor, " task"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " param"]:
        """The update itself, from the task gradients."""
        if self.needs != "jacobian":
            weights_k = self.weights(jac_kp @ jac_kp.T, task_ids=task_ids, generator=generator)
            return weights_k.to(jac_kp) @ jac_kp
        finite = torch.isfinite(jac_kp).all(dim=1)
        if not finite.all():
            raise ValueError(f"the gradients of task(s) {task_ids[~finite].tolist()} are not finite")
        update = self._combine(jac_kp, task_ids=task_ids, generator=generator)
        if self.norm_match:
            norm = torch.linalg.vector_norm(update)
            factor = torch.linalg.vector_norm(jac_kp.mean(dim=0)) / norm
            update = torch.where(norm > 0, factor * update, update)
        return update

    def _weights(
        self, gramian: Gramian, *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float64[Array, " task"]:
        """The weights before the norm match. Where ``needs`` is ``losses`` the Gramian may be all NaN."""
        raise NotImplementedError(f"{type(self).__name__} implements neither _weights nor _combine")

    def _combine(
        self, jac_kp: Float[Tensor, "task param"], *, task_ids: Int[Tensor, " task"], generator: torch.Generator | None
    ) -> Float[Tensor, " param"]:
        """The update before the norm match, for strategies that need the Jacobian."""
        raise NotImplementedError(f"{type(self).__name__} needs the Jacobian but does not implement _combine")
