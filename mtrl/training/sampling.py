"""How often each task is played, from what its trials came to.

Source: for ``progress`` the idea that the tasks worth practising are those whose return is changing: Oudeyer et al.
2007, "Intrinsic Motivation Systems for Autonomous Mental Development"; Kanitscheider et al. 2021, "Multi-task
curriculum learning in a complex, visual, hard-exploration domain: Minecraft" (difference of a fast and a slow average).
Departs: returns are divided by their own spread, so that tasks compare whatever their scale; every task keeps a share.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.suite import Sampling

FAST, SLOW = 0.1, 0.01
LEAST = 0.25
"""Share of the mean weight that no task falls below."""


class TaskSampler:
    """Weights [task] for `SuiteVectorEnv.set_task_weights`.

    Args:
        sampling: uniform and weighted never move; steps gives every task equally many steps; progress plays more of
            the tasks whose return is changing. The last two multiply the tasks' own weights.
        weights: the tasks' own.
    """

    def __init__(self, sampling: Sampling, weights: list[float]) -> None:
        self.sampling, self.own = sampling, np.array(weights, np.float64)
        count = len(weights)
        self.trials = np.zeros(count)
        self.length = np.zeros(count)
        self.fast, self.slow, self.square = np.zeros(count), np.zeros(count), np.zeros(count)

    def observe(self, task: int, length: int, return_: float) -> None:
        """Take in a finished trial."""
        self.trials[task] += 1
        first = self.trials[task]
        for average, rate, value in (
            (self.length, SLOW, float(length)),
            (self.fast, FAST, return_),
            (self.slow, SLOW, return_),
            (self.square, SLOW, return_**2),
        ):
            average[task] += max(rate, 1.0 / first) * (value - average[task])

    def weights(self) -> NDArray[np.float64]:
        """How often each task should be drawn; they sum to 1."""
        if self.sampling == "uniform":
            return np.full(len(self.own), 1.0 / len(self.own))
        factor = np.ones(len(self.own))
        known = self.trials > 0
        if known.any() and self.sampling == "steps":
            mean = self.length[known].mean()
            factor = mean / np.where(known, self.length, mean)
        elif known.any() and self.sampling == "progress":
            spread = np.sqrt(np.maximum(self.square - self.slow**2, 0.0))
            progress = np.abs(self.fast - self.slow) / np.maximum(spread, 1e-9)
            factor = np.where(known, progress, progress[known].mean())
            mean = factor.mean()
            factor = np.maximum(factor, LEAST * mean) if mean > 0 else np.ones_like(factor)
        weights = self.own * factor
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares

    def state(self) -> dict[str, Any]:
        """What `load` needs. Fit for JSON."""
        return {name: getattr(self, name).tolist() for name in ("trials", "length", "fast", "slow", "square")}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a `state`."""
        for name, values in state.items():
            getattr(self, name)[:] = values
