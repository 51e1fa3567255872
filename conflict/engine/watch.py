"""Watches the operations of a forward pass, and sees to it that the backward pass hands over what the rules need.

Every operation that a watched parameter enters is computed with the parameter cut off from the graph, so the backward
pass spends nothing on its ordinary gradient; a node behind the output keeps the inputs and hands them over together
with the output's gradient. What depends on parameters alone (a transposed or normalised weight) is computed as usual
and watched in their stead. What no rule covers stays an ordinary part of the graph.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from conflict.engine.composites import attention, recurrent_layers
from conflict.engine.operations import PLANNERS, Planned, cut
from conflict.engine.rows import sizes_for
from conflict.engine.rules import Local, Rule, Saved, own_rule
from conflict.engine.unwatched import unwatched

Key = tuple[str, ...]
"""Operation and names of the parameters: the same in every update."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Use:
    """One operation that read watched parameters."""

    key: Key
    rule: Rule
    parameters: Mapping[str, Tensor]
    """By the names that the rule has for them."""
    sizes: tuple[int, ...] | None
    """Rows of each task; None if the rows cannot be those of the tasks."""
    rows: int
    alone: bool
    """Whether it may well have read no rows of the batch at all, such as the embeddings of positions."""


Receive = Callable[[Use, Saved, Tensor], None]


class _Attach(torch.autograd.Function):
    """The identity, as a node of the graph that hands over what comes by in the backward pass.

    ``anchor`` requires a gradient, so the output does too, though neither input nor parameters may. The output is no
    view, so that it may be changed in place afterwards.
    """

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, watch: "Watch", use: Use, output: Tensor, *saved: Tensor) -> Tensor:
        ctx.watch, ctx.use = watch, use
        ctx.save_for_backward(*saved)
        return output.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # asking for them twice would run a checkpointed part twice
        ctx.watch.hand_over(ctx.use, saved, grad)
        return None, None, None, grad, *([None] * len(saved))


@dataclass(eq=False)
class OwnModule:
    """A module that brings its own rule."""

    module: nn.Module
    label: str
    parameters: dict[str, Tensor] = field(default_factory=dict)


def own_modules(module: nn.Module, chosen: Mapping[Tensor, str]) -> list[OwnModule]:
    """Modules with their own rule and a chosen parameter; what is below one of them is that rule's business."""
    found = []
    covered: set[nn.Module] = set()
    for name, child in module.named_modules():
        if child in covered or not hasattr(child, "task_gradients"):
            continue
        covered.update(child.modules())
        if any(p in chosen for p in child.parameters()):
            found.append(OwnModule(child, f"{name or 'the model'} ({type(child).__name__})"))
    return found


class Watch(TorchFunctionMode):
    """Active while entered: around the forward pass, and around the backward pass, which may repeat parts of it.

    Args:
        parameters: parameter -> name.
        own: modules with their own rules.
    """

    def __init__(self, parameters: Mapping[Tensor, str], own: Iterable[OwnModule]) -> None:
        super().__init__()
        self.num_tasks = 1
        self.names = dict(parameters)
        self.own = list(own)
        self.anchor = torch.zeros((), requires_grad=True)
        self.receive: Receive = ignore
        self.uses: dict[Tensor, int] = {}
        """How many operations of the forward pass read each parameter."""
        self.derived: dict[int, Tensor] = {}
        """What depends on parameters alone, by its id."""
        self.keys: set[Key] = set()
        """Operations of the forward pass."""
        self.unsized = False
        """Whether some of them have rows that cannot be those of the tasks."""
        self.derive: set[Key] = set()
        """Operations whose rows turned out to be no rows of the batch."""
        self.recording = False
        self._watched = {id(p): p for p in parameters}
        self._handles: list[RemovableHandle] = []
        self._frozen: list[Tensor] = []

    def __enter__(self) -> "Watch":
        for own in self.own:
            self._handles.append(own.module.register_forward_pre_hook(self._before(own)))
            after = own.module.register_forward_hook(self._after(own), with_kwargs=True, always_call=True)
            self._handles.append(after)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._thaw()

    @unwatched
    def hand_over(self, use: Use, saved: Saved, grad: Tensor) -> None:
        """Tell the receiver what came by in the backward pass."""
        self.receive(use, saved, grad)

    def forget(self) -> None:
        """Forget the last forward pass."""
        self.uses.clear()
        self.derived.clear()
        self.keys.clear()
        self.unsized = False

    def is_watched(self, value: Any) -> bool:
        """Whether this is a parameter that is not frozen, or depends on such alone."""
        key = id(value)
        return (key in self._watched and value.requires_grad) or key in self.derived

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self._concerns(args, kwargs) or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        if torch.compiler.is_compiling():
            raise RuntimeError(
                "task gradients cannot look into a compiled model: call it uncompiled inside of `with gradients`"
            )
        name = getattr(func, "__name__", "")
        tensors = _tensors(args, kwargs)
        others = [value for value in tensors if not self.is_watched(value)]
        asks = getattr(func, "__module__", None) == "torch.autograd"  # for gradients; not part of the forward pass
        if len(others) == len(tensors) or asks or _in_place(name) or "out" in kwargs:
            return func(*args, **kwargs)
        if not others:
            return self._derive(func(*args, **kwargs))
        if name in ("gru", "lstm"):
            found = recurrent_layers(self._call, name, *args, **kwargs)
            return func(*args, **kwargs) if found is None else found
        if name == "multi_head_attention_forward":
            found = attention(self._call, *args, **kwargs)
            return func(*args, **kwargs) if found is None else found
        key = (name, *sorted(self._name(value) for value in tensors if self.is_watched(value)))
        if key in self.derive:
            return self._derive(func(*args, **kwargs))
        planned = self._plan(name, func, args, kwargs)
        if planned is None:
            return func(*args, **kwargs)
        watched = {local: p for local, p in planned.parameters.items() if p is not None and self.is_watched(p)}
        sizes = sizes_for(planned.output.shape, planned.rule.row_axis, self.num_tasks)
        alone = planned.rule.without_rows and not any(value.requires_grad for value in others)
        if sizes is None and alone:
            return self._derive(func(*args, **kwargs))
        return self._attach(planned.output, planned.rule, watched, planned.saved, key, alone=alone)

    def _call(self, func: Any, *args: Any) -> Any:
        return self.__torch_function__(func, (), args)

    def _plan(self, name: str, func: Any, args: Any, kwargs: Any) -> Planned | None:
        planner = PLANNERS.get(name)
        if planner is not None:
            try:
                planned = planner(self.is_watched, *args, **kwargs)
            except TypeError:  # an overload that the planner does not know
                planned = None
            if planned is not None:
                return planned
        return self._local(func, args, kwargs)

    def _local(self, func: Any, args: Any, kwargs: Any) -> Planned | None:
        """Any operation with one output, by running it once more in the backward pass."""
        tensors = _tensors(args, kwargs)
        parameters = {f"p{i}": value for i, value in enumerate(tensors) if self.is_watched(value)}
        order = [id(p) for p in parameters.values()]
        others = [value for value in tensors if not self.is_watched(value)]
        place = {key: i for i, key in enumerate(order + [id(value) for value in others])}

        def run(*values: Tensor) -> Tensor:
            new_args, new_kwargs = _replace((args_shape, kwargs_shape), values)
            result: Tensor = func(*new_args, **new_kwargs)
            return result

        args_shape, kwargs_shape = _mark((list(args), kwargs), place)
        output = run(*(cut(p) for p in parameters.values()), *others)
        if not isinstance(output, Tensor) or not output.is_floating_point() or output.dim() == 0:
            return None
        saved = (*(cut(p) for p in parameters.values()), *others)
        return Planned(output=output, rule=Local(run, tuple(parameters)), parameters=dict(parameters), saved=saved)

    def _derive(self, result: Any) -> Any:
        for value in _tensors((result,), {}):
            if value.requires_grad:
                self.derived[id(value)] = value
        return result

    def _name(self, value: Tensor) -> str:
        return self.names.get(value, "derived")

    def _attach(
        self,
        output: Tensor,
        rule: Rule,
        parameters: Mapping[str, Tensor],
        saved: Saved,
        key: Key,
        *,
        alone: bool,
    ) -> Tensor:
        axis = rule.row_axis
        sizes = sizes_for(output.shape, axis, self.num_tasks)
        rows = output.shape[axis or 0] if sizes is None else sum(sizes)
        use = Use(key=key, rule=rule, parameters=dict(parameters), sizes=sizes, rows=rows, alone=alone)
        if self.recording:
            self.keys.add(key)
            self.unsized |= sizes is None
            for parameter in parameters.values():
                self.uses[parameter] = self.uses.get(parameter, 0) + 1
        kept = (value.detach() for value in saved)
        attached: Tensor = _Attach.apply(self.anchor, self, use, output, *kept)  # type: ignore[no-untyped-call]
        return attached

    def _concerns(self, args: Any, kwargs: Any) -> bool:
        for value in args:
            if id(value) in self._watched or id(value) in self.derived:
                return True
            if type(value) in (tuple, list) and self._concerns(value, {}):
                return True
        return bool(kwargs) and self._concerns(tuple(kwargs.values()), {})

    def _thaw(self) -> None:
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self._frozen.clear()

    def _before(self, own: OwnModule) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
            own.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad and p in self.names}
            if torch.is_grad_enabled():
                self._frozen += own.parameters.values()
                for parameter in own.parameters.values():
                    parameter.requires_grad_(False)

        return hook

    def _after(self, own: OwnModule) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Tensor | None:
            self._thaw()
            if not torch.is_grad_enabled() or output is None:  # None: the forward raised
                return None
            if not isinstance(output, Tensor):
                raise TypeError(f"{own.label} has per-task gradients, so it must return one tensor, not {type(output)}")
            values = (*args, *kwargs.values())
            rule = own_rule(module, own.label, values, {name: p.shape for name, p in own.parameters.items()})
            saved = tuple(value for value in values if isinstance(value, Tensor))
            key = ("module", own.label)
            return self._attach(output, rule, own.parameters, saved, key, alone=False)

        return hook


def ignore(use: Use, saved: Saved, grad: Tensor) -> None:
    """Receives what nobody asked for."""


def _in_place(name: str) -> bool:
    if name.endswith("__"):
        return name == "__setitem__" or (name.startswith("__i") and name != "__invert__")
    return name.endswith("_")


def _tensors(args: Any, kwargs: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += _tensors(value, {})
    return found


@dataclass(frozen=True)
class _Slot:
    place: int


def _mark(value: Any, place: Mapping[int, int]) -> Any:
    """The same nesting with every tensor replaced by its place."""
    if isinstance(value, Tensor):
        return _Slot(place[id(value)])
    if isinstance(value, (tuple, list)):
        return type(value)([_mark(v, place) for v in value]) if type(value) in (tuple, list) else value
    if isinstance(value, dict):
        return {key: _mark(v, place) for key, v in value.items()}
    return value


def _replace(value: Any, values: tuple[Tensor, ...]) -> Any:
    if isinstance(value, _Slot):
        return values[value.place]
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        return type(value)([_replace(v, values) for v in value])
    if isinstance(value, dict):
        return {key: _replace(v, values) for key, v in value.items()}
    return value
