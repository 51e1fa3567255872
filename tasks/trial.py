"""The trial: consecutive attempts at one task, played by one slot.

A slot draws, when a trial begins and only then, from its own generator: the task (unless it is fixed), the simulator's
seed for every attempt, and a key from which invalid actions are replaced. So the tasks and instances that a slot meets
do not depend on what the agent does, and two agents with the same seed are measured on the same ones.
"""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.registry import make_simulator
from tasks.spaces import LARGEST

if TYPE_CHECKING:
    import gymnasium

    from tasks.suite import Suite


class SimulatorError(RuntimeError):
    """A simulator failed, or answered with something that is not an observation or a reward."""


class Pool:
    """Simulators that are free, by task. One is handed to a slot for a trial and comes back after it."""

    def __init__(self, suite: "Suite") -> None:
        self.suite = suite
        self.free: list[list[gymnasium.Env[Any, Any]]] = [[] for _ in suite.tasks]

    def take(self, task_id: int) -> "gymnasium.Env[Any, Any]":
        """A simulator of the task, made if none is free."""
        free = self.free[task_id]
        return free.pop() if free else make_simulator(self.suite.tasks[task_id])

    def give(self, task_id: int, simulator: "gymnasium.Env[Any, Any]") -> None:
        """Hand a simulator back."""
        self.free[task_id].append(simulator)

    def close(self) -> None:
        """Close what is free."""
        for free in self.free:
            while free:
                free.pop().close()


@dataclass(frozen=True)
class Buffers:
    """What all slots write into, one row each."""

    observation: dict[str, NDArray[Any]]
    reward: NDArray[np.float32]
    raw_reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    attempt: NDArray[np.int32]
    paid: NDArray[np.bool_]
    task_id: NDArray[np.int32]

    @classmethod
    def zeros(cls, suite: "Suite", num_slots: int) -> "Buffers":
        """Empty buffers for this many slots."""
        space = suite.observation_space.spaces
        return cls(
            observation={key: np.zeros((num_slots, *(part.shape or ())), part.dtype) for key, part in space.items()},
            reward=np.zeros(num_slots, np.float32),
            raw_reward=np.zeros(num_slots, np.float32),
            terminated=np.zeros(num_slots, np.bool_),
            truncated=np.zeros(num_slots, np.bool_),
            attempt=np.zeros(num_slots, np.int32),
            paid=np.zeros(num_slots, np.bool_),
            task_id=np.zeros(num_slots, np.int32),
        )


class Slot:
    """Plays one trial after another and writes what happens into its row of the buffers.

    Args:
        index: row, and the key that parts this slot's generator from the other slots'.
        fixed_task: the task of every trial; None: drawn for each.
    """

    def __init__(self, suite: "Suite", buffers: Buffers, pool: Pool, index: int, fixed_task: int | None) -> None:
        self.suite, self.pool, self.index, self.fixed_task = suite, pool, index, fixed_task
        self.out, self.row = buffers, buffers.observation["vector"][index]
        self.replaces = suite.invalid_actions == "random"
        self.task_id = -1 if fixed_task is None else fixed_task
        self.simulator: gymnasium.Env[Any, Any] | None = None
        self.playing = False
        self.generator = np.random.default_rng()

    def seed(self, seed: int | None) -> None:
        """Start the slot's generator anew."""
        sequence = np.random.SeedSequence(seed, spawn_key=(self.index,))
        self.generator = np.random.Generator(np.random.PCG64(sequence))

    def begin(self) -> None:
        """Begin the next trial and write its first observation."""
        self.origin: dict[str, Any] = dict(self.generator.bit_generator.state)
        self.actions: list[int] = []
        self.release()
        if self.fixed_task is None:
            self.task_id = int(self.generator.integers(self.suite.num_tasks))
        self.simulator = self.pool.take(self.task_id)
        self.task = task = self.suite.tasks[self.task_id]
        interface = self.suite.interfaces[self.task_id]
        self.decode, self.num_valid = interface.actions, len(interface.actions)
        self.flatten, self.own_row = interface.flatten, self.row[: interface.flatten.width]
        self.limit = self.suite.num_actions if self.replaces else self.num_valid
        self.last_attempt = task.warmup_attempts + task.attempts - 1
        self.max_steps = task.max_steps or 0
        self.largest_reward = LARGEST / max(1.0, task.reward_scale)
        *self.seeds, self.key = self.generator.integers(2**63 - 1, size=self.last_attempt + 2).tolist()
        if task.instance == "same":
            self.seeds = self.seeds[:1] * len(self.seeds)
        self.replacement: random.Random | None = None
        self.attempt, self.time, self.attempt_time = -1, 0, 0
        self.attempt_returns = [0.0] * (self.last_attempt + 1)
        self.row.fill(0.0)
        observation, i = self.out.observation, self.index
        observation["previous_action"][i] = self.suite.num_actions
        observation["previous_reward"][i] = 0.0
        observation["attempt_start"][i] = 1
        observation["time"][i] = 0
        self._begin_attempt()
        self.playing = True

    def release(self) -> None:
        """End the trial and hand the simulator back."""
        self.playing = False
        if self.simulator is not None:
            self.pool.give(self.task_id, self.simulator)
            self.simulator = None

    def check(self, action: int) -> None:
        """Refuse an action that cannot be played.

        Raises:
            ValueError: it is beyond the action set (with "mask": the task's own one).
        """
        if not 0 <= action < self.limit:
            also = "" if self.replaces else f" (invalid_actions='mask': the task has {self.num_valid} actions)"
            raise ValueError(
                f"slot {self.index}, task {self.task.name!r}: "
                f"expected an action from 0 to {self.limit - 1}{also}, got {action}"
            )

    def step(self, action: int) -> bool:
        """Play one action that `check` allows.

        Returns:
            Whether the trial has ended; its last observation is then in the row.
        Raises:
            SimulatorError: the simulator failed, or gave something that is no observation or no finite reward.
        """
        self.actions.append(action)
        raw, terminated, truncated = self._play(action)
        i, out, seen, attempt, task = self.index, self.out, self.out.observation, self.attempt, self.task
        self.time += 1
        self.attempt_time += 1
        self.attempt_returns[attempt] += raw
        trained = raw * task.reward_scale
        paid = attempt >= task.warmup_attempts
        out.reward[i] = trained if paid else 0.0
        out.raw_reward[i] = raw
        out.attempt[i] = attempt
        out.paid[i] = paid
        out.task_id[i] = self.task_id
        if self.replaces:
            self.row[-1] = action >= self.num_valid
        seen["previous_action"][i] = action
        seen["previous_reward"][i] = trained
        seen["time"][i] = self.time
        ended = terminated or truncated
        boundary = ended and attempt < self.last_attempt
        if boundary:
            self._begin_attempt()
        seen["attempt_start"][i] = boundary
        over = ended and not boundary
        # A simulator may report both ends at once; then there is nothing to bootstrap from, and termination wins.
        out.terminated[i] = finished = over and terminated
        over = over or self.time == self.max_steps
        out.truncated[i] = over and not finished
        self.playing = not over
        return over

    def summary(self) -> dict[str, Any]:
        """What the trial came to, on the raw scale. Attempts that `max_steps` cut off count 0."""
        return {
            "task_id": self.task_id,
            "raw_return": sum(self.attempt_returns[self.task.warmup_attempts :]),
            "attempt_returns": self.attempt_returns,
            "length": self.time,
        }

    def _play(self, action: int) -> tuple[float, bool, bool]:
        row = self.own_row
        row.fill(0.0)
        try:
            # An action that the task does not have is replaced by a random one that it has.
            played = self.decode[action if action < self.num_valid else self._replace()]
            observation, reward, terminated, truncated, _ = self.simulator.step(played)  # type: ignore[union-attr]
            raw = reward if type(reward) is float else _number(reward)
            if not -self.largest_reward <= raw <= self.largest_reward:
                raise ValueError(f"expected a reward that is a finite float32 once scaled, got {raw}")
            self.flatten.write(observation, row, 0)
            return raw, bool(terminated), bool(truncated)
        except Exception as error:
            raise self._fault(error) from error

    def _begin_attempt(self) -> None:
        self.attempt += 1
        self.attempt_time = 0
        self.own_row.fill(0.0)
        try:
            observation, _ = self.simulator.reset(seed=self.seeds[self.attempt])  # type: ignore[union-attr]
            self.flatten.write(observation, self.own_row, 0)
        except Exception as error:
            raise self._fault(error) from error

    def _replace(self) -> int:
        if self.replacement is None:
            self.replacement = random.Random(self.key)
        return int(self.replacement.random() * self.num_valid)

    def _fault(self, error: Exception) -> SimulatorError:
        self.playing, self.simulator = False, None  # whatever it is now, no other trial shall get it
        return SimulatorError(
            f"task {self.task.name!r} (simulator reset with seed {self.seeds[self.attempt]}, attempt {self.attempt}, "
            f"step {self.attempt_time}; step {self.time} of the trial): {type(error).__name__}: {error}"
        )


def _number(reward: Any) -> float:
    if isinstance(reward, np.ndarray) and reward.shape == ():
        reward = reward[()]
    if not isinstance(reward, int | float | np.number | np.bool_) or isinstance(reward, np.complexfloating):
        raise TypeError(f"expected a number as reward, got {reward!r} of type {type(reward).__name__}")
    return float(reward)
