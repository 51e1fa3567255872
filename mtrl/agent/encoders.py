"""From what the agent sees at one time step to one feature vector.

Every observation key has an encoder of its own (`ENCODERS`); their features are added, so that a key that a task lacks
simply adds nothing. The trial's own keys (previous action, previous reward, attempt start, time) are always there.
"""

import math

import gymnasium as gym
import torch
from jaxtyping import Float
from torch import Tensor, nn

TRIAL_KEYS = ("previous_action", "previous_reward", "attempt_start", "time")
_SMALLEST_REWARD = 1e-3


class VectorEncoder(nn.Module):
    """A linear map of a flat observation."""

    def __init__(self, space: gym.spaces.Box, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(space.shape[0], width)
        # Most vectors are one-hot: each entry is then an embedding, and should weigh as much as that of an action.
        nn.init.normal_(self.project.weight)

    def forward(self, observation: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch width"]:
        """Features of observations that have any leading axes."""
        features: Tensor = self.project(observation)
        return features


ENCODERS: dict[str, type[nn.Module]] = {"vector": VectorEncoder}


class TimestepEncoder(nn.Module):
    """All of one time step: observation, previous action, previous reward, attempt boundary, time in the trial."""

    def __init__(self, space: gym.spaces.Dict, num_actions: int, width: int) -> None:
        super().__init__()
        keys = [key for key in space.spaces if key not in TRIAL_KEYS]
        unknown = [key for key in keys if key not in ENCODERS]
        if unknown:
            raise ValueError(f"no encoder for the observation keys {unknown}; there are encoders for {list(ENCODERS)}")
        self.encoders = nn.ModuleDict({key: ENCODERS[key](space.spaces[key], width) for key in keys})
        self.previous_action = nn.Embedding(num_actions + 1, width)
        self.signals = nn.Linear(4, width)
        nn.init.normal_(self.signals.weight)
        # Features of unit scale, so that what was seen is not drowned by positions or by a memory's small initial
        # weights.
        self.sum_norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)
        self.out_norm = nn.LayerNorm(width)

    def forward(self, observation: dict[str, Tensor]) -> Float[Tensor, "*batch width"]:
        """Features of a time step, whatever the leading axes of the observations are."""
        dtype = self.mix.weight.dtype
        reward = observation["previous_reward"].to(dtype)
        signals = torch.stack(
            [
                torch.sign(reward),
                log_magnitude(reward),
                observation["attempt_start"].to(dtype),
                torch.log1p(observation["time"].to(dtype)) / math.log(1000.0),
            ],
            dim=-1,
        )
        features = self.signals(signals) + self.previous_action(observation["previous_action"].long())
        for key, encoder in self.encoders.items():
            features = features + encoder(observation[key].to(dtype))
        mixed: Tensor = self.out_norm(self.mix(nn.functional.leaky_relu(self.sum_norm(features))))
        return mixed


def log_magnitude(reward: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """A reward on a logarithmic scale that still tells 0.01 from 0.02: sign(r) log(1 + |r|/e) / log(1 + 1/e), e =
    0.001.

    It is 1 at a reward of 1 and 2 at about 1,000, so that an input never grows with the scale of a task's rewards.
    """
    return torch.sign(reward) * torch.log1p(reward.abs() / _SMALLEST_REWARD) / math.log1p(1 / _SMALLEST_REWARD)
