"""Matrix products that torch's own are slow at.

With fewer than sixteen columns the BLAS that torch brings for processors takes three to ten times as long as with the
same product turned by ninety degrees, forward and in the weights' gradient. Critics that regress have one column a
discount.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

_THIN = 16


def baddbmm(
    bias: Float[Tensor, "batch _ output"],
    x: Float[Tensor, "batch row input"],
    weight: Float[Tensor, "batch input output"],
) -> Float[Tensor, "batch row output"]:
    """``torch.baddbmm(bias, x, weight)``; where there are few outputs, rows lie next to each other in memory."""
    if has_torch_function((bias, x, weight)):
        whole: Tensor = handle_torch_function(baddbmm, (bias, x, weight), bias, x, weight)
        return whole
    if not is_thin(weight):
        return torch.baddbmm(bias, x, weight)
    thin: Tensor = _Thin.apply(bias, x, weight)  # type: ignore[no-untyped-call]
    return thin


def weight_gradient(
    x: Float[Tensor, "batch row input"], grad: Float[Tensor, "batch row output"]
) -> Float[Tensor, "batch input output"]:
    """``x^T grad``, the gradient of the weight where that of the output is `grad`."""
    return (grad.mT @ x).mT if is_thin(grad) else x.mT @ grad


def is_thin(value: Tensor) -> bool:
    """Whether a product with so few columns is better turned."""
    return value.shape[-1] < _THIN and value.device.type == "cpu"


class _Thin(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        return torch.baddbmm(bias.mT, weight.mT, x.mT).mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        bias, x, weight = inputs
        ctx.save_for_backward(x, weight)
        ctx.one_bias = bias.shape[1] == 1

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = (value.to(grad.dtype) for value in ctx.saved_tensors)  # which autocast may have made another
        for_bias, for_x, for_weight = ctx.needs_input_grad
        return (
            (grad.sum(dim=1, keepdim=True) if ctx.one_bias else grad) if for_bias else None,
            grad @ weight.mT if for_x else None,
            weight_gradient(x, grad) if for_weight else None,
        )
