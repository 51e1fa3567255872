"""Play a reference for many trials of a task, side by side."""

import dataclasses
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines.measurement import Measurement, summarise
from baselines.references.reference import Make
from tasks.suite import Suite
from tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Played:
    """What a reference got."""

    result: Measurement
    """Raw return of the paid attempts of a trial."""
    attempts: tuple[float, ...]
    """Mean raw return of every attempt, warm-up included."""
    steps: tuple[float, ...]
    """Mean raw reward at every step of a trial; a trial that is over gets 0."""


def play(task: Task, make: Make, *, trials: int, seed: int, num_slots: int = 512) -> Played:
    """Play a task.

    Every slot plays its share of the trials, so that short trials are not counted more often than long ones.

    Args:
        make: of the reference; it gets rewards as the simulator pays them.
        trials: at least 2.
        seed: of the simulators and of the reference.
        num_slots: at most so many trials side by side.
    Raises:
        ValueError: fewer than two trials, no slots, or the reference took an action that the task does not have.
    """
    if trials < 2 or num_slots < 1:
        raise ValueError(f"expected at least 2 trials and one slot, got trials={trials} and num_slots={num_slots}")
    suite = Suite(name=task.name, tasks=(dataclasses.replace(task, reward_scale=1.0),), invalid_actions="mask")
    num_slots = min(num_slots, trials)
    left = trials // num_slots + (np.arange(num_slots) < trials % num_slots)
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(task.id.encode()), 3)))
    reference = make(num_slots, generator)
    returns, lengths, attempts = [], 0, np.zeros(task.attempts + task.warmup_attempts)
    rewards: NDArray[np.float64] = np.zeros(64)
    env = suite.make_vector(num_slots, seed=seed)
    try:
        observation, _ = env.reset()
        while left.any():
            time = observation["time"]
            observation, _, _, _, infos = env.step(reference.act(observation))
            rewards = np.pad(rewards, (0, max(0, int(time.max()) + 1 - len(rewards))))
            rewards += np.bincount(time, np.where(left > 0, infos["raw_reward"], 0.0), minlength=len(rewards))
            for slot, summary in infos.get("trials", ()):
                if left[slot]:
                    left[slot] -= 1
                    returns.append(summary["raw_return"])
                    lengths += summary["length"]
                    attempts += summary["attempt_returns"]
    finally:
        env.close()
    used = np.flatnonzero(rewards)
    return Played(
        result=summarise(np.array(returns), lengths / trials),
        attempts=tuple((attempts / trials).tolist()),
        steps=tuple((rewards[: used[-1] + 1 if used.size else 0] / trials).tolist()),
    )
