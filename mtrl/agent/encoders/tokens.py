"""Words, such as a mission: a recurrent network that reads them in their order.

Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder"; Chevalier-Boisvert et al. 2019,
"BabyAI", Section 4 (a GRU over the words of the instruction).
Departs: rows that repeat the row before them, as a mission does at every step of an attempt, are read only once.
"""

from itertools import accumulate

import gymnasium as gym
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from conflict.engine.recurrence import gru
from mtrl.agent.config import AgentConfig
from mtrl.agent.encoders.encoder import Encoder, Sizes, rows_of


class TokenEncoder(Encoder):
    """Word embeddings, a GRU, and its state after the last word. Word 0 is padding, and no words at all are state 0."""

    def __init__(self, space: gym.spaces.Box, config: AgentConfig) -> None:
        super().__init__()
        inner = config.token_width
        self.words = nn.Embedding(int(space.high.max()) + 1, inner, padding_idx=0)
        self.inputs = nn.Linear(inner, 3 * inner)
        self.recurrent = nn.Linear(inner, 3 * inner)
        for gate in self.recurrent.weight.detach().split(inner):
            nn.init.orthogonal_(gate)
        self.project = nn.Linear(inner, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, observation: Tensor, sizes: Sizes = None) -> Float[Tensor, "row width"]:
        first = first_of_its_kind(observation, sizes)
        place = first.cumsum(0) - 1
        if sizes is not None:
            sizes = [int(part.sum()) for part in first.split(list(sizes))]
        with rows_of(sizes):
            distinct: Tensor = self._read(observation[first].long())
        return distinct.index_select(0, place)

    def _read(self, words: Tensor) -> Tensor:
        # The space's padding is that of the longest text of all.
        places = torch.arange(1, words.shape[1] + 1, device=words.device)
        lengths = ((words != 0) * places).amax(dim=1)
        words = words[:, : max(1, int(lengths.max()))]
        states = gru(self.inputs(self.words(words)), self.recurrent.weight, self.recurrent.bias)
        last = (lengths - 1).clamp_min(0)[:, None, None].expand(-1, 1, states.shape[-1])
        read = states.gather(1, last).squeeze(1) * (lengths > 0)[:, None]
        features: Tensor = self.norm(self.project(read))
        return features


def first_of_its_kind(observation: Tensor, sizes: Sizes) -> Bool[Tensor, " row"]:
    """Rows [row, length] that are not the same as the row before them, or are the first of their task."""
    first = torch.ones(len(observation), dtype=torch.bool, device=observation.device)
    torch.any(observation[1:] != observation[:-1], dim=1, out=first[1:])
    if sizes is not None:
        starts = [start for start, size in zip(accumulate(sizes, initial=0), sizes, strict=False) if size]
        first[starts] = True
    return first
