"""From what the agent sees at one time step to one feature vector.

Every observation key has an encoder of its own (`ENCODERS`); their features are added. Tasks may have different keys: a
key that a task lacks adds nothing to its rows and costs nothing. The trial's own keys (previous action, previous
reward, attempt start, time) are always there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import gymnasium as gym
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from conflict.value.symlog import symlog
from mtrl.agent.conditioning import film, film_layer
from mtrl.agent.config import AgentConfig
from mtrl.agent.encoders.encoder import Encoder, Sizes, rows_of
from mtrl.agent.encoders.grid import GridEncoder
from mtrl.agent.encoders.image import ImageEncoder
from mtrl.agent.encoders.shift import draw_shifts, shifted
from mtrl.agent.encoders.tokens import TokenEncoder
from mtrl.agent.encoders.vector import VectorEncoder
from mtrl.agent.sharing import SharingConfig

TRIAL_KEYS = ("previous_action", "previous_reward", "attempt_start", "time")
PRESENT = "present"
"""The observation key that says which of the other keys a task has, in their sorted order."""
MISSION = "tokens"
_SMALLEST_REWARD = 1e-3

ENCODERS: dict[str, Callable[[gym.spaces.Box, AgentConfig], Encoder]] = {
    "vector": VectorEncoder,
    "image": ImageEncoder,
    "grid": GridEncoder,
    "tokens": TokenEncoder,
}


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """What training knows of the observations [sequence, time, ...] that it has encoded."""

    num_tasks: int
    """Tasks in the batch: as many sequences of each, one task after the other."""
    exists: Bool[Tensor, "sequence time"]
    """False for padding, which no loss depends on."""
    generator: torch.Generator
    """Draws the shifts of images."""


class TimestepEncoder(nn.Module):
    """All of one time step: observation, previous action, previous reward, attempt boundary, time in the trial.

    Raises:
        ValueError: there is no encoder for an observation key.
    """

    def __init__(
        self,
        space: gym.spaces.Dict,
        action_space: gym.spaces.Discrete | gym.spaces.Box,
        config: AgentConfig,
        sharing: SharingConfig = SharingConfig(),
    ) -> None:
        super().__init__()
        width = config.width
        keys = [key for key in space.spaces if key not in (*TRIAL_KEYS, PRESENT)]
        unknown = [key for key in keys if key not in ENCODERS]
        if unknown:
            raise ValueError(f"no encoder for the observation keys {unknown}; there are encoders for {list(ENCODERS)}")
        self.mission: nn.Linear | None = None
        if sharing.conditioning == "mission":
            if MISSION not in keys:
                raise ValueError(
                    f"conditioning mission: expected tasks with a mission (the key {MISSION!r}), found {keys}"
                )
            self.mission = film_layer(width, width)
        self.places = {key: place for place, key in enumerate(sorted(keys))}
        self.image_shift = config.image_shift
        self.encoders = nn.ModuleDict(
            {key: ENCODERS[key](cast("gym.spaces.Box", space.spaces[key]), config) for key in keys}
        )
        self.previous_action: nn.Module
        if isinstance(action_space, gym.spaces.Box):
            self.previous_action = nn.Linear(action_space.shape[0], width, bias=False)
            nn.init.normal_(self.previous_action.weight)
        else:
            self.previous_action = nn.Embedding(int(action_space.n) + 1, width)
        self.signals = nn.Linear(5, width)
        nn.init.normal_(self.signals.weight)
        # Features of unit scale, so that what was seen is not drowned by positions or by a memory's small initial
        # weights.
        self.sum_norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)
        self.out_norm = nn.LayerNorm(width)

    def forward(
        self, observation: dict[str, Tensor], sequences: Sequences | None = None
    ) -> Float[Tensor, "*batch width"]:
        """Features of a time step, whatever the leading axes of the observations are.

        Args:
            sequences: in training; then the leading axes are [sequence, time].
        """
        dtype = self.mix.weight.dtype
        reward = observation["previous_reward"].to(dtype)
        rest = (observation["attempt_start"].to(dtype), torch.log1p(observation["time"].to(dtype)) / math.log(1000.0))
        signals = torch.stack([*reward_signals(reward), *rest], dim=-1)
        action = observation["previous_action"]
        action = action.long() if isinstance(self.previous_action, nn.Embedding) else action.to(dtype)
        features = self.signals(signals) + self.previous_action(action)
        for key in self.encoders:
            if self.mission is None or key != MISSION:
                features = self._add(features, key, observation, sequences)
        if self.mission is not None:  # a task without a mission is told zeros, which change nothing
            told = self._add(torch.zeros_like(features), MISSION, observation, sequences)
            features = film(features + told, self.mission(told))
        mixed: Tensor = self.out_norm(self.mix(nn.functional.leaky_relu(self.sum_norm(features))))
        return mixed

    def _add(self, features: Tensor, key: str, observation: dict[str, Tensor], sequences: Sequences | None) -> Tensor:
        """Features plus those of one key, in the rows that have it."""
        encoder, value = cast("Encoder", self.encoders[key]), observation[key]
        having = None
        if PRESENT in observation:
            having = observation[PRESENT][..., self.places[key]] > 0
        if sequences is not None and encoder.costly:
            having = sequences.exists if having is None else having & sequences.exists
        if having is None and not encoder.costly:
            added: Tensor = features + encoder(value)
            return added
        lead = features.dim() - 1
        flat = value.flatten(0, lead - 1) if lead > 1 else value
        place = None if having is None else having.flatten().nonzero().squeeze(-1)
        if place is not None:
            if not len(place):
                return features
            flat = flat.index_select(0, place)
        sizes: Sizes = None
        if sequences is not None and having is not None:
            sizes = having.reshape(sequences.num_tasks, -1).sum(dim=1).tolist()
            if encoder.shifts and self.image_shift:
                shifts = draw_shifts(len(having), self.image_shift, sequences.generator)
                flat = shifted(flat, shifts, having.sum(dim=1).tolist())
        with rows_of(sizes):
            encoded: Tensor = encoder(flat, sizes)
        if place is None:
            return features + encoded.view(features.shape)
        return features.flatten(0, lead - 1).index_add(0, place, encoded).view(features.shape)


def reward_signals(reward: Float[Tensor, "*batch"]) -> tuple[Float[Tensor, "*batch"], ...]:
    """A reward r as its sign, as a logarithm that still tells 0.01 from 0.02, and as symlog(r), which tells 1 from 2.

    The logarithm is sign(r) log(1 + |r|/e) / log(1 + 1/e) with e = 0.001: 1 at a reward of 1 and 2 at about 1,000. So
    an input hardly grows with the scale of a task's rewards.
    """
    sign = torch.sign(reward)
    magnitude = torch.log1p(reward.abs() / _SMALLEST_REWARD) / math.log1p(1 / _SMALLEST_REWARD)
    return sign, sign * magnitude, symlog(reward)
