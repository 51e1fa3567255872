"""Cross-entropy against targets that are zero outside a narrow window of neighbouring bins.

loss = logsumexp(x) - sum_w p_w x_w, gradient = softmax(x) - p. The logits may be many (critics x rows x discounts x
bins), so what counts is how often memory of that size is read and, above all, newly allocated: one fused softmax, two
maxima and a gather of the window in the forward pass; the backward pass turns the softmax into the gradient in place.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable


class _LocalCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        probabilities = logits.softmax(dim=-1)
        # softmax's largest entry is 1 / sum(exp(x - max x)): its logarithm completes the logsumexp without another exp
        log_sum = logits.amax(dim=-1) - probabilities.amax(dim=-1).log_()
        ctx.save_for_backward(logits, index, weights)
        ctx.probabilities = probabilities
        return log_sum.sub_((logits.gather(-1, index) * weights).sum(dim=-1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        logits, index, weights = ctx.saved_tensors
        gradient: Tensor | None = ctx.probabilities
        ctx.probabilities = None  # a second backward through the same graph computes it again
        if gradient is None:
            gradient = logits.softmax(dim=-1)
        grad = grad[..., None]
        return gradient.mul_(grad).scatter_add_(-1, index, weights * -grad), None, None


def local_cross_entropy(
    logits: Float[Tensor, "*lead bin"], first: Int[Tensor, "..."], weights: Float[Tensor, "... window"]
) -> Float[Tensor, "*lead"]:
    """Cross-entropy of softmax(logits) against ``weights`` on the bins ``first, first + 1, ...``.

    Args:
        logits: any leading axes, bins last; half precision is computed in float32.
        first: the bin where each target's window begins; broadcast against the leading axes of ``logits``.
        weights: the target's probabilities in the window, summing to 1; the bins outside have none.
    """
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    window = (*logits.shape[:-1], weights.shape[-1])
    index = (first[..., None] + torch.arange(weights.shape[-1], device=first.device)).expand(window)
    weights = weights.to(logits.dtype).expand(window)
    loss: Tensor = _LocalCrossEntropy.apply(logits, index, weights)  # type: ignore[no-untyped-call]
    return loss
