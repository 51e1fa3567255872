"""A causal Transformer over the steps of a trial, with a cache for acting.

Source: Vaswani et al. 2017, "Attention Is All You Need" (sinusoidal positions, Section 3.5); Xiong et al. 2020, "On
Layer Normalization in the Transformer Architecture" (pre-norm).
Departs: attention looks back over the last `window` steps only, in learning and in acting alike, so that a cache of
that size is exact; no dropout. AMAGO-2's sigma-reparametrisation and extra norms are left out.
"""

import math
from collections.abc import Callable, Iterable
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.experts.routes import Mix
from mtrl.agent.memory.feed_forward import FeedForward
from mtrl.agent.memory.memory import Memory, State


class Transformer(Memory):
    """`layers` pre-norm blocks; positions are times in the trial."""

    def __init__(
        self,
        width: int,
        layers: int,
        attention_heads: int,
        window: int,
        mixture: Callable[[], Mixture] | None = None,
    ) -> None:
        """Args: mixture: makes what takes the place of a block's feed-forward net."""
        super().__init__()
        self.width, self.layers, self.heads, self.window = width, layers, attention_heads, window
        self.frequencies: Tensor
        self.blocks = nn.ModuleList(
            Block(width, attention_heads, None if mixture is None else mixture()) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.register_buffer(
            "frequencies", torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width)), persistent=False
        )

    def forward(
        self, features: Float[Tensor, "batch time width"], time: Int[Tensor, "batch time"], mix: Mix | None = None
    ) -> Float[Tensor, "batch time width"]:
        length = features.shape[1]
        band = None if length <= self.window else sliding_window(length, self.window, features.device)
        x = features + self._positions(time)
        for block in self.blocks:
            x = block(x, band, mix)
        out: Tensor = self.norm(x)
        return out

    def initial_state(self, num_actors: int) -> State:
        shape = (num_actors, self.layers, 2, self.heads, self.window, self.width // self.heads)
        return {"cache": self.norm.weight.new_zeros(shape)}

    def step(
        self,
        features: Float[Tensor, "actor width"],
        time: Int[Tensor, " actor"],
        state: State,
        mix: Mix | None = None,
    ) -> Float[Tensor, "actor width"]:
        # A ring: the step at time t lies at t mod window. Attention does not care for the order of its keys.
        filled = min(int(time.max()) + 1, self.window)
        place = time % self.window
        visible = (torch.arange(filled, device=time.device) <= time[:, None])[:, None, None, :]
        actors = torch.arange(time.shape[0], device=time.device)
        x = features + self._positions(time)
        for index, block in enumerate(cast("Iterable[Block]", self.blocks)):
            x = block.step(x, state["cache"][:, index], actors, place, filled, visible, mix)
        out: Tensor = self.norm(x)
        return out

    def _positions(self, time: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch width"]:
        angles = time[..., None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Block(nn.Module):
    """Attention and a feed-forward network (or a mixture of experts), each behind a norm and added to the stream."""

    def __init__(self, width: int, heads: int, mixture: Mixture | None = None) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_forward = FeedForward(width, mixture)

    def forward(
        self, x: Float[Tensor, "batch time width"], band: Bool[Tensor, "time time"] | None, mix: Mix | None
    ) -> Float[Tensor, "batch time width"]:
        """A whole sequence at once."""
        batch, length, width = x.shape
        qkv = self.query_key_value(self.attention_norm(x)).view(batch, length, 3, self.heads, self.head_width)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=band, is_causal=band is None)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, width))
        out: Tensor = self.feed_forward(x, mix)
        return out

    def step(
        self,
        x: Float[Tensor, "actor width"],
        cache: Tensor,
        actors: Tensor,
        place: Tensor,
        filled: int,
        visible: Tensor,
        mix: Mix | None,
    ) -> Float[Tensor, "actor width"]:
        """The newest step of every actor; its key and value go into `cache` [actor, 2, head, window, head width]."""
        query, key_value = self.query_key_value(self.attention_norm(x)).split([x.shape[1], 2 * x.shape[1]], dim=-1)
        cache[actors, :, :, place] = key_value.view(-1, 2, self.heads, self.head_width)
        key, value = cache[:, 0, :, :filled], cache[:, 1, :, :filled]
        query = query.view(-1, self.heads, 1, self.head_width)
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=visible)
        out: Tensor = self.feed_forward(x + self.attention_out(mixed.reshape(x.shape)), mix)
        return out


def sliding_window(length: int, window: int, device: torch.device) -> Bool[Tensor, "time time"]:
    """True where step i (row) may look at step j (column): the last `window` steps, itself included."""
    behind = torch.arange(length, device=device)[:, None] - torch.arange(length, device=device)
    return (behind >= 0) & (behind < window)
