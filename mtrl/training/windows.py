"""Windows of trials, and batches made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

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


@dataclass(frozen=True)
class Window:
    """Some steps of a trial that follow each other."""

    trial: Trial
    start: int
    """The first step."""
    steps: int
    remembered: int = 0
    """Steps at the beginning that only give the memory something to remember."""


class Layout:
    """How batches look.

    Args:
        observation_shapes: of one observation under every key.
        allowed: [task, action] what each task has of the padded actions, where the suite masks them; else None.
        dtypes: of the observations in a batch; float32 where a key is not named.
        action_size: numbers in a continuous action; None for discrete ones.
    """

    def __init__(
        self,
        observation_shapes: Mapping[str, tuple[int, ...]],
        allowed: Array | None,
        *,
        dtypes: Mapping[str, DTypeLike] | None = None,
        action_size: int | None = None,
    ) -> None:
        self.shapes = dict(observation_shapes)
        self.dtypes = {key: np.dtype((dtypes or {}).get(key, np.float32)) for key in self.shapes}
        self.action_size = action_size
        self.allowed = None if allowed is None else torch.tensor(allowed)

    def batch(self, windows: Sequence[Window | None], task_ids: list[int]) -> Batch:
        """A batch of as many windows for each task, sorted by task; None is an empty one.

        Steps that are only remembered are marked where there are any.
        """
        time = max((window.steps for window in windows if window is not None), default=1)
        count = len(windows)
        # Pages of zeros that nobody writes to take no memory: keys that no task of the batch has are free.
        observation = {key: np.zeros((count, time + 1, *shape), self.dtypes[key]) for key, shape in self.shapes.items()}
        action: Array = np.zeros((count, time), np.int64)
        if self.action_size is not None:
            action = np.zeros((count, time, self.action_size), np.float32)
        reward = np.zeros((count, time), np.float32)
        terminated, mask, learnt = (np.zeros((count, time), np.bool_) for _ in range(3))
        for row, window in enumerate(windows):
            if window is None:
                continue
            trial, start, steps = window.trial, window.start, window.steps
            for key, stored in trial.observation.items():
                seen = stored[start : start + steps + 1]
                observation[key][(row, slice(steps + 1), *(slice(n) for n in seen.shape[1:]))] = seen
            taken = trial.action[start : start + steps]
            action[(row, slice(steps), *(slice(n) for n in taken.shape[1:]))] = taken
            reward[row, :steps] = trial.reward[start : start + steps]
            terminated[row, steps - 1] = trial.terminated and start + steps == trial.length
            mask[row, :steps] = True
            learnt[row, window.remembered : steps] = True

        def split(array: Array) -> torch.Tensor:
            return torch.from_numpy(array).view(len(task_ids), count // len(task_ids), *array.shape[1:])

        ids = torch.tensor(task_ids)
        return Batch(
            observation={key: split(value) for key, value in observation.items()},
            action=split(action),
            reward=split(reward),
            terminated=split(terminated),
            mask=split(mask),
            task_ids=ids,
            allowed=None if self.allowed is None else self.allowed[ids],
            learnt=None if np.array_equal(mask, learnt) else split(learnt),
        )
