"""Rows that stay where they are in a step of the optimizer: those of tasks that have no part in it, and frozen ones.

A zero gradient is not enough: AdamW's averages of earlier gradients and its weight decay move a row all the same.
Departs: each row could have an optimizer of its own; here the count of steps, which corrects what the averages owe to
their start at 0, is the whole parameter's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from mtrl.agent.task_rows import TaskRows


class Resting:
    """Watches over the rows of some parameters.

    Args:
        parameters: all that the optimizer moves, by name.
        rows: those of them of which tasks have rows.
        frozen: rows that never move, by parameter.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        rows: Mapping[str, TaskRows],
        frozen: Mapping[str, Bool[Tensor, " row"]],
    ) -> None:
        self._rows = [(parameters[name], found, frozen.get(name)) for name, found in rows.items() if name in parameters]

    def __bool__(self) -> bool:
        """Whether there is anything that may rest."""
        return bool(self._rows)

    @torch.no_grad()
    def silence(self) -> None:
        """Take the gradients of frozen rows away, which would count in the gradient's norm."""
        for parameter, rows, frozen in self._rows:
            if frozen is not None and parameter.grad is not None:
                parameter.grad.index_fill_(rows.axis, _places(frozen, parameter), 0.0)

    @contextmanager
    def through_a_step(self, optimizer: torch.optim.Optimizer, present: Bool[Tensor, " task"]) -> Iterator[None]:
        """Around `optimizer.step()`: rows without a task that is present, and frozen ones, come out with the bits that
        they had, and so does what the optimizer remembers of them."""
        kept = []
        for parameter, rows, frozen in self._rows:
            still = ~rows.tasks[:, present].any(dim=1)
            still = still if frozen is None else still | frozen
            if parameter.grad is not None and still.any():
                places = _places(still, parameter)
                before = {key: t.index_select(rows.axis, places) for key, t in _moved(optimizer, parameter).items()}
                kept.append((parameter, rows.axis, places, before))
        yield
        for parameter, axis, places, before in kept:
            for key, tensor in _moved(optimizer, parameter).items():
                if key in before:
                    tensor.index_copy_(axis, places, before[key])
                else:  # an average, which starts with the first step
                    tensor.index_fill_(axis, places, 0.0)


def _moved(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    """What a step moves row by row: the parameter, and its averages once there are any."""
    state = optimizer.state.get(parameter, {})
    return {"": parameter.detach(), **{key: t for key, t in state.items() if t.shape == parameter.shape}}


def _places(chosen: Bool[Tensor, " row"], parameter: Tensor) -> Tensor:
    return chosen.nonzero().squeeze(-1).to(parameter.device)
