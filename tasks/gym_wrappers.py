"""What can be put around a Gymnasium environment: actions that are repeated, observations brought to [-1, 1]."""

from typing import Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium import spaces, wrappers

Env: TypeAlias = gymnasium.Env[Any, Any]

_FARTHEST = 1e30
"""A bound beyond this stands for none: some environments write the largest number there is in place of infinity."""


class ActionRepeat(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Takes every action `times` times, or until the episode ends; the rewards add up.

    One step is then what `times` steps were: the horizon is shorter, and actions drawn at random get further.

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", Methods (frame skip).

    Args:
        times: at least 1.
    """

    def __init__(self, env: Env, times: int) -> None:
        super().__init__(env)
        self.times = times

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step of the wrapped environment, or several."""
        total = 0.0
        for _ in range(self.times):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


def rescaled(env: Env) -> Env:
    """Numbers with bounds brought from these to [-1, 1]; those without stay as they are.

    Raises:
        ValueError: observations are not a Box of floating-point numbers, or none of them has bounds.
    """
    space = env.observation_space
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise ValueError(f"rescale: expected observations in a Box of floating-point numbers, found {space}")
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    bounded = (high > low) & (np.maximum(-low, high) < _FARTHEST)
    if not bounded.any():
        raise ValueError(f"rescale: expected numbers with bounds, found none in {space}")
    slope, shift = np.ones(space.shape), np.zeros(space.shape)
    slope[bounded] = 2 / (high[bounded] - low[bounded])
    shift[bounded] = -1 - slope[bounded] * low[bounded]
    bound = np.where(bounded, 1, np.inf).astype(np.float32)
    new = spaces.Box(-bound, bound, dtype=np.float32)
    return wrappers.TransformObservation(env, lambda seen: (slope * seen + shift).astype(np.float32), new)
