"""What a forward pass leaves behind for the rules: inputs of every ruled module and the place of its output in the
graph.

While a ruled module runs, its parameters do not require gradients, so the backward pass spends nothing on the ordinary
weight gradient. Any other use of the same parameters (tied weights used directly, say) stays an ordinary part of the
graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from conflict.engine.rows import sizes_for
from conflict.engine.rules import Rule


@dataclass(frozen=True, kw_only=True, eq=False)
class Ruled:
    """A module whose parameters have a rule."""

    name: str
    module: nn.Module
    rule: Rule
    parameters: Mapping[str, nn.Parameter]
    """Those that take part, by their name within the module."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Capture:
    """One call of a ruled module."""

    ruled: Ruled
    inputs: tuple[Any, ...]
    versions: tuple[int, ...]
    edge: GradientEdge
    sizes: Sequence[int] | None
    """Rows of each task; None if the rows cannot be those of the tasks."""
    rows: int

    def gradients(self, grad_output: Tensor, sizes: Sequence[int]) -> dict[str, Tensor]:
        """Gradients of the taking-part parameters, each [len(sizes), *shape]."""
        name = self.ruled.name
        if self.versions != _versions(self.inputs):
            raise RuntimeError(
                f"an input of {name} was changed in place after the module was called; its gradient is lost"
            )
        found = self.ruled.rule(self.ruled.module, self.inputs, grad_output, sizes)
        for local, parameter in self.ruled.parameters.items():
            expected = (len(sizes), *parameter.shape)
            if local not in found or found[local].shape != expected:
                came = tuple(found[local].shape) if local in found else "nothing"
                raise ValueError(f"the rule of {name} must give {local} as {expected}, it gave {came}")
        return {local: found[local].to(parameter.dtype) for local, parameter in self.ruled.parameters.items()}


class _Attach(torch.autograd.Function):
    """The identity, as a node of the graph whose incoming gradient can be asked for.

    ``anchor`` requires a gradient, so the output does too, though neither input nor parameters may. The output is no
    view, so that it may be changed in place afterwards.
    """

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, output: Tensor) -> Tensor:
        return output.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        return None, grad


class Recorder:
    """Hooks on ruled modules, for the length of one forward pass."""

    def __init__(self, ruled: Sequence[Ruled], num_tasks: int) -> None:
        self.captures: list[Capture] = []
        self._ruled = ruled
        self._live = {r: [p for p in r.parameters.values() if p.requires_grad] for r in ruled}  # others stay frozen
        self._num_tasks = num_tasks
        self._handles: list[RemovableHandle] = []
        self._anchor = torch.zeros((), requires_grad=True)

    def start(self) -> None:
        """Begin to listen."""
        for ruled in self._ruled:
            self._handles.append(ruled.module.register_forward_pre_hook(self._before(ruled)))
            after = ruled.module.register_forward_hook(self._after(ruled), with_kwargs=True, always_call=True)
            self._handles.append(after)

    def stop(self) -> None:
        """Stop listening; nothing is left on the modules."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for ruled in self._ruled:
            self._require(ruled, True)

    def _require(self, ruled: Ruled, wanted: bool) -> None:
        for parameter in self._live[ruled]:
            parameter.requires_grad_(wanted)

    def _before(self, ruled: Ruled) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
            if torch.is_grad_enabled():
                self._require(ruled, False)

        return hook

    def _after(self, ruled: Ruled) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Tensor | None:
            self._require(ruled, True)
            if not torch.is_grad_enabled() or output is None:  # None: the forward raised
                return None
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"{ruled.name} has per-task gradients, so it must return one tensor, not {type(output)}"
                )
            attached: Tensor = _Attach.apply(self._anchor, output)  # type: ignore[no-untyped-call]
            values = (*args, *kwargs.values())
            inputs = tuple(value.detach() if isinstance(value, Tensor) else value for value in values)
            axis = row_axis(ruled.module)
            sizes = sizes_for(attached.shape, axis, self._num_tasks)
            self.captures.append(
                Capture(
                    ruled=ruled,
                    inputs=inputs,
                    versions=_versions(inputs),
                    edge=get_gradient_edge(attached),
                    sizes=sizes,
                    rows=attached.shape[axis or 0] if sizes is None else sum(sizes),
                )
            )
            return attached

        return hook


def row_axis(module: nn.Module) -> int | None:
    """The axis of a module's output on which the rows are; None if a module with its own rule does not say."""
    axis: int | None = getattr(module, "row_axis", None if hasattr(module, "task_gradients") else 0)
    return axis


def _versions(inputs: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(x._version for x in inputs if isinstance(x, Tensor) and not x.is_inference())
