"""Finished trials, kept compactly per task, and batches drawn from them.

A trial is stored without loss in the smallest form: the zeros that pad its observations to those of larger tasks are
cut, arrays of small whole numbers become bytes, and what a task does not have is left out. The oldest trials go first
when the memory is full. A batch has the observations in the dtypes of their spaces.
"""

from collections import deque

import numpy as np

from mtrl.agent.encoders.timestep import PRESENT, TRIAL_KEYS
from mtrl.learning.batch import Batch
from mtrl.training.windows import Array, Layout, Trial, Window


def compact(array: Array) -> Array:
    """The same numbers in fewer bytes: trailing zeros cut along every axis but the first (time), and whole numbers from
    0 to 255 as bytes. Looks only at what it cuts, and at the values of what are no bytes yet, so that images cost
    little; an array that is small already is given back itself, unless it is a view of another."""
    for axis in range(1, array.ndim):
        end = _end(array, axis)
        array = array[(slice(None),) * axis + (slice(end),)]
    if array.dtype != np.uint8 and array.size and array.min() >= 0 and array.max() <= np.iinfo(np.uint8).max:
        as_bytes = array.astype(np.uint8)
        if np.array_equal(as_bytes, array):
            return as_bytes
    return array if array.base is None else array.copy()


def _end(array: Array, axis: int) -> int:
    """Where only zeros follow along an axis."""
    if array.ndim == 2 and axis == 1:  # many columns, few bytes: all at once
        used = np.flatnonzero(array.any(axis=0))
        return int(used[-1]) + 1 if len(used) else 0
    end = array.shape[axis]
    while end and not array.take(end - 1, axis=axis).any():
        end -= 1
    return end


class Replay:
    """At most `capacity` steps of trials over all tasks.

    Args:
        num_tasks: of the suite.
        capacity: in steps.
        layout: of the batches.
    """

    def __init__(
        self,
        num_tasks: int,
        capacity: int,
        layout: Layout,
    ) -> None:
        self.capacity = capacity
        self.layout = layout
        self.own_keys = sorted(key for key in layout.shapes if key not in (*TRIAL_KEYS, PRESENT))
        self.trials: list[deque[tuple[int, Trial]]] = [deque() for _ in range(num_tasks)]
        self.steps = 0
        self.added = 0

    def add(self, trial: Trial) -> None:
        """Store a trial, compacted; forget the oldest ones of all tasks if the memory overflows."""
        stored = Trial(
            task_id=trial.task_id,
            observation={key: compact(trial.observation[key]) for key in self._keys_of(trial)},
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

    def _keys_of(self, trial: Trial) -> list[str]:
        """Without those that its task does not have."""
        present = trial.observation.get(PRESENT)
        if present is None:
            return list(trial.observation)
        absent = {key for key, there in zip(self.own_keys, present[0], strict=True) if not there}
        return [key for key in trial.observation if key not in absent]

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
                windows.append(Window(trial, start, min(trial.length - start, context)))
        return self.layout.batch(windows, task_ids)
