"""Flat observations."""

import gymnasium as gym
from jaxtyping import Float
from torch import Tensor, nn

from mtrl.agent.config import AgentConfig
from mtrl.agent.encoders.encoder import Encoder, Sizes


class VectorEncoder(Encoder):
    """A linear map of a flat observation."""

    costly = False

    def __init__(self, space: gym.spaces.Box, config: AgentConfig) -> None:
        super().__init__()
        self.project = nn.Linear(space.shape[0], config.width)
        # Most vectors are one-hot: each entry is then an embedding, and should weigh as much as that of an action.
        nn.init.normal_(self.project.weight)

    def forward(self, observation: Tensor, sizes: Sizes = None) -> Float[Tensor, "*row width"]:
        features: Tensor = self.project(observation.to(self.project.weight.dtype))
        return features
