"""Finished trials, kept compactly per task, and batches drawn from them.

A trial is stored without loss in the smallest form: trailing zero columns of padded observations are cut, and arrays
of small whole numbers become bytes. The oldest trials go first when the memory is full.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mtrl.learning.batch import Batch

Array = NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One finished trial of `length` steps; observations have one step more."""

    task_id: int
    observation: dict[str, Array]
    action: Array
    reward: NDArray[np.float32]
    """Trained reward of each step."""
    terminated: bool
    """Whether the last step ended the trial by itself."""

    @property
    def length(self) -> int:
        """Steps, actions and rewards of the trial."""
        return len(self.action)


def compact(array: Array) -> Array:
    """The same numbers in fewer bytes: trailing zero columns cut, whole numbers from 0 to 255 as bytes."""
    if array.ndim > 1:
        used = np.flatnonzero(array.reshape(-1, array.shape[-1]).any(axis=0))
        array = array[..., : int(used[-1]) + 1 if len(used) else 0]
    fits = array.size > 0 and array.min() >= 0 and array.max() <= np.iinfo(np.uint8).max
    if fits and np.array_equal(as_bytes := array.astype(np.uint8), array):
        return as_bytes
    return array.copy()


class Replay:
    """At most `capacity` steps of trials over all tasks."""

    def __init__(
        self, num_tasks: int, capacity: int, observation_shapes: Mapping[str, tuple[int, ...]], allowed: Array | None
    ) -> None:
        self.capacity, self.shapes = capacity, dict(observation_shapes)
        self.allowed = None if allowed is None else torch.tensor(allowed)
        self.trials: list[deque[tuple[int, Trial]]] = [deque() for _ in range(num_tasks)]
        self.steps = 0
        self.added = 0

    def add(self, trial: Trial) -> None:
        """Store a trial, compacted; forget the oldest ones of all tasks if the memory overflows."""
        stored = Trial(
            task_id=trial.task_id,
            observation={key: compact(value) for key, value in trial.observation.items()},
            action=compact(trial.action),
            reward=trial.reward,
            terminated=trial.terminated,
        )
        self.trials[trial.task_id].append((self.added, stored))
        self.added += 1
        self.steps += trial.length
        while self.steps > self.capacity and sum(map(len, self.trials)) > 1:
            oldest = min((q for q in self.trials if q), key=lambda q: q[0][0])
            self.steps -= oldest.popleft()[1].length

    def tasks(self) -> list[int]:
        """Tasks of which there is at least one trial."""
        return [task for task, trials in enumerate(self.trials) if trials]

    def sample(self, task_ids: list[int], sequences: int, context: int, rng: np.random.Generator) -> Batch:
        """Windows of at most `context` steps: `sequences` for each task, trials drawn uniformly.

        Places are drawn as if windows could reach beyond both ends of the trial, and are then moved in: so its first
        and last steps, which tell most, are in as many windows as those in the middle, and not in one of hundreds.
        """
        windows = []
        for task in task_ids:
            trials = self.trials[task]
            for index in rng.integers(len(trials), size=sequences):
                trial = trials[index][1]
                start = int(np.clip(rng.integers(1 - context, trial.length), 0, max(0, trial.length - context)))
                windows.append((trial, start, min(trial.length - start, context)))
        time = max(steps for _, _, steps in windows)
        count = len(windows)
        observation = {key: np.zeros((count, time + 1, *shape), np.float32) for key, shape in self.shapes.items()}
        action = np.zeros((count, time), np.int64)
        reward = np.zeros((count, time), np.float32)
        terminated = np.zeros((count, time), np.bool_)
        mask = np.zeros((count, time), np.bool_)
        for row, (trial, start, steps) in enumerate(windows):
            for key, stored in trial.observation.items():
                window = stored[start : start + steps + 1]
                observation[key][(row, slice(steps + 1), *(slice(n) for n in window.shape[1:]))] = window
            action[row, :steps] = trial.action[start : start + steps]
            reward[row, :steps] = trial.reward[start : start + steps]
            terminated[row, steps - 1] = trial.terminated and start + steps == trial.length
            mask[row, :steps] = True

        def split(array: Array) -> torch.Tensor:
            return torch.from_numpy(array).view(len(task_ids), sequences, *array.shape[1:])

        ids = torch.tensor(task_ids)
        return Batch(
            observation={key: split(value) for key, value in observation.items()},
            action=split(action),
            reward=split(reward),
            terminated=split(terminated),
            mask=split(mask),
            task_ids=ids,
            allowed=None if self.allowed is None else self.allowed[ids],
        )
