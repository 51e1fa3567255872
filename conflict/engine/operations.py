"""Which operations have a rule, and what each keeps for it.

A planner looks at one call in which a watched parameter takes part. It computes the output with the parameters cut off
from the graph, and says which rule gives their task gradients from what. None stands for a call that it does not cover.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conflict.engine import products
from conflict.engine.rules import (
    BatchedMatMul,
    Broadcast,
    Convolution,
    Einsum,
    Linear,
    Lookup,
    MatMul,
    Norm,
    Rule,
    Saved,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Planned:
    """One call: its output without the parameters' part of the graph, and how they get their gradients."""

    output: Tensor
    rule: Rule
    parameters: Mapping[str, Tensor | None]
    """The arguments that may be watched, by the names that the rule has for them."""
    saved: Saved


Planner = Callable[..., Planned | None]


def cut(value: Tensor | None) -> Any:
    """The same numbers without their graph."""
    return None if value is None else value.detach()


def linear(watched: Callable[[Any], bool], input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Planned | None:
    if watched(input) or weight.dim() != 2:
        return None
    output = F.linear(input, cut(weight) if watched(weight) else weight, cut(bias) if watched(bias) else bias)
    return Planned(output=output, rule=Linear(), parameters={"weight": weight, "bias": bias}, saved=(input,))


def known_linear(
    watched: Callable[[Any], bool], input: Tensor, weight: Tensor, bias: Tensor | None, output: Tensor
) -> Planned | None:
    return Planned(output=output, rule=Linear(), parameters={"weight": weight, "bias": bias}, saved=(input,))


def matmul(watched: Callable[[Any], bool], input: Tensor, other: Tensor) -> Planned | None:
    if watched(input) or input.dim() < 2:
        return None
    if other.dim() == 2 and input.dim() >= 2:
        return Planned(output=input @ cut(other), rule=MatMul(), parameters={"weight": other}, saved=(input,))
    if other.dim() == 3 and input.dim() == 3 and len(input) == len(other):
        return Planned(output=input @ cut(other), rule=BatchedMatMul(), parameters={"weight": other}, saved=(input,))
    return None


def baddbmm(watched: Callable[[Any], bool], input: Tensor, batch1: Tensor, batch2: Tensor) -> Planned | None:
    if watched(batch1) or (watched(input) and input.shape != (len(batch2), 1, batch2.shape[2])):
        return None
    bias, weight = (cut(x) if watched(x) else x for x in (input, batch2))
    run = products.baddbmm if bias.shape == (len(weight), 1, weight.shape[2]) else torch.baddbmm
    output = run(bias, batch1, weight)
    parameters = {"bias": input, "weight": batch2}
    return Planned(output=output, rule=BatchedMatMul(), parameters=parameters, saved=(batch1,))


def einsum(watched: Callable[[Any], bool], equation: str, *operands: Any) -> Planned | None:
    if len(operands) == 1 and isinstance(operands[0], Sequence):
        operands = tuple(operands[0])
    letters = equation.replace(" ", "")
    places = [place for place, value in enumerate(operands) if watched(value)]
    if "->" not in letters or "." in letters or len(places) != 1:
        return None
    inputs, out = letters.split("->")
    others = inputs.split(",")
    weight = others.pop(places[0])
    plain = all(len(set(term)) == len(term) for term in (weight, *others, out))
    row = next((letter for letter in out if letter not in weight), None)
    if not plain or row is None or not set(weight) <= set(out).union(*others):
        return None
    values = [cut(value) if watched(value) else value for value in operands]
    parameter = operands[places[0]]
    return Planned(
        output=torch.einsum(equation, *values),
        rule=Einsum(others, weight, out, row),
        parameters={"weight": parameter},
        saved=tuple(value for value in operands if value is not parameter),
    )


def convolution(dimensions: int, run: Callable[..., Tensor]) -> Planner:
    def plan(
        watched: Callable[[Any], bool],
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Planned | None:
        if watched(input) or input.dim() != dimensions + 2:
            return None
        steps, spread = _per_axis(stride, dimensions), _per_axis(dilation, dimensions)
        if padding == "valid":
            margin = [0] * dimensions
        elif padding == "same":
            total = [d * (size - 1) for d, size in zip(spread, weight.shape[2:], strict=True)]
            if any(amount % 2 for amount in total):
                return None
            margin = [amount // 2 for amount in total]
        else:
            margin = _per_axis(padding, dimensions)
        values = (cut(p) if watched(p) else p for p in (weight, bias))
        return Planned(
            output=run(input, *values, stride, padding, dilation, groups),
            rule=Convolution(weight.detach(), steps, margin, spread, groups),
            parameters={"weight": weight, "bias": bias},
            saved=(input,),
        )

    return plan


def layer_norm(
    watched: Callable[[Any], bool],
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Planned | None:
    shape = tuple(normalized_shape)

    def run(x: Tensor, scale: Any = None, shift: Any = None) -> Tensor:
        return F.layer_norm(x, shape, scale, shift, eps)

    return _norm(watched, run, input, weight, bias, shape=shape, channels=False)


def rms_norm(
    watched: Callable[[Any], bool],
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Planned | None:
    shape = tuple(normalized_shape)

    def run(x: Tensor, scale: Any = None, _: Any = None) -> Tensor:
        return F.rms_norm(x, list(shape), scale, eps)

    return _norm(watched, run, input, weight, None, shape=shape, channels=False)


def group_norm(
    watched: Callable[[Any], bool],
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Planned | None:
    def run(x: Tensor, scale: Any = None, shift: Any = None) -> Tensor:
        return F.group_norm(x, num_groups, scale, shift, eps)

    return _norm(watched, run, input, weight, bias, shape=(input.shape[1],), channels=True)


def embedding(
    watched: Callable[[Any], bool],
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Planned | None:
    if max_norm is not None or scale_grad_by_freq or sparse or input.dim() == 0:
        return None
    padding = None if padding_idx is None else padding_idx % len(weight)
    return Planned(
        output=F.embedding(input, cut(weight)),
        rule=Lookup(weight.shape, 0, padding),
        parameters={"weight": weight},
        saved=(input,),
    )


def index_select(watched: Callable[[Any], bool], input: Tensor, dim: int, index: Tensor) -> Planned | None:
    axis = dim % input.dim()
    output = torch.index_select(cut(input), axis, index)
    return Planned(output=output, rule=Lookup(input.shape, axis), parameters={"weight": input}, saved=(index,))


def getitem(watched: Callable[[Any], bool], input: Tensor, index: Any) -> Planned | None:
    if not isinstance(index, Tensor) or index.dtype not in (torch.int32, torch.int64) or index.dim() == 0:
        return None
    wrapped = torch.where(index < 0, index + len(input), index)
    return Planned(
        output=cut(input)[index], rule=Lookup(input.shape, 0), parameters={"weight": input}, saved=(wrapped,)
    )


def add(watched: Callable[[Any], bool], input: Tensor, other: Tensor) -> Planned | None:
    return _broadcast(watched, torch.add, input, other, lambda g, x: g, lambda g, x: g)


def subtract(watched: Callable[[Any], bool], input: Tensor, other: Tensor) -> Planned | None:
    return _broadcast(watched, torch.sub, input, other, lambda g, x: g, lambda g, x: -g)


def multiply(watched: Callable[[Any], bool], input: Tensor, other: Tensor) -> Planned | None:
    return _broadcast(watched, torch.mul, input, other, lambda g, x: g * x, lambda g, x: g * x)


def divide(watched: Callable[[Any], bool], input: Tensor, other: Tensor) -> Planned | None:
    if watched(other):
        return None
    return _broadcast(watched, torch.div, input, other, lambda g, x: g / x, lambda g, x: g)


PLANNERS: dict[str, Planner] = {
    "linear": linear,
    "known_linear": known_linear,
    "matmul": matmul,
    "mm": matmul,
    "bmm": matmul,
    "__matmul__": matmul,
    "baddbmm": baddbmm,
    "einsum": einsum,
    "conv1d": convolution(1, F.conv1d),
    "conv2d": convolution(2, F.conv2d),
    "conv3d": convolution(3, F.conv3d),
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "embedding": embedding,
    "index_select": index_select,
    "__getitem__": getitem,
    "add": add,
    "__add__": add,
    "sub": subtract,
    "__sub__": subtract,
    "mul": multiply,
    "__mul__": multiply,
    "div": divide,
    "true_divide": divide,
    "__truediv__": divide,
}
"""By the name of the torch function or method."""


def _norm(
    watched: Callable[[Any], bool],
    run: Callable[..., Tensor],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    *,
    shape: tuple[int, ...],
    channels: bool,
) -> Planned | None:
    if watched(x):
        return None
    output = run(x, *(cut(p) if watched(p) else p for p in (weight, bias)))
    rule = Norm(run, shape, channels=channels)
    return Planned(output=output, rule=rule, parameters={"weight": weight, "bias": bias}, saved=(x,))


def _broadcast(
    watched: Callable[[Any], bool],
    run: Callable[..., Tensor],
    first: Any,
    second: Any,
    for_first: Callable[..., Tensor],
    for_second: Callable[..., Tensor],
) -> Planned | None:
    if not isinstance(first, Tensor) or not isinstance(second, Tensor) or watched(first) == watched(second):
        return None
    parameter, x, factor = (first, second, for_first) if watched(first) else (second, first, for_second)
    output = run(*(cut(value) if watched(value) else value for value in (first, second)))
    core = list(parameter.shape)
    while core and core[0] == 1:
        del core[0]
    if len(core) >= output.dim():  # it has something of its own for every row
        return None
    return Planned(output=output, rule=Broadcast(parameter.shape, factor), parameters={"p": parameter}, saved=(x,))


def _per_axis(value: Any, dimensions: int) -> list[int]:
    return [int(v) for v in value] if isinstance(value, Sequence) else [int(value)] * dimensions
