"""The trial: consecutive attempts at one task, played by one slot.

A slot draws, when a trial begins and only then, from its own generator: the task (unless it is fixed), the simulator's
seed for every attempt, and a key from which invalid actions are replaced. So the instances that a slot meets do not
depend on what the agent does, and two agents with the same seed are measured on the same ones.
"""

import contextlib
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.buffers import Buffers, pack_record, place
from tasks.registry import make_simulator
from tasks.spaces import LARGEST
from tasks.task import SEEDS, VECTOR

if TYPE_CHECKING:
    import gymnasium

    from tasks.suite import Suite


class SimulatorError(RuntimeError):
    """A simulator failed, or answered with something that is not an observation or a reward."""

    task_name: str = ""


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


class Slot:
    """Plays one trial after another and writes what happens into its row of the buffers.

    Args:
        index: row, and the key that parts this slot's generator from the other slots'.
        fixed_task: the task of every trial; None: drawn for each.
    """

    def __init__(self, suite: "Suite", buffers: Buffers, pool: Pool, index: int, fixed_task: int | None) -> None:
        self.suite, self.pool, self.index, self.fixed_task = suite, pool, index, fixed_task
        self.out, self.records, self.place = buffers, buffers.records, place(index)
        self.seen = {key: array[index, ...] for key, array in buffers.observation.items()}
        self.continuous, self.flagged = suite.continuous, suite.flagged
        self.row = self.seen.get(VECTOR)
        self.arrays = [self.seen[key] for key in suite.keys]
        self.task_id = -1 if fixed_task is None else fixed_task
        self.simulator: gymnasium.Env[Any, Any] | None = None
        self.playing = False
        self.generator = np.random.default_rng()

    def seed(self, seed: int | None) -> None:
        """Start the slot's generator anew."""
        sequence = np.random.SeedSequence(seed, spawn_key=(self.index,))
        self.generator = np.random.Generator(np.random.PCG64(sequence))

    def begin(self, task: int | None = None) -> None:
        """Begin the next trial and write its first observation.

        Args:
            task: the task that was drawn when this trial began the first time; None: draw it.
        Raises:
            SimulatorError: the simulator failed.
        """
        self.draw(task)
        task_ = self.task
        interface = self.suite.interfaces[self.task_id]
        self.interface, self.decode, self.num_valid = interface, interface.actions, interface.num_actions
        self.limit = self.num_valid if self.suite.invalid_actions == "mask" else self.suite.num_actions
        self.warmup_attempts = task_.warmup_attempts
        self.last_attempt = task_.warmup_attempts + task_.attempts - 1
        self.max_steps = task_.max_steps or 0
        self.largest_reward = LARGEST / max(1.0, task_.reward_scale)
        self.replacement: random.Random | None = None
        self.attempt, self.time, self.attempt_time = -1, 0, 0
        self.attempt_returns = [0.0] * (self.last_attempt + 1)
        for array in self.arrays:
            array.fill(0)
        self.write = interface.writer(self.row, self.seen)
        observation, i = self.out.observation, self.index
        observation["previous_action"][i] = 0 if self.continuous else self.suite.num_actions
        observation["previous_reward"][i] = 0.0
        observation["attempt_start"][i] = 1
        observation["time"][i] = 0
        if "present" in observation:
            observation["present"][i] = self.suite.present[self.task_id]
        try:
            self.simulator = self.pool.take(self.task_id)
            self.marks = bool(getattr(self.simulator, "marks_attempts", False))
        except Exception as error:
            self.attempt = 0
            raise self._fault(error) from error
        self._begin_attempt()
        self.out.next_task_id[i] = self.task_id
        self.playing = True

    def draw(self, task: int | None = None) -> None:
        """Draw what belongs to a trial, without playing it."""
        self.origin: dict[str, Any] = dict(self.generator.bit_generator.state)
        self.actions: list[Any] = []
        self.release()
        if self.fixed_task is None:
            drawn = self._drawn_task()
            self.task_id = drawn if task is None else task
        else:
            self.task_id = self.fixed_task
        self.task = self.suite.tasks[self.task_id]
        low, high = self.task.seeds or SEEDS
        attempts = self.task.warmup_attempts + self.task.attempts
        if (low, high) == SEEDS:
            *self.seeds, self.key = self.generator.integers(2**63 - 1, size=attempts + 1).tolist()
        else:
            self.seeds = self.generator.integers(low, high, size=attempts).tolist()
            self.key = int(self.generator.integers(2**63 - 1))
        if self.task.instance == "same":
            self.seeds = self.seeds[:1] * len(self.seeds)

    def _drawn_task(self) -> int:
        if self.suite.sampling == "uniform":
            return int(self.generator.integers(self.suite.num_tasks))
        shares = np.cumsum(self.out.weights)
        place = int(np.searchsorted(shares, self.generator.random() * shares[-1], side="right"))
        return min(place, self.suite.num_tasks - 1)

    def release(self) -> None:
        """End the trial and hand the simulator back."""
        self.playing = False
        if self.simulator is not None:
            self.pool.give(self.task_id, self.simulator)
            self.simulator = None

    def check(self, action: Any) -> None:
        """Refuse an action that cannot be played.

        Raises:
            ValueError: it is beyond the action set (with "mask": the task's own one), or not a finite number.
        """
        if self.continuous:
            if not np.isfinite(action).all():
                raise ValueError(
                    f"slot {self.index}, task {self.task.name!r}: expected finite numbers as action, got {action}"
                )
        elif not 0 <= action < self.limit:
            masked = self.suite.invalid_actions == "mask"
            also = f" (invalid_actions='mask': the task has {self.num_valid} actions)" if masked else ""
            raise ValueError(
                f"slot {self.index}, task {self.task.name!r}: "
                f"expected an action from 0 to {self.limit - 1}{also}, got {action}"
            )

    def step(self, action: Any) -> bool:
        """Play one action that `check` allows: a number, or an array of numbers where actions are continuous.

        Returns:
            Whether the trial has ended; its last observation is then in the row.
        Raises:
            SimulatorError: the simulator failed, or gave something that is no observation or no finite reward.
        """
        if self.continuous:
            self.actions.append(action.tolist())
            played, previous = self.interface.continuous.decode(action), 0  # type: ignore[union-attr]
            self.seen["previous_action"][:] = action
        else:  # an action that the task does not have is replaced by a random one that it has
            self.actions.append(action)
            played, previous = self.decode[action if action < self.num_valid else self._replace()], action
            if self.flagged:
                self.row[-1] = action >= self.num_valid  # type: ignore[index]
        attempt = self.attempt
        try:
            observation, reward, terminated, truncated, _ = self.simulator.step(played)  # type: ignore[union-attr]
            raw = reward if type(reward) is float else _number(reward)
            if not -self.largest_reward <= raw <= self.largest_reward:
                raise ValueError(f"expected a reward that is a finite float32 once scaled, got {raw}")
            self.write(observation)
        except Exception as error:
            raise self._fault(error) from error
        self.time = time = self.time + 1
        self.attempt_time += 1
        self.attempt_returns[attempt] += raw
        finished = over = boundary = False
        if terminated or truncated:
            if attempt < self.last_attempt:
                boundary = True
                self._begin_attempt()
            else:  # both ends at once: then there is nothing to bootstrap from, and termination wins
                finished, over = bool(terminated), True
        over = over or time == self.max_steps
        paid, trained = attempt >= self.warmup_attempts, raw * self.task.reward_scale
        pack_record(
            self.records, self.place, previous, trained if paid else 0.0, raw, trained, attempt, self.task_id, time,
            paid, finished, over and not finished, boundary,
        )  # fmt: skip
        self.playing = not over
        return over

    def action_of(self, saved: Any) -> Any:
        """An action as `step` takes it, from what a saved state holds.

        Raises:
            ValueError: it is none that this trial could have played.
        """
        action = np.array(saved, np.float32) if self.continuous else saved
        self.check(action)
        return action

    def summary(self) -> dict[str, Any]:
        """What the trial came to, on the raw scale. Attempts that `max_steps` cut off count 0."""
        return {
            "task_id": self.task_id,
            "raw_return": sum(self.attempt_returns[self.task.warmup_attempts :]),
            "attempt_returns": self.attempt_returns,
            "length": self.time,
        }

    def _begin_attempt(self) -> None:
        self.attempt += 1
        self.attempt_time = 0
        try:
            options = {"attempt": self.attempt} if self.marks else None
            observation, _ = self.simulator.reset(  # type: ignore[union-attr]
                seed=self.seeds[self.attempt], **({} if options is None else {"options": options})
            )
            self.write(observation)
        except Exception as error:
            raise self._fault(error) from error

    def _replace(self) -> int:
        if self.replacement is None:
            self.replacement = random.Random(self.key)
        return int(self.replacement.random() * self.num_valid)

    def _fault(self, error: Exception) -> SimulatorError:
        self.playing = False
        _close_quietly(self.simulator)  # whatever it is now, no other trial shall get it
        self.simulator = None
        fault = SimulatorError(
            f"task {self.task.name!r} (simulator reset with seed {self.seeds[self.attempt]}, attempt {self.attempt}, "
            f"step {self.attempt_time}; step {self.time} of the trial): {type(error).__name__}: {error}"
        )
        fault.task_name = self.task.name
        return fault


def _close_quietly(simulator: Any) -> None:
    with contextlib.suppress(Exception):
        simulator.close()


def _number(reward: Any) -> float:
    if isinstance(reward, np.ndarray) and reward.shape == ():
        reward = reward[()]
    if not isinstance(reward, int | float | np.number | np.bool_) or isinstance(reward, np.complexfloating):
        raise TypeError(f"expected a number as reward, got {reward!r} of type {type(reward).__name__}")
    return float(reward)
