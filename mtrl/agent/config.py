"""Settings of the network. Imports no torch, so that the command line can list them at once."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """The shared backbone and its heads."""

    memory: Literal["transformer", "gru"] = "transformer"
    """Sequence model."""
    width: int = 64
    """Width of the backbone (features per time step); a multiple of --attention-heads."""
    layers: int = 2
    """Layers of the sequence model, at least 1."""
    attention_heads: int = 4
    """Attention heads per Transformer layer; unused by the GRU."""
    context: int = 128
    """Steps the Transformer looks back; also the longest sequence in a training batch."""
    head_width: int = 128
    """Width of the two hidden layers of actor and critics."""
    critics: int = 4
    """Size of the critic ensemble."""

    def __post_init__(self) -> None:
        for name in ("width", "layers", "attention_heads", "context", "head_width", "critics"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a whole number of at least 1, found {getattr(self, name)}")
        if self.memory == "transformer" and self.width % self.attention_heads:
            raise ValueError(
                f"width {self.width} is not a multiple of attention_heads {self.attention_heads}: "
                "every head needs the same share"
            )
        if self.width % 2:
            raise ValueError(f"width: expected an even number (sine and cosine positions), found {self.width}")
