"""Two tasks that fight: the right answer to a cue in one is the wrong one in the other, and their rewards differ a
hundredfold."""

from typing import Any

import gymnasium as gym
import numpy as np

from tasks.suite import Suite
from tasks.task import Task

CUES = 3


class Cue(gym.Env[np.ndarray[Any, Any], int]):
    """Ten cues, one after the other; the answer that belongs to the cue pays `scale`, any other nothing."""

    def __init__(self, shift: int, scale: float) -> None:
        self.shift, self.scale = shift, scale
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (CUES + 1,))
        self.action_space = gym.spaces.Discrete(CUES)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = self.scale * float(action == (self.cue + self.shift) % CUES)
        self.steps += 1
        return self._observe(), reward, self.steps == 10, False, {}

    def _observe(self) -> Any:
        self.cue = int(self.np_random.integers(CUES))
        return np.append(np.eye(CUES)[self.cue], 1.0 if self.shift else -1.0).astype(np.float32)


def suite() -> Suite:
    """Both tasks."""
    return Suite(
        name="tiny",
        tasks=(
            Task(name="same", id="tiny:same", make=lambda: Cue(0, 1.0)),
            Task(name="next", id="tiny:next", make=lambda: Cue(1, 0.01)),
        ),
    )
