"""One task of a suite as a `gymnasium.Env`; an episode of it is a trial."""

from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from tasks.buffers import Buffers
from tasks.trial import Pool, Slot

if TYPE_CHECKING:
    from tasks.suite import Suite

Observation: TypeAlias = dict[str, Any]


class TrialEnv(gymnasium.Env[Observation, Any]):
    """The one slot of a suite's task. Observations are fresh copies."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  # as in the base class

    def __init__(self, suite: "Suite", task_id: int, *, seed: int | None = None) -> None:
        self.suite, self.task = suite, suite.tasks[task_id]
        self.observation_space, self.action_space = suite.observation_space, suite.action_space
        self._buffers, self._pool = Buffers.zeros(suite, 1), Pool(suite)
        self._slot = Slot(suite, self._buffers, self._pool, 0, task_id)
        self._seed(seed)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a trial; with a seed the generator starts anew, without one it goes on. There are no options."""
        if seed is not None:
            self._seed(seed)
        self._slot.begin()
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Play one action; the reward is the trained one, 0 in a warm-up attempt."""
        if not self._slot.playing:
            raise ResetNeeded("call reset() first: no trial has begun, or the last one has ended")
        action = np.asarray(action, np.float32) if self.suite.continuous else _integer(action)
        if self.suite.continuous and action.shape != self.action_space.shape:
            raise ValueError(f"expected {self.suite.num_actions} numbers as action, got shape {action.shape}")
        self._slot.check(action)
        if self.suite.continuous:
            action = action.clip(-1.0, 1.0)
        over = self._slot.play(action)
        out = self._buffers
        info = self._info() | {
            "raw_reward": float(out.raw_reward[0]),
            "attempt": int(out.attempt[0]),
            "paid": bool(out.paid[0]),
        }
        if over:
            info["trial"] = self._slot.summary()
        return self._observation(), float(out.reward[0]), bool(out.terminated[0]), bool(out.truncated[0]), info

    def close(self) -> None:
        """Close the simulators."""
        self._slot.close()
        self._pool.close()

    def _seed(self, seed: int | None) -> None:
        self._slot.seed(seed)
        self._np_random, self._np_random_seed = self._slot.generator, -1 if seed is None else seed

    def _observation(self) -> Observation:
        rows = self._buffers.observation
        return {
            **{key: array[0, ...].copy() for key, array in rows.items()},
            **({} if self.suite.continuous else {"previous_action": int(rows["previous_action"][0])}),
            "attempt_start": int(rows["attempt_start"][0]),
        }

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {"task_id": self._slot.task_id, "task_name": self.task.name}
        if self.suite.masks_actions:
            info["action_mask"] = self.suite.action_mask[self._slot.task_id].copy()
        return info


def _integer(action: Any) -> int:
    """An action as an integer.

    Raises:
        ValueError: it is none.
    """
    try:
        return index(action)
    except TypeError:
        raise ValueError(f"expected an integer as action, got {action!r} of type {type(action).__name__}") from None
