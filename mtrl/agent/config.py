"""Settings of the network. Imports no torch, so that the command line can list them at once."""

from dataclasses import dataclass
from typing import Literal

_LEAST = {
    "width": 1,
    "layers": 1,
    "attention_heads": 1,
    "context": 1,
    "head_width": 1,
    "critics": 1,
    "image_stride": 1,
    "image_blocks": 0,
    "image_shift": 0,
    "image_chunk": 1,
    "grid_channels": 2,
    "token_width": 1,
}


MemoryName = Literal["transformer", "linear-attention", "gru"]
WITH_HEADS: frozenset[MemoryName] = frozenset(("transformer", "linear-attention"))
"""Memories with attention heads."""


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """The shared backbone and its heads."""

    memory: MemoryName = "transformer"
    """Sequence model."""
    width: int = 64
    """Width of the backbone (features per time step); a multiple of --attention-heads."""
    layers: int = 2
    """Layers of the sequence model, at least 1."""
    attention_heads: int = 4
    """Attention heads per layer; unused by the GRU."""
    context: int = 128
    """Steps the Transformer looks back; also the longest sequence in a training batch."""
    head_width: int = 128
    """Width of the two hidden layers of actor and critics."""
    critics: int = 4
    """Size of the critic ensemble."""
    image_channels: tuple[int, ...] = (16, 32, 32)
    """Channels of the image encoder's stages, each of which halves height and width; at least one stage."""
    image_stride: int = 1
    """Stride of a first convolution in the image encoder, twice as wide, that shrinks images before the stages; 1:
    none, as in IMPALA. With 4 updates from images take a third of the time."""
    image_blocks: int = 2
    """Residual blocks in each stage of the image encoder, at least 0; fewer are faster."""
    image_shift: int = 4
    """Pixels, at least 0, by which images are shifted at random in training, the same for a whole sequence;
    with PPO none are."""
    image_chunk: int = 64
    """Images whose activations are kept at once, at least 1. Larger batches are encoded piece by piece, and again in
    the backward pass: a third more work for the memory of one piece."""
    grid_channels: int = 32
    """Channels of the grid encoder, at least 2."""
    token_width: int = 64
    """Width of the token encoder (word embeddings and recurrent state), at least 1."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected a whole number of at least {least}, found {getattr(self, name)}")
        if not self.image_channels or min(self.image_channels) < 1:
            raise ValueError(
                f"image_channels: expected one or more whole numbers of at least 1, found {self.image_channels}"
            )
        if self.memory in WITH_HEADS and self.width % self.attention_heads:
            raise ValueError(
                f"width {self.width} is not a multiple of attention_heads {self.attention_heads}: "
                "every head needs the same share"
            )
        if self.width % 2:
            raise ValueError(f"width: expected an even number (sine and cosine positions), found {self.width}")
