"""Rows through heads: whose each row is, is worked out once, for as many products as follow.

On a processor, a large head multiplies its own rows where it lies in memory; small ones with about as many rows each,
and all on a GPU, go through one batched product, for which rows are padded to equal numbers. The arithmetic is that of
one head for all rows; what many heads cost more is their weights, which are read, and whose gradients are written, once
each (`python -m benchmarks.task_heads`).
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from conflict.engine.products import baddbmm, weight_gradient

LARGE = 2**14
"""Weights of a head from which on it has a product of its own: to copy and to pad would cost more."""

MOST_PADDED = 1.5
"""Rows with padding, as a multiple of those without, up to which small heads have one product."""


@dataclass(frozen=True)
class HeadRows:
    """The rows of each head."""

    heads: list[int]
    """Those that have rows, in order."""
    counts: list[int]
    """Rows of each."""
    order: Int[Tensor, " row"] | None
    """The rows sorted by head; None: they are."""

    @classmethod
    def of(cls, head: Int[Tensor, " row"]) -> "HeadRows":
        """Of the head of every row."""
        order = head.argsort(stable=True) if bool((head[1:] < head[:-1]).any()) else None
        found = head if order is None else head.index_select(0, order)
        heads, counts = found.unique_consecutive(return_counts=True)
        return cls(heads.tolist(), counts.tolist(), order)

    def through(
        self,
        x: Float[Tensor, "*lead row in"],
        weight: Float[Tensor, "*lead head in out"],
        bias: Float[Tensor, "*lead head 1 out"],
    ) -> Float[Tensor, "*lead row out"]:
        """``x @ weight[head] + bias[head]``, row by row; the head after the last is the mean of all."""
        lead, rows = x.shape[:-2], x.shape[-2]
        if not rows:
            return x.new_zeros(*lead, 0, weight.shape[-1])
        if self.heads[-1] == weight.shape[-3]:
            weight = torch.cat([weight, weight.mean(dim=-3, keepdim=True)], dim=-3)
            bias = torch.cat([bias, bias.mean(dim=-3, keepdim=True)], dim=-3)
        x = x if self.order is None else x.index_select(-2, self.order)
        members = [t.reshape(-1, *t.shape[len(lead) :]) for t in (x, weight, bias)]
        wasteful = max(self.counts) * len(self.heads) > MOST_PADDED * rows
        large = weight.shape[-2] * weight.shape[-1] >= LARGE
        apart = weight.device.type == "cpu" and (large or wasteful)
        out = (self._apart if apart else self._together)(*members).view(*lead, rows, -1)
        return out if self.order is None else out.index_select(-2, self.order.argsort())

    def _apart(self, x: Tensor, weight: Tensor, bias: Tensor) -> Float[Tensor, "member row out"]:
        """A product a head."""
        out: Tensor = _Apart.apply(x, weight, bias, self.heads, self.counts)  # type: ignore[no-untyped-call]
        return out

    def _together(
        self,
        x: Float[Tensor, "member row in"],
        weight: Float[Tensor, "member head in out"],
        bias: Float[Tensor, "member head 1 out"],
    ) -> Float[Tensor, "member row out"]:
        """One product for all heads."""
        if self.heads != list(range(weight.shape[1])):
            chosen = torch.tensor(self.heads, device=x.device)
            weight, bias = weight.index_select(1, chosen), bias.index_select(1, chosen)
        count, longest, place = len(self.heads), max(self.counts), None
        if longest * count > x.shape[1]:
            sizes = torch.tensor(self.counts, device=x.device)
            before = torch.arange(count, device=x.device) * longest - (sizes.cumsum(0) - sizes)
            place = torch.arange(x.shape[1], device=x.device) + before.repeat_interleave(sizes)
            x = x.new_zeros(len(x), longest * count, x.shape[2]).index_copy(1, place, x)
        out = baddbmm(bias.flatten(0, 1), x.unflatten(1, (count, longest)).flatten(0, 1), weight.flatten(0, 1))
        joined: Tensor = out.reshape(len(x), count * longest, -1)
        return joined if place is None else joined.index_select(1, place)


def apply_heads(
    x: Float[Tensor, "*lead row in"],
    head: Int[Tensor, " row"],
    weight: Float[Tensor, "*lead head in out"],
    bias: Float[Tensor, "*lead head 1 out"],
) -> Float[Tensor, "*lead row out"]:
    """A single product; see `HeadRows`."""
    return HeadRows.of(head).through(x, weight, bias)


class _Apart(torch.autograd.Function):
    """A product a head, of rows that are sorted by head."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, heads: list[int], counts: list[int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.heads, ctx.counts = heads, counts
        out = x.new_empty(*x.shape[:2], weight.shape[3])
        for head, rows, part in zip(heads, x.split(counts, dim=1), out.split(counts, dim=1), strict=True):
            part.copy_(baddbmm(bias[:, head], rows, weight[:, head]))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias, *_ = ctx.needs_input_grad
        # A head without rows has a gradient of 0.
        begun = torch.empty_like if len(ctx.heads) == weight.shape[1] else torch.zeros_like
        x_grad = torch.empty_like(x) if for_x else None
        weight_grad = begun(weight, memory_format=torch.contiguous_format) if for_weight else None
        bias_grad = begun(weight[:, :, :1]) if for_bias else None
        parts = zip(ctx.heads, x.split(ctx.counts, dim=1), grad.split(ctx.counts, dim=1), strict=True)
        start = 0
        for head, rows, upstream in parts:
            if x_grad is not None:
                x_grad[:, start : start + rows.shape[1]] = upstream @ weight[:, head].mT
            if weight_grad is not None:
                weight_grad[:, head] = weight_gradient(rows, upstream)
            if bias_grad is not None:
                bias_grad[:, head] = upstream.sum(dim=1, keepdim=True)
            start += rows.shape[1]
        return x_grad, weight_grad, bias_grad, None, None
