"""The trial: consecutive attempts at one task, played by one slot.

A slot draws, when a trial begins and only then, from its own generator: the task (unless it is fixed), the simulator's
seed for every attempt, and a key from which invalid actions are replaced. So the instances that a slot meets do not
depend on what the agent does, and two agents with the same seed are measured on the same ones.
"""

import contextlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.buffers import Buffers, pack_record, place
from tasks.draw import Draw, draw_trial, generator_at
from tasks.flatten import LARGEST, Write
from tasks.registry import make_simulator, told
from tasks.task import VECTOR

if TYPE_CHECKING:
    import gymnasium
    from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Prepared:
    """A simulator that has been reset for a trial that nobody has begun yet."""

    drawn: Draw
    simulator: "gymnasium.Env[Any, Any]"
    observation: Any


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
        self.writers: dict[int, Write] = {}  # by task
        self.simulator: gymnasium.Env[Any, Any] | None = None
        self.prepared: Prepared | None = None
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
        if interface.continuous is not None:
            as_it_is = interface.continuous.is_row(self.suite.num_actions, self.suite.decoding.dtype)
            self.shaped = None if as_it_is else interface.continuous.shaped
        self.limit = self.num_valid if self.suite.invalid_actions == "mask" else self.suite.num_actions
        self.warmup_attempts = task_.warmup_attempts
        self.last_attempt = task_.warmup_attempts + task_.attempts - 1
        self.max_steps, self.horizon = task_.max_steps or 0, task_.at_max_steps == "terminate"
        self.largest_reward = LARGEST / max(1.0, task_.reward_scale)
        self.replacement: random.Random | None = None
        self.attempt, self.time, self.attempt_time, self.cut = -1, 0, 0, False
        self.attempt_returns = [0.0] * (self.last_attempt + 1)
        for array in self.arrays:
            array.fill(0)
        self.write = self.writers.get(self.task_id) or self._make_writer()
        observation, i = self.out.observation, self.index
        observation["previous_action"][i] = 0 if self.continuous else self.suite.num_actions
        observation["previous_reward"][i] = 0.0
        observation["attempt_start"][i] = 1
        observation["time"][i] = 0
        if "present" in observation:
            observation["present"][i] = self.suite.present[self.task_id]
        prepared = self._take_prepared()
        try:
            self.simulator = prepared.simulator if prepared else self.pool.take(self.task_id)
        except Exception as error:
            self.attempt = 0
            raise self._fault(error) from error
        self._begin_attempt(prepared)
        self.out.next_task_id[i] = self.task_id
        self.playing = True

    def draw(self, task: int | None = None) -> None:
        """Draw what belongs to the next trial, without playing it."""
        self.origin: dict[str, Any] = dict(self.generator.bit_generator.state)
        self.actions: list[Any] = []
        self.release()
        self.drawn = draw_trial(self.suite, self.generator, self.out.weights, self.fixed_task, task)
        self.task_id, self.seeds = self.drawn.task_id, self.drawn.seeds
        self.task = self.suite.tasks[self.task_id]

    def prepare(self) -> None:
        """Reset a simulator for the trial after this one, so that `begin` finds it ready.

        It is put aside if `begin` draws another trial after all, because tasks have other weights by then. A failure
        is not told: `begin` will meet it again.
        """
        drawn = draw_trial(
            self.suite, generator_at(self.generator.bit_generator.state), self.out.weights, self.fixed_task
        )
        simulator = None
        with contextlib.suppress(Exception):
            simulator = self.pool.take(drawn.task_id)
            self.prepared = Prepared(drawn, simulator, _reset(simulator, drawn.seeds[0], 0))
        if self.prepared is None:
            _close_quietly(simulator)

    def _take_prepared(self) -> "Prepared | None":
        prepared, self.prepared = self.prepared, None
        if prepared is not None and prepared.drawn != self.drawn:
            self.pool.give(prepared.drawn.task_id, prepared.simulator)
            return None
        return prepared

    def close(self) -> None:
        """End the trial and hand all simulators back."""
        self.release()
        if self.prepared is not None:
            self.pool.give(self.prepared.drawn.task_id, self.prepared.simulator)
            self.prepared = None

    def release(self) -> None:
        """End the trial and hand its simulator back."""
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

    def play(self, action: Any) -> bool:
        """`step` for one action on its own: a number, or an array of numbers where actions are continuous."""
        if not self.continuous:
            return self.step(action)
        self.seen["previous_action"][:] = action
        (decoded,) = self.suite.decoding.decode(action[None], np.array([self.task_id], np.int32))
        return self.step(action.tolist(), decoded)

    def step(self, action: Any, decoded: "NDArray[Any] | None" = None) -> bool:
        """Play one action that `check` allows.

        Args:
            action: its number, or a list of numbers where actions are continuous; these are shown by then.
            decoded: the row of `tasks.actions.Decoding.decode`, where they are.
        Returns:
            Whether the trial has ended; its last observation is then in the row.
        Raises:
            SimulatorError: the simulator failed, or gave something that is no observation or no finite reward.
        """
        self.actions.append(action)
        if decoded is not None:
            played, previous = decoded if self.shaped is None else self.shaped(decoded), 0
        else:  # an action that the task does not have is replaced by a random one that it has
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
        if time == self.max_steps:
            self.cut = not (terminated or truncated)
            finished, over = finished or self.horizon, True
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
        """What the trial came to, on the raw scale; "attempt_returns" are of the attempts that had a step, and "cut"
        tells whether `max_steps` ended the last of them.

        With "instance", what the simulator drew, where it tells that and all attempts had the same.
        """
        same = self.last_attempt == 0 or self.task.instance == "same"
        instance = told(self.simulator, "instance") if same else None
        return {
            "task_id": self.task_id,
            "raw_return": sum(self.attempt_returns[self.task.warmup_attempts :]),
            "attempt_returns": self.attempt_returns[: self.attempt + (self.attempt_time > 0)],
            "cut": self.cut,
            "length": self.time,
            **({} if instance is None else {"instance": instance}),
        }

    def _make_writer(self) -> Write:
        self.writers[self.task_id] = write = self.interface.writer(self.row, self.seen)
        return write

    def _begin_attempt(self, prepared: "Prepared | None" = None) -> None:
        self.attempt += 1
        self.attempt_time = 0
        try:
            if prepared is None:
                self.write(_reset(self.simulator, self.seeds[self.attempt], self.attempt))
            else:
                self.write(prepared.observation)
        except Exception as error:
            raise self._fault(error) from error

    def _replace(self) -> int:
        if self.replacement is None:
            self.replacement = random.Random(self.drawn.key)
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


def _reset(simulator: Any, seed: int, attempt: int) -> Any:
    """The first observation of an attempt."""
    options = {"options": {"attempt": attempt}} if told(simulator, "marks_attempts") else {}
    observation, _ = simulator.reset(seed=seed, **options)
    return observation


def _close_quietly(simulator: Any) -> None:
    with contextlib.suppress(Exception):
        simulator.close()


def _number(reward: Any) -> float:
    if isinstance(reward, np.ndarray) and reward.shape == ():
        reward = reward[()]
    if not isinstance(reward, int | float | np.number | np.bool_) or isinstance(reward, np.complexfloating):
        raise TypeError(f"expected a number as reward, got {reward!r} of type {type(reward).__name__}")
    return float(reward)
