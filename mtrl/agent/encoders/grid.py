"""Views of a grid world: a code for the object, the colour and the state of every cell.

Source: Chevalier-Boisvert et al. 2019, "BabyAI"; Hui et al. 2020, "BabyAI 1.1", Section 3 (a bag of embeddings for
every cell, then convolutions without pooling).
Departs: no conditioning on the mission (features of all keys are added), fewer channels, and a stride for speed.
"""

import gymnasium as gym
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mtrl.agent.config import AgentConfig
from mtrl.agent.encoders.encoder import Encoder, Sizes

_SMALL = 8
"""Views up to this height or width are convolved at their full size first."""
_MANY = 128
"""Codes from which on they are looked up."""


class GridEncoder(Encoder):
    """Sum of a cell's embeddings, two convolutions, of which the second halves the view (the first, too, if it is
    large), and a linear map of all that is left."""

    def __init__(self, space: gym.spaces.Box, config: AgentConfig) -> None:
        super().__init__()
        height, width, channels = space.shape
        sizes = space.high.reshape(-1, channels).max(axis=0).astype(int) + 1
        self.offsets: Tensor
        self.register_buffer("offsets", torch.tensor([0, *sizes.cumsum()[:-1]]), persistent=False)
        inner = config.grid_channels
        self.codes = nn.Embedding(int(sizes.sum()), inner // 2)
        layers: list[nn.Module] = []
        for before, strides in ((inner // 2, (_stride(height), _stride(width))), (inner, (2, 2))):
            layers += [nn.Conv2d(before, inner, 3, strides, padding=1), nn.ReLU()]
            height, width = -(-height // strides[0]), -(-width // strides[1])
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Linear(inner * height * width, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, observation: Tensor, sizes: Sizes = None) -> Float[Tensor, "row width"]:
        cells = self._cells((observation.long() + self.offsets).flatten(1, 2)).unflatten(1, observation.shape[1:3])
        features: Tensor = self.norm(self.project(self.convolutions(cells.permute(0, 3, 1, 2)).flatten(1)))
        return features

    def _cells(self, codes: Int[Tensor, "row cell channel"]) -> Float[Tensor, "row cell inner"]:
        """The sum of each cell's embeddings."""
        table = self.codes.weight
        if len(table) > _MANY:
            return self.codes(codes).sum(dim=-2)  # type: ignore[no-any-return]
        # As a product: with few codes a fifth of the time of lookups and their gradients.
        return table.new_zeros(*codes.shape[:2], len(table)).scatter_add_(2, codes, table.new_ones(codes.shape)) @ table


def _stride(size: int) -> int:
    return 2 if size > _SMALL else 1
