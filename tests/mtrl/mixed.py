"""Agents and batches for suites whose tasks have different observation keys, and continuous actions."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from conflict.registry import make_rescaling
from mtrl.agent.agent import Agent
from mtrl.agent.config import AgentConfig
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig
from tasks.flatten import LARGEST
from tests.mtrl.builders import LEARNING, SMALL, batch

SMALL_ENCODERS = replace(SMALL, image_channels=(4, 6), image_blocks=1, image_chunk=5, grid_channels=6, token_width=8)
KEYS = ("grid", "image", "tokens", "vector")
"""As `present` orders them."""
PRESENT = np.array([[0, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0], [1, 1, 1, 1]], np.int8)
"""[task, key]: one with a vector, one with a grid and words, one with pixels, one with everything."""
SIZES = np.array([1, 3, 2, 3])
"""Numbers in a continuous action of each task."""


def space(keys: tuple[str, ...] = KEYS, *, present: bool = True, continuous: bool = False) -> gym.spaces.Dict:
    """The padded observation of a suite."""
    codes = np.broadcast_to(np.array([10, 5, 3], np.uint8), (7, 7, 3))
    own: dict[str, Any] = {
        "grid": Box(np.zeros_like(codes), codes, dtype=np.uint8),
        "image": Box(0, 255, (16, 16, 3), np.uint8),
        "tokens": Box(0, 12, (6,), np.int16),
        "vector": Box(-LARGEST, LARGEST, (5,), np.float32),
    }
    trial: dict[str, Any] = {
        "previous_action": Box(-1, 1, (3,), np.float32) if continuous else Discrete(5),
        "previous_reward": Box(-LARGEST, LARGEST, (), np.float32),
        "attempt_start": Discrete(2, dtype=np.int8),
        "time": Box(0, 10_000, (), np.int32),
    }
    if present:
        trial["present"] = Box(0, 1, (len(keys),), np.int8)
    return gym.spaces.Dict({**{key: own[key] for key in keys}, **trial})


def mixed_agent(
    learning: LearningConfig = LEARNING,
    config: AgentConfig = SMALL_ENCODERS,
    *,
    keys: tuple[str, ...] = KEYS,
    present: bool = True,
    continuous: bool = False,
    rescaling: str = "none",
    sharing: SharingConfig = SharingConfig(),
    experts: ExpertsConfig = ExpertsConfig(),
) -> Agent:
    """An agent in float64 for four tasks."""
    torch.manual_seed(0)
    return Agent(
        space(keys, present=present, continuous=continuous),
        Box(-1, 1, (3,), np.float32) if continuous else Discrete(4),
        4,
        config,
        learning,
        make_rescaling(rescaling, num_tasks=4, value_shape=(len(learning.discounts),)),
        sharing,
        experts,
    ).double()


def observations(lead: tuple[int, ...], keys: tuple[str, ...] = KEYS, seed: int = 0) -> dict[str, torch.Tensor]:
    """Noise for every key, without `present`."""
    rng = np.random.default_rng(seed)
    made: dict[str, Any] = {
        "grid": rng.integers(0, np.array([11, 6, 4]), (*lead, 7, 7, 3), dtype=np.uint8),
        "image": rng.integers(0, 256, (*lead, 16, 16, 3), dtype=np.uint8),
        "tokens": np.where(np.arange(6) < rng.integers(1, 7, (*lead, 1)), rng.integers(1, 13, (*lead, 6)), 0),
        "vector": rng.standard_normal((*lead, 5)).astype(np.float32),
    }
    return {key: torch.from_numpy(made[key].astype(np.int16) if key == "tokens" else made[key]) for key in keys}


def mixed_batch(
    *, keys: tuple[str, ...] = KEYS, present: bool = True, continuous: bool = False, masked: bool = True, seed: int = 0
) -> Batch:
    """Noise of four tasks with padding; the keys that a task lacks are zeros."""
    plain = batch(tasks=(0, 1, 2, 3), sequences=3, masked=not continuous and masked, seed=seed)
    lead = plain.observation["time"].shape
    observation = {k: v for k, v in plain.observation.items() if k != "vector"} | observations(lead, keys, seed)
    if present:
        there = torch.from_numpy(PRESENT)[:, [KEYS.index(key) for key in sorted(keys)]]
        for place, key in enumerate(sorted(keys)):
            observation[key] *= there[:, place].reshape(-1, *[1] * (observation[key].dim() - 1))
        observation["present"] = there[:, None, None].expand(*lead, len(keys)).contiguous()
    if not continuous:
        return replace(plain, observation=observation)
    generator = torch.Generator().manual_seed(seed)
    allowed = torch.arange(3) < torch.from_numpy(SIZES)[:, None]
    own = allowed[:, None, None]
    observation["previous_action"] = torch.rand((*lead, 3), generator=generator) * own
    action = (torch.rand((*plain.mask.shape, 3), generator=generator) * 2 - 1) * own
    return replace(plain, observation=observation, action=action, allowed=allowed if masked else None)
