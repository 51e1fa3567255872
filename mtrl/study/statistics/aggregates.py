"""One number for the scores of several runs on several tasks.

Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", section 4.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mtrl.study.statistics.scores import Scores as Scores
from mtrl.study.statistics.scores import checked_scores

Stack = NDArray[np.float64]
"""[..., run, task]"""

TRIMMED = 0.25
"""Share of the run-task pairs that the interquartile mean leaves out at either end."""


def mean(scores: Scores) -> float:
    """Mean over all run-task pairs. One task with a very high score can decide it."""
    return float(stacked_mean(checked_scores(scores)))


def median(scores: Scores) -> float:
    """Median over tasks of each task's mean over runs. Nearly half of the tasks may be at 0 without a trace in it."""
    return float(stacked_median(checked_scores(scores)))


def iqm(scores: Scores) -> float:
    """Interquartile mean: the mean of the middle half of all run-task pairs.

    A quarter of the pairs, rounded down, is left out at either end.
    """
    return float(stacked_iqm(checked_scores(scores)))


def optimality_gap(scores: Scores, target: float = 1.0) -> float:
    """How far the run-task pairs stay below `target` on average; what exceeds it does not make up for the rest.

    Returns:
        At least 0, and 0 only if no score is below the target. Less is better.
    """
    return float(stacked_optimality_gap(checked_scores(scores), target))


def stacked_mean(stack: Stack) -> NDArray[np.float64]:
    """`mean` of each matrix of a stack."""
    return np.asarray(stack.mean(axis=(-2, -1)))


def stacked_median(stack: Stack) -> NDArray[np.float64]:
    """`median` of each matrix of a stack."""
    return np.asarray(np.median(stack.mean(axis=-2), axis=-1))


def stacked_iqm(stack: Stack) -> NDArray[np.float64]:
    """`iqm` of each matrix of a stack."""
    pairs = stack.reshape(*stack.shape[:-2], -1)
    return np.asarray(stats.trim_mean(pairs, TRIMMED, axis=-1))


def stacked_optimality_gap(stack: Stack, target: float = 1.0) -> NDArray[np.float64]:
    """`optimality_gap` of each matrix of a stack."""
    return np.asarray((target - np.minimum(stack, target)).mean(axis=(-2, -1)))


AGGREGATES: dict[str, Callable[[Scores], float]] = {
    "mean": mean,
    "median": median,
    "iqm": iqm,
    "optimality-gap": optimality_gap,
}

STACKED: dict[Callable[..., Any], Callable[[Stack], NDArray[np.float64]]] = {
    mean: stacked_mean,
    median: stacked_median,
    iqm: stacked_iqm,
    optimality_gap: stacked_optimality_gap,
}
"""By aggregate, the same for all matrices of a stack at once: this is what makes the bootstrap fast."""
