"""Backward passes beneath autograd's surface, and the models that cannot have them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def run_backward(loss: Tensor, inputs: Sequence[Tensor], *, retain: bool) -> Sequence[Tensor | None]:
    """What ``torch.autograd.grad`` does beneath its surface.

    On its surface it is an operation to watch, during which the watch would not see parts that are run again.
    """
    engine: Any = torch.autograd.Variable._execution_engine
    start = (torch.ones_like(loss),)
    grads: tuple[Tensor | None, ...] = engine.run_backward(
        (loss,), start, retain, False, tuple(inputs), allow_unreachable=True, accumulate_grad=False
    )
    return grads


def refuse_compiled(module: nn.Module) -> None:
    """Raises ValueError if the module, or a part of it, is compiled."""
    for name, child in module.named_modules():
        if hasattr(child, "_orig_mod") or getattr(child, "_compiled_call_impl", None) is not None:
            raise ValueError(
                f"{name or 'the model'} is compiled, and task gradients cannot look into it: give the model before "
                "torch.compile, and call that inside of `with gradients`"
            )


def add_grad(parameter: Tensor, grad: Tensor) -> None:
    """Add to the parameter's ``.grad``, which lies in memory as the parameter does.

    torch's fused optimizers need that: on a processor they walk through both without a look at strides, so that a
    gradient that lies the other way round would move the wrong entries. autograd sees to it itself.
    """
    if parameter.grad is not None:
        parameter.grad.add_(grad)
    else:
        alike = grad.stride() == parameter.stride()
        parameter.grad = grad if alike else torch.empty_like(parameter, dtype=grad.dtype).copy_(grad)
