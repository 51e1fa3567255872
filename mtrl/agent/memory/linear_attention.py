"""Linear attention: a memory of sums that is read as means, learnt from in matrix products and acted with in constant
time and space, however long the trial.

Source: Katharopoulos et al. 2020, "Transformers are RNNs", Equations 4 and 5 (positive features in place of a softmax)
and 16 to 20 (the sums); Sun et al. 2023, "Retentive Network", Equations 5 and 7 (fixed decays by head, pieces of a
sequence one after the other); the step before beside each step as in Fu et al. 2023, "Hungry Hungry Hippos" (shift).
Departs: 1 is added to the denominator, as if something that says nothing had been seen first, and the logarithm of what
was seen is read, too. So a mean of few values is small and known to be uncertain: for rewards that is the form of a
posterior mean. Half of the heads forget nothing. Keys and values see the step before, as what an action led to is only
there a step later. Features are softplus. There are no positions.
"""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad, softplus

from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.experts.routes import Mix
from mtrl.agent.memory.feed_forward import FeedForward
from mtrl.agent.memory.memory import Memory, State

PIECE = 128
"""Steps whose products are made at once; what lies before is in the sums."""


class LinearAttention(Memory):
    """`layers` pre-norm blocks."""

    def __init__(
        self, width: int, layers: int, attention_heads: int, mixture: Callable[[], Mixture] | None = None
    ) -> None:
        """Args: mixture: makes what takes the place of a block's feed-forward net."""
        super().__init__()
        self.width, self.heads = width, attention_heads
        self.blocks = nn.ModuleList(
            Block(width, attention_heads, None if mixture is None else mixture()) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self, features: Float[Tensor, "batch time width"], time: Int[Tensor, "batch time"], mix: Mix | None = None
    ) -> Float[Tensor, "batch time width"]:
        x = features
        for block in self.blocks:
            x = block(x, mix)
        out: Tensor = self.norm(x)
        return out

    def initial_state(self, num_actors: int) -> State:
        new_zeros, each = self.norm.weight.new_zeros, self.width // self.heads
        layers = len(self.blocks)
        return {
            "sums": new_zeros(num_actors, layers, self.heads, each, each + 1),
            "before": new_zeros(num_actors, layers, self.width),
        }

    def step(
        self,
        features: Float[Tensor, "actor width"],
        time: Int[Tensor, " actor"],
        state: State,
        mix: Mix | None = None,
    ) -> Float[Tensor, "actor width"]:
        for kept in state.values():
            kept.mul_((time > 0).view(-1, *[1] * (kept.ndim - 1)))
        x = features
        for index, block in enumerate(cast("Iterable[Block]", self.blocks)):
            x = block.step(x, state["sums"][:, index], state["before"][:, index], mix)
        out: Tensor = self.norm(x)
        return out


class Block(nn.Module):
    """Linear attention behind a norm, added to the stream, and what follows it."""

    def __init__(self, width: int, heads: int, mixture: Mixture | None = None) -> None:
        super().__init__()
        self.heads, self.each = heads, width // heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(2 * width, 2 * width)
        self.out = nn.Linear(width + heads, width)
        self.feed_forward = FeedForward(width, mixture)
        self.decay: Tensor
        self.register_buffer("decay", torch.tensor(decays(heads)), persistent=False)

    def forward(self, x: Float[Tensor, "batch time width"], mix: Mix | None) -> Float[Tensor, "batch time width"]:
        """A whole sequence, piece by piece."""
        seen = self.norm(x)
        pieces = (whole.split(PIECE, dim=2) for whole in self._project(seen, pad(seen[:, :-1], (0, 0, 1, 0))))
        read: list[Tensor] = []
        sums = None
        for query, key, value in zip(*pieces, strict=True):
            found, sums = self._piece(query, key, value, sums)
            read.append(found)
        whole = (read[0] if len(read) == 1 else torch.cat(read, dim=2)).transpose(1, 2)
        out: Tensor = self.feed_forward(x + self.out(posterior_mean(whole)), mix)
        return out

    def step(
        self,
        x: Float[Tensor, "actor width"],
        sums: Float[Tensor, "actor head each value"],
        before: Float[Tensor, "actor width"],
        mix: Mix | None,
    ) -> Float[Tensor, "actor width"]:
        """The newest step of every actor; `sums` and `before` take it in."""
        seen = self.norm(x)
        query, key, value = self._project(seen[:, None], before[:, None])
        before.copy_(seen)
        sums.mul_(self.decay[:, None, None]).add_(key.transpose(-1, -2) * value)
        out: Tensor = self.feed_forward(x + self.out(posterior_mean((query @ sums).squeeze(2))), mix)
        return out

    def _project(self, seen: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, and values with a 1 behind them that counts, [batch, head, time, each]."""
        batch, time, _ = seen.shape
        query = softplus(self.query(seen)).view(batch, time, self.heads, self.each)
        both = self.key_value(torch.cat([before, seen], dim=-1)).view(batch, time, 2, self.heads, self.each)
        key, value = both.unbind(2)
        key = softplus(key) * self.each**-0.5
        return query.transpose(1, 2), key.transpose(1, 2), pad(value, (0, 1), value=1.0).transpose(1, 2)

    def _piece(self, query: Tensor, key: Tensor, value: Tensor, sums: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the steps of a piece read, given the sums before it; and the sums after it."""
        step = torch.arange(query.shape[2], device=query.device)
        behind = step[:, None] - step
        decay = self.decay[:, None, None]
        kept = torch.where(behind >= 0, decay ** behind.clamp(min=0), 0.0)
        read = (query @ key.transpose(-1, -2) * kept) @ value
        added = (key * kept[:, -1, :, None]).transpose(-1, -2) @ value
        if sums is None:
            return read, added
        since = decay ** (step[:, None] + 1)
        return read + since * (query @ sums), since[:, -1:] * sums + added


def decays(heads: int) -> list[float]:
    """What a head keeps of its sums a step: about the last 8, 64, 512, … steps, and all in the other half."""
    return [1.0 - 0.125 ** (1 + head) if head < heads // 2 else 1.0 for head in range(heads)]


def posterior_mean(sums: Float[Tensor, "*rows head value"]) -> Float[Tensor, "*rows read"]:
    """Means of what a query found, shrunk towards 0 where it found little, and how much it found."""
    total, count = sums[..., :-1], sums[..., -1:]
    return torch.cat([(total / (1.0 + count)).flatten(-2), count.log1p().flatten(-2)], dim=-1)
