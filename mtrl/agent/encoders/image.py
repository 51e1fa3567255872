"""Pixels: the residual network of IMPALA.

Source: Espeholt et al. 2018, "IMPALA", Figure 3 (right): per stage a convolution, a max-pooling and residual blocks.
Departs: each stage's residual blocks start from a group normalisation, and the features end in a layer normalisation,
so that they weigh as much as those of other keys; a linear map follows in place of a hidden layer of 256.
"""

from collections.abc import Sequence

import gymnasium as gym
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mtrl.agent.config import AgentConfig
from mtrl.agent.encoders.encoder import Encoder, Sizes, pieces, rows_of


class ImageEncoder(Encoder):
    """Images [row, height, width, channel] of bytes, scaled to [0, 1]."""

    shifts = True

    def __init__(self, space: gym.spaces.Box, config: AgentConfig) -> None:
        super().__init__()
        height, width, channels = space.shape
        self.chunk = config.image_chunk
        stages: list[nn.Module] = []
        for after in config.image_channels:
            stages.append(_Stage(channels, after, config.image_blocks))
            channels, height, width = after, (height + 1) // 2, (width + 1) // 2
        self.stages = nn.Sequential(*stages)
        self.project = nn.Linear(channels * height * width, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, observation: Tensor, sizes: Sizes = None) -> Float[Tensor, "row width"]:
        if len(observation) <= self.chunk:
            return self._encode(observation, sizes)
        images = observation.split(self.chunk)
        parts: Sequence[Sizes] = [None] * len(images) if sizes is None else pieces(sizes, self.chunk)
        if not torch.is_grad_enabled():
            return torch.cat([self._encode(image, part) for image, part in zip(images, parts, strict=True)])
        found = [
            checkpoint(self._encode, image, part, use_reentrant=False, preserve_rng_state=False)
            for image, part in zip(images, parts, strict=True)
        ]
        return torch.cat(found)

    def _encode(self, images: Tensor, sizes: Sizes) -> Tensor:
        # Channels last in memory, as they come: convolutions on processors like it, too.
        x = images.permute(0, 3, 1, 2).to(self.project.weight.dtype) / 255
        with rows_of(sizes):
            features: Tensor = self.norm(self.project(torch.relu(self.stages(x)).flatten(1)))
        return features


class _Stage(nn.Module):
    """Half the height and width."""

    def __init__(self, before: int, after: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(before, after, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.norm = nn.GroupNorm(1, after)
        self.blocks = nn.ModuleList(_Block(after) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        """[row, before, height, width] -> [row, after, height / 2, width / 2], rounded up."""
        x = self.norm(self.pool(self.enter(x)))
        for block in self.blocks:
            x = x + block(x)
        return x


class _Block(nn.Module):
    """What a residual block adds."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        out: Tensor = self.second(torch.relu(self.first(torch.relu(x))))
        return out
