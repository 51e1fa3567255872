"""Pixels: the residual network of IMPALA.

Source: Espeholt et al. 2018, "IMPALA", Figure 3 (right): per stage a convolution, a max-pooling and residual blocks.
Departs: each stage's residual blocks start from a group normalisation, and the features end in a layer normalisation,
so that they weigh as much as those of other keys; a linear map follows in place of a hidden layer of 256. With
`image_stride` a convolution of that stride comes first, as in Mnih et al. 2015 (DQN): a fraction of the work.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from mtrl.agent.config import AgentConfig
from mtrl.agent.encoders.encoder import Encoder, Sizes


class ImageEncoder(Encoder):
    """Images [row, height, width, channel] of bytes, scaled to [0, 1].

    Only the bytes are kept for the backward pass, which encodes them again, a few at a time: activations of a whole
    batch would take gigabytes, and fetching these from memory more time than computing them twice.
    """

    shifts = True
    row_axis = 0

    def __init__(self, space: gym.spaces.Box, config: AgentConfig) -> None:
        super().__init__()
        self.chunk = config.image_chunk
        self.network = _Network(space.shape, config)

    def forward(self, observation: Tensor, sizes: Sizes = None) -> Float[Tensor, "row width"]:
        images = observation.split(self.chunk)
        if len(images) == 1:
            features: Tensor = self.network(observation)
            return features
        # Under per-task gradients the parameters are frozen here: `task_gradients` does what is left to do.
        if not torch.is_grad_enabled() or not any(p.requires_grad for p in self.network.parameters()):
            return torch.cat([self.network(part) for part in images])
        found = [checkpoint(self.network, part, use_reentrant=False, preserve_rng_state=False) for part in images]
        return torch.cat(found)

    def task_gradients(self, inputs: tuple[Any, ...], grad: Tensor, sizes: Sequence[int]) -> dict[str, Tensor]:
        """Gradients [task, *shape] by parameter; see `conflict.engine.rules`."""
        leaves = {name: p.detach().requires_grad_() for name, p in self.network.named_parameters()}
        found = {name: p.new_zeros(len(sizes), *p.shape) for name, p in leaves.items()}
        parts = zip(inputs[0].split(list(sizes)), grad.split(list(sizes)), strict=True)
        for k, (images, grads) in enumerate(parts):
            for image, upstream in zip(images.split(self.chunk), grads.split(self.chunk), strict=True):
                if not len(image):
                    continue
                with torch.enable_grad():
                    features = functional_call(self.network, leaves, (image,))
                made = torch.autograd.grad(features, list(leaves.values()), upstream.to(features.dtype))
                for total, part in zip(found.values(), made, strict=True):
                    total[k] += part
        return {f"network.{name}": total for name, total in found.items()}


class _Network(nn.Module):
    def __init__(self, shape: tuple[int, ...], config: AgentConfig) -> None:
        super().__init__()
        height, width, channels = shape
        stages: list[nn.Module] = []
        stride, stem = config.image_stride, config.image_channels[0]
        if stride > 1:
            stages.append(nn.Conv2d(channels, stem, 2 * stride, stride, padding=(stride + 1) // 2))
            channels, height, width = stem, *(_after_stem(n, stride) for n in (height, width))
        for after in config.image_channels:
            stages.append(_Stage(channels, after, config.image_blocks))
            channels, height, width = after, (height + 1) // 2, (width + 1) // 2
        self.stages = nn.Sequential(*stages)
        self.project = nn.Linear(channels * height * width, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, images: Tensor) -> Tensor:
        """[row, height, width, channel] -> [row, feature]."""
        # Channels stay last in memory: convolutions are twice as fast there on processors, too.
        x = images.permute(0, 3, 1, 2).to(self.project.weight.dtype) / 255
        features: Tensor = self.norm(self.project(torch.relu(self.stages(x)).flatten(1)))
        return features


def _after_stem(length: int, stride: int) -> int:
    return (length + 2 * ((stride + 1) // 2) - 2 * stride) // stride + 1


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
