"""What can be put around a Gymnasium environment: actions that are repeated, observations brought to [-1, 1]."""

from typing import Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium import spaces, wrappers

Env: TypeAlias = gymnasium.Env[Any, Any]

_WIDEST = 1e4
"""A range of more than this stands for none: CartPole writes its unbounded velocities as +-3.4e38."""


class ActionRepeat(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Takes every action `times` times, or until the episode ends; the rewards add up.

    One step is then what `times` steps were: the horizon is shorter, and actions drawn at random get further.

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", Methods (frame skip).

    Raises:
        ValueError: `times` is not a whole number of at least 1.
    """

    def __init__(self, env: Env, times: int) -> None:
        if not isinstance(times, int) or times < 1:
            raise ValueError(f"action_repeat: expected a whole number of at least 1, found {times!r}")
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
    bounded = (high > low) & (high - low < _WIDEST)
    if not bounded.any():
        raise ValueError(f"rescale: expected numbers with bounds, found none in {space}")
    slope, shift = np.ones(space.shape), np.zeros(space.shape)
    slope[bounded] = 2 / (high - low)[bounded]
    shift[bounded] = -1 - slope[bounded] * low[bounded]
    new = spaces.Box(
        np.where(bounded, -1, low).astype(np.float32), np.where(bounded, 1, high).astype(np.float32), dtype=np.float32
    )
    return wrappers.TransformObservation(env, lambda seen: (slope * seen + shift).astype(np.float32), new)
