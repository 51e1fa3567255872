"""Per-task gradients of shared parameters, from one backward pass.

Each row of the batch belongs to one task, so a rule can split a module's parameter gradient by task from the module's
inputs and the gradient of its output (``rules.py``). What has no rule (bare parameters, recurrent layers, parameters
used outside of their module) costs K backward passes for just these, and one warning that names them.
"""

import warnings
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conflict.engine.capture import Capture, Recorder, Ruled
from conflict.engine.gramian import gramian, weighted_sum
from conflict.engine.row_check import mixing_modules, unchecked
from conflict.engine.rules import rule_for


class TaskGradients:
    """Task gradients of a model whose batch holds the rows of K tasks one after the other.

    Enter it around the forward pass, then call ``backward``, ``gramian`` (or ``jacobian``) and ``accumulate``, which
    frees everything. Build it once and use it for every update; ``num_tasks`` may be set between updates.

    Args:
        module: the model.
        num_tasks: K, the number of tasks in the batch.
        parameters: those that take part, by default all of the model. Frozen ones are left out, also if frozen later.
        owned: parameters that belong to one task each: kept out of the Gramian and the Jacobian, they get the gradient
            of the mean loss.
        check_rows: test each module once for rows that serve several tasks; such modules are then treated like those
            without a rule, with a warning. Costs two backward passes in the first update.
    """

    path: dict[str, str]
    """Parameter name -> "rule" (from the one backward pass) or "slices" (K of them). Known after the first backward."""

    def __init__(
        self,
        module: nn.Module,
        *,
        num_tasks: int,
        parameters: Iterable[nn.Parameter] | None = None,
        owned: Iterable[nn.Parameter] = (),
        check_rows: bool = True,
    ) -> None:
        if num_tasks < 1:
            raise ValueError(f"TaskGradients needs num_tasks >= 1, got {num_tasks}")
        self.num_tasks = num_tasks
        self._check_rows = check_rows
        self._owned = [p for p in owned if p.requires_grad]
        names = {parameter: name for name, parameter in module.named_parameters()}
        chosen = [p for p in (module.parameters() if parameters is None else parameters) if p.requires_grad]
        set_aside = set(self._owned)
        self._names = {p: names.get(p, f"parameter {i}") for i, p in enumerate(chosen) if p not in set_aside}
        self._ruled = _ruled_modules(module, self._names)
        with_rule = {p for ruled in self._ruled for p in ruled.parameters.values()}
        self.path = {name: "rule" if p in with_rule else "slices" for p, name in self._names.items()}
        self._module_of = _owners(module)
        self._mixing: set[nn.Module] = set()
        self._warned: set[str] = set()
        self._recorder: Recorder | None = None
        self._captures: list[Capture] = []
        self._parts: dict[nn.Parameter, Tensor] | None = None
        self._owned_grads: dict[nn.Parameter, Tensor] = {}

    def __enter__(self) -> "TaskGradients":
        if self._recorder is not None:
            raise RuntimeError("this TaskGradients is already around a forward pass")
        self.clear()
        self._recorder = Recorder(self._ruled, self.num_tasks)
        self._captures = self._recorder.captures
        self._recorder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recorder is not None:
            self._recorder.stop()
        self._recorder = None
        if error is not None:
            self.clear()

    def backward(self, losses_k: Float[Tensor, " task"] | Sequence[Tensor]) -> None:
        """Take the gradient of every task's loss; ``losses_k[k]`` must depend on the rows of task k only."""
        losses_k = losses_k if isinstance(losses_k, Tensor) else torch.stack(list(losses_k))
        if losses_k.shape != (self.num_tasks,):
            raise ValueError(f"expected one loss for each of {self.num_tasks} tasks, got shape {tuple(losses_k.shape)}")
        if not losses_k.requires_grad:
            raise ValueError("the losses require no gradient; was the forward pass under torch.no_grad()?")
        captures = list(self._captures)
        self._captures.clear()
        new = [c for c in unchecked(captures) if c.ruled.module not in self._mixing] if self._check_rows else []
        if new:
            self._mixing.update(mixing_modules(losses_k, new))
        mixed = [c for c in captures if c.sizes is None or c.ruled.module in self._mixing]
        parts = self._slices(losses_k, mixed)
        one_pass = [c for c in captures if c not in mixed]
        owned = [p for p in self._owned if p.requires_grad]
        wanted: list[Any] = [*(c.edge for c in one_pass), *owned]
        grads: list[Tensor | None] = []
        if wanted:
            grads = list(torch.autograd.grad(losses_k.sum(), wanted, allow_unused=True))
        owned_grads = zip(owned, grads[len(one_pass) :], strict=True)
        self._owned_grads = {p: grad / self.num_tasks for p, grad in owned_grads if grad is not None}
        del grads[len(one_pass) :], captures, mixed, wanted, new
        with torch.no_grad():
            while one_pass:
                capture, grad_output = one_pass.pop(), grads.pop()
                if grad_output is not None and capture.sizes is not None:
                    _add(parts, capture, capture.gradients(grad_output, capture.sizes))
        self._parts = {p: parts[p] for p in self._names if p in parts and p.requires_grad}

    def gramian(self) -> Float[Tensor, "task task"]:
        """Inner products of the task gradients over all taking-part parameters, in float64."""
        return gramian(self._known().values(), self.num_tasks)

    def jacobian(self) -> Float[Tensor, "task param"]:
        """The task gradients themselves, flattened and concatenated in the order of the parameters."""
        parts = self._known()
        rows = [parts[p] if p in parts else p.new_zeros(self.num_tasks, *p.shape) for p in self._names]
        return torch.cat([part.reshape(self.num_tasks, -1) for part in rows], dim=1)

    def accumulate(self, weights_k: Float[Tensor, " task"]) -> None:
        """Add ``sum_k weights[k] * grad_k`` to each used parameter's ``.grad``, and free what was kept."""
        if weights_k.shape != (self.num_tasks,):
            raise ValueError(f"expected one weight for each of {self.num_tasks} tasks, got {tuple(weights_k.shape)}")
        parts = self._known()
        for parameter in list(parts):
            _add_grad(parameter, weighted_sum(parts.pop(parameter), weights_k))
        self._finish()

    def accumulate_update(self, update_p: Float[Tensor, " param"]) -> None:
        """Like ``accumulate``, for an update in the layout of the rows of ``jacobian``."""
        used = self._known()
        sizes = [parameter.numel() for parameter in self._names]
        for parameter, piece in zip(self._names, torch.split(update_p, sizes), strict=True):
            if parameter in used:
                _add_grad(parameter, piece.reshape(parameter.shape).to(parameter.dtype).clone())
        self._finish()

    def clear(self) -> None:
        """Forget the last forward and backward pass."""
        self._captures.clear()
        self._parts = None
        self._owned_grads = {}

    def _finish(self) -> None:
        for parameter, grad in self._owned_grads.items():
            _add_grad(parameter, grad)
        self.clear()

    def _known(self) -> dict[nn.Parameter, Tensor]:
        if self._parts is None:
            raise RuntimeError("there are no task gradients: call backward(losses_k) first, once for each accumulate")
        return self._parts

    def _slices(self, losses_k: Tensor, mixed: Sequence[Capture]) -> dict[nn.Parameter, Tensor]:
        """Gradients of whatever the rules do not cover: one backward pass a task, through just these."""
        every = {p for ruled in self._ruled for p in ruled.parameters.values()}
        with_rule = [p for p in self._names if p in every and p.requires_grad]
        leaves = [p for p in self._names if p not in every and p.requires_grad]
        if with_rule:  # costs nothing unless a ruled parameter is also used outside of its module
            direct = torch.autograd.grad(losses_k.sum(), with_rule, retain_graph=True, allow_unused=True)
            leaves += [p for p, grad in zip(with_rule, direct, strict=True) if grad is not None]
        if not leaves and not mixed:
            return {}
        self._announce(leaves, mixed)
        wanted: list[Any] = [*leaves, *(c.edge for c in mixed)]
        parts: dict[nn.Parameter, Tensor] = {}
        for k in range(self.num_tasks):
            grads = torch.autograd.grad(losses_k[k], wanted, retain_graph=True, allow_unused=True)
            for parameter, grad in zip(leaves, grads, strict=False):
                if grad is not None:
                    _row(parts, parameter, self.num_tasks)[k] += grad
            for capture, grad in zip(mixed, grads[len(leaves) :], strict=True):
                if grad is not None:
                    with torch.no_grad():
                        found = capture.gradients(grad, (capture.rows,))
                    for local, value in found.items():
                        _row(parts, capture.ruled.parameters[local], self.num_tasks)[k] += value[0]
        return parts

    def _announce(self, leaves: Sequence[nn.Parameter], mixed: Sequence[Capture]) -> None:
        reasons = {}
        for parameter in leaves:
            name = self._names[parameter]
            why = "used outside of its module" if self.path[name] == "rule" else "no rule"
            reasons[f"{name} of {self._module_of.get(parameter, 'no module')}"] = why
            self.path[name] = "slices"
        for capture in mixed:
            for parameter in capture.ruled.parameters.values():
                self.path[self._names[parameter]] = "slices"
            reasons[capture.ruled.name] = (
                "its rows do not belong to one task each (sort them by task, one row for each of the batch; "
                "say unequal counts by task_rows)"
            )
        fresh = [f"{what}: {why}" for what, why in reasons.items() if what not in self._warned]
        self._warned.update(reasons)
        if fresh:
            warnings.warn(f"task gradients take {self.num_tasks} backward passes for: {'; '.join(fresh)}", stacklevel=4)


def _ruled_modules(module: nn.Module, chosen: dict[nn.Parameter, str]) -> list[Ruled]:
    """Modules with a rule and a chosen parameter; what is below a module with its own rule is that rule's business."""
    found = []
    covered: set[nn.Module] = set()
    for name, child in module.named_modules():
        rule = None if child in covered else rule_for(child)
        if rule is None:
            continue
        covered.update(child.modules())
        parameters = {local: p for local, p in child.named_parameters() if p in chosen}
        if parameters:
            label = f"{name or 'the model'} ({type(child).__name__})"
            found.append(Ruled(name=label, module=child, rule=rule, parameters=parameters))
    return found


def _owners(module: nn.Module) -> dict[nn.Parameter, str]:
    owners: dict[nn.Parameter, str] = {}
    for name, child in module.named_modules():
        for parameter in child.parameters(recurse=False):
            owners.setdefault(parameter, f"{name or 'the model'} ({type(child).__name__})")
    return owners


def _add(parts: dict[nn.Parameter, Tensor], capture: Capture, gradients: dict[str, Tensor]) -> None:
    for local, value in gradients.items():
        parameter = capture.ruled.parameters[local]
        parts[parameter] = parts[parameter].add_(value) if parameter in parts else value


def _row(parts: dict[nn.Parameter, Tensor], parameter: nn.Parameter, num_tasks: int) -> Tensor:
    if parameter not in parts:
        parts[parameter] = parameter.detach().new_zeros(num_tasks, *parameter.shape)
    return parts[parameter]


def _add_grad(parameter: nn.Parameter, grad: Tensor) -> None:
    parameter.grad = grad if parameter.grad is None else parameter.grad.add_(grad)
