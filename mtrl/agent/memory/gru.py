"""A stack of gated recurrent units whose weight gradients are ordinary matrix products.

Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder"; gates as in `torch.nn.GRU`.
Departs: the recurrence of `conflict.engine.recurrence`, and a state that each actor keeps.
"""

from collections.abc import Iterable
from typing import cast

from jaxtyping import Float, Int
from torch import Tensor, nn

from conflict.engine.recurrence import gru, gru_step
from mtrl.agent.experts.routes import Mix
from mtrl.agent.memory.memory import Memory, State


class GRU(Memory):
    """`layers` GRUs, each reading the states of the one below; the last one's states are normalised."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, features: Float[Tensor, "batch time width"], time: Int[Tensor, "batch time"], mix: Mix | None = None
    ) -> Float[Tensor, "batch time width"]:
        x = features
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.norm(x)
        return out

    def initial_state(self, num_actors: int) -> State:
        return {"hidden": self.norm.weight.new_zeros(num_actors, len(self.layers), self.width)}

    def step(
        self,
        features: Float[Tensor, "actor width"],
        time: Int[Tensor, " actor"],
        state: State,
        mix: Mix | None = None,
    ) -> Float[Tensor, "actor width"]:
        hidden = state["hidden"]
        hidden.mul_((time > 0)[:, None, None])
        x = features
        for index, layer in enumerate(cast("Iterable[Layer]", self.layers)):
            x = layer.step(x, hidden[:, index])
            hidden[:, index] = x
        out: Tensor = self.norm(x)
        return out


class Layer(nn.Module):
    """One recurrence. A sequence holds steps of one trial and starts from an empty memory."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(width, 3 * width)
        self.recurrent = nn.Linear(width, 3 * width)
        for gate in self.recurrent.weight.detach().split(width):
            nn.init.orthogonal_(gate)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The states after all steps."""
        return gru(self.inputs(x), self.recurrent.weight, self.recurrent.bias)

    def step(
        self, x: Float[Tensor, "actor width"], before: Float[Tensor, "actor width"]
    ) -> Float[Tensor, "actor width"]:
        """The states after one step."""
        return gru_step(self.inputs(x), self.recurrent(before), before)
