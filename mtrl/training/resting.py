"""A step of AdamW in which some rows stay where they are: those of tasks that have no part in it, and frozen ones.

A zero gradient is not enough: the averages of earlier gradients and the decay of weights move a row all the same.
Departs: what a row is moved by is what an optimizer of its own would, but for the count of steps, which corrects what
the averages owe to their start at 0: it is the whole parameter's.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.optim.adamw import adamw

from mtrl.agent.task_rows import TaskRows


class Resting:
    """Knows the rows of all parameters, and steps without those that rest.

    Args:
        parameters: all that the optimizer moves, by name.
        rows: of which of them tasks have rows.
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
                places = frozen.nonzero().squeeze(-1).to(parameter.device)
                parameter.grad.index_fill_(rows.axis, places, 0.0)

    @torch.no_grad()
    def step(self, optimizer: torch.optim.AdamW, present: Bool[Tensor, " task"]) -> None:
        """`optimizer.step()`, after which rows without a task that is present, and frozen ones, have the bits that they
        had, and so has what the optimizer remembers of them. Where none rests it is that and nothing else."""
        apart = []
        for parameter, rows, frozen in self._rows:
            moving = rows.tasks[:, present].any(dim=1)
            moving = moving if frozen is None else moving & ~frozen
            if parameter.grad is not None and not moving.all():
                apart.append((parameter, rows.axis, _runs(moving), parameter.grad))
                parameter.grad = None
        optimizer.step()
        for parameter, axis, runs, grad in apart:
            parameter.grad = grad
            if runs:
                _step_rows(optimizer, parameter, axis, runs)


def _runs(moving: Bool[Tensor, " row"]) -> list[slice]:
    """The rows that move, those that follow each other together."""
    edges = torch.nn.functional.pad(moving.to(torch.int8), (1, 1)).diff().nonzero().flatten().tolist()
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _step_rows(optimizer: torch.optim.AdamW, parameter: nn.Parameter, axis: int, runs: list[slice]) -> None:
    """AdamW on some rows: on views of them, as the step of the whole would have moved them."""
    (group,) = (g for g in optimizer.param_groups if any(p is parameter for p in g["params"]))
    state, grad = optimizer.state[parameter], parameter.grad
    assert grad is not None
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
    whole = (parameter.detach(), grad.contiguous(), state["exp_avg"], state["exp_avg_sq"])
    members = [values.view(-1, *values.shape[axis:]) for values in whole]
    rows, grads, averages, squares = ([member[run] for member in values for run in runs] for values in members)
    beta1, beta2 = group["betas"]
    adamw(
        rows,
        grads,
        averages,
        squares,
        [],
        [state["step"].clone() for _ in rows],
        fused=True,
        amsgrad=False,
        maximize=False,
        beta1=beta1,
        beta2=beta2,
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
    )
    state["step"] += 1
