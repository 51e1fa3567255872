"""The conflict diagnostics of several runs in one: who disagrees with whom, how it went, and who paid for it.

Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure" (sacrificed tasks).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from mtrl.study.statistics.holm import holm
from mtrl.study.statistics.leaf_order import leaf_order
from mtrl.study.statistics.scores import TaskScores, checked_numbers, of_task, tasks_of
from mtrl.study.statistics.student import LEAST_SEEDS, paired_interval

_TOLERANCE = 1e-4
"""By how much a cosine may be beyond ±1, or differ from its mirror image: records are rounded."""


@dataclass(frozen=True)
class MeanCosine:
    """Cosines between the tasks' gradients, averaged over runs."""

    tasks: tuple[str, ...]
    cosine: NDArray[np.float64]
    """[task, task], symmetric; NaN: no run measured this pair."""
    runs: NDArray[np.int64]
    """[task, task]: how many runs measured the pair."""


@dataclass(frozen=True)
class Band:
    """The mean of time series over runs with its t-interval, each point by itself."""

    steps: NDArray[np.float64]
    mean: NDArray[np.float64]
    """NaN where no run has a value."""
    low: NDArray[np.float64]
    """Minus infinity where only one run has a value; NaN where none has."""
    high: NDArray[np.float64]
    runs: NDArray[np.int64]


def mean_cosine(matrices: Iterable[tuple[Sequence[str], Sequence[Sequence[float | None]]]]) -> MeanCosine:
    """The mean cosine matrix of several runs.

    Args:
        matrices: of each run the tasks' names, in any order, and its cosines [task][task]; None or NaN: not measured,
            which includes tasks without a gradient. A pair is averaged over the runs that measured it.
    Returns:
        Tasks in order of appearance.
    Raises:
        ValueError: a matrix is not square, not symmetric or not of its tasks, has values beyond ±1, or a name twice.
    """
    found = [(list(tasks), _checked_cosine(tasks, cosine)) for tasks, cosine in matrices]
    names = list(dict.fromkeys(task for tasks, _ in found for task in tasks))
    place = {task: at for at, task in enumerate(names)}
    total = np.zeros((len(names), len(names)))
    runs = np.zeros((len(names), len(names)), dtype=np.int64)
    for tasks, cosine in found:
        at = [place[task] for task in tasks]
        measured = ~np.isnan(cosine)
        total[np.ix_(at, at)] += np.where(measured, cosine, 0.0)
        runs[np.ix_(at, at)] += measured
    mean = np.divide(total, runs, out=np.full_like(total, np.nan), where=runs > 0)
    return MeanCosine(tuple(names), mean, runs)


def cluster_order(cosine: ArrayLike) -> list[int]:
    """An order of the tasks in which those that agree stand together, for drawing the matrix.

    Average linkage of the distances 1 - cosine; among the orders that the tree allows, the one with the least sum of
    distances between neighbours. A pair that was not measured counts as unrelated (cosine 0).

    Args:
        cosine: [task, task]; NaN: not measured.
    Returns:
        The tasks' numbers; of an order and its reverse the one that begins with the smaller number.
    Raises:
        ValueError: as `mean_cosine`.
    """
    matrix = _checked_cosine(None, cosine)
    if len(matrix) < 3:
        return list(range(len(matrix)))
    distances = 1.0 - np.nan_to_num(matrix, nan=0.0)
    order = leaf_order(hierarchy.linkage(squareform(distances, checks=False), method="average"), distances)
    return order if order[0] < order[-1] else order[::-1]


def series_of(records: Iterable[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """Steps and values of one number in the records of a run; records without it, or with NaN in it, are left out."""
    points = [
        (float(record["steps"]), float(record[name]))
        for record in records
        if record.get(name) is not None and np.isfinite(record[name])
    ]
    return [steps for steps, _ in points], [value for _, value in points]


def mean_over_time(
    series: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    grid: ArrayLike | None = None,
    points: int = 50,
    confidence: float = 0.95,
) -> Band:
    """The mean of several runs' time series on common steps, with pointwise t-intervals over runs.

    Each run is interpolated linearly between its own points and never continued beyond them.

    Args:
        series: of each run (steps, values); steps increase. Runs without any point are left out.
        grid: the common steps. None: the runs' own steps if all have the same, else `points` even ones over the stretch
            that all runs have.
        points: how many.
        confidence: of each point by itself.
    Raises:
        ValueError: values that are not finite, steps that do not increase, or runs without a stretch in common.
    """
    if points < 2 or not 0.0 < confidence < 1.0:
        raise ValueError(f"expected at least 2 points and a confidence between 0 and 1, found {points}, {confidence}")
    runs = [run for run in (_checked_series(steps, values) for steps, values in series) if len(run[0])]
    at = _common_steps([steps for steps, _ in runs], points) if grid is None else checked_numbers(grid, "grid")
    values = np.full((len(runs), len(at)), np.nan)
    for row, (steps, own) in zip(values, runs, strict=True):
        row[:] = np.interp(at, steps, own, left=np.nan, right=np.nan)
    count = (~np.isnan(values)).sum(axis=0)
    mean = np.divide(np.nansum(values, axis=0), count, out=np.full(len(at), np.nan), where=count > 0)
    squares = np.nansum((values - mean) ** 2, axis=0)
    half = np.where(count == 1, np.inf, np.nan)
    several = count >= 2
    n = count[several]
    quantile = stats.t.ppf((1.0 + confidence) / 2.0, n - 1)
    half[several] = quantile * np.sqrt(squares[several] / (n - 1) / n)
    return Band(at, mean, mean - half, mean + half, count.astype(np.int64))


def sacrificed(method_scores: TaskScores, baseline_scores: TaskScores, *, level: float = 0.05) -> list[str]:
    """Tasks that the method learns worse than the baseline does.

    For each task the mean difference over the seeds that both have, with a t-test in pairs; Holm's correction over the
    tasks, so that the probability of naming even one task wrongly is at most `level`. That is strict: among 27 tasks
    and with 5 seeds, the first task has to lose 3.3 standard deviations (over seeds) of the difference.

    Args:
        method_scores: by seed, then by task; None: no score.
        baseline_scores: the same.
        level: between 0 and 1.
    Returns:
        The greatest loss first; empty also where no task has three seeds in common, so "none" is not "none was harmed".
    Raises:
        ValueError: a score is NaN or infinite, or the level is out of range.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: expected a number between 0 and 1 such as 0.05, found {level}")
    tested: list[tuple[str, float, float]] = []
    for task in tasks_of(baseline_scores):
        ours, theirs = of_task(method_scores, task), of_task(baseline_scores, task)
        seeds = [seed for seed in theirs if seed in ours]
        if len(seeds) >= LEAST_SEEDS:
            estimate, p_value = paired_interval([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])
            tested.append((task, estimate.value, p_value))
    adjusted = holm([p_value for _, _, p_value in tested])
    lost = [
        (loss, task) for (task, loss, _), p_value in zip(tested, adjusted, strict=True) if loss < 0 and p_value <= level
    ]
    return [task for _, task in sorted(lost, key=lambda entry: entry[0])]


def _checked_cosine(
    tasks: Sequence[str] | None, cosine: ArrayLike | Sequence[Sequence[float | None]]
) -> NDArray[np.float64]:
    try:
        matrix = np.array(cosine, dtype=np.float64)  # None becomes NaN
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"cosines: expected a square matrix of numbers, found rows that make none ({error})"
        ) from error
    size = len(matrix) if tasks is None else len(tasks)
    if matrix.shape != (size, size) and not (size == 0 and matrix.size == 0):
        raise ValueError(f"cosines: expected a square matrix of {size} tasks, found shape {matrix.shape}")
    if tasks is not None and len(set(tasks)) < size:
        raise ValueError(f"cosines: expected every task once, found {sorted(tasks)}")
    if size and (np.abs(matrix) > 1.0 + _TOLERANCE).any():
        raise ValueError(
            f"cosines: expected values from -1 to 1, found {np.nanmin(matrix)} to {np.nanmax(matrix)}; "
            "inner products that were not divided by the norms?"
        )
    if size and not np.allclose(matrix, matrix.T, rtol=0.0, atol=_TOLERANCE, equal_nan=True):
        raise ValueError("cosines: expected a symmetric matrix, found one that differs from its mirror image")
    symmetric: NDArray[np.float64] = (matrix + matrix.T) / 2.0 if size else np.empty((0, 0))
    return np.asarray(symmetric.clip(-1.0, 1.0))


def _checked_series(steps: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = checked_numbers(steps, "steps"), checked_numbers(values, "values")
    if len(x) != len(y):
        raise ValueError(f"expected a value for every step, found {len(x)} steps and {len(y)} values")
    if (np.diff(x) <= 0).any():
        raise ValueError("steps: expected them to increase, found some that do not; records of two runs in one?")
    return x, y


def _common_steps(steps: Sequence[NDArray[np.float64]], points: int) -> NDArray[np.float64]:
    if not steps:
        return np.empty(0)
    if all(np.array_equal(run, steps[0]) for run in steps):
        return steps[0]
    first, last = max(float(run[0]) for run in steps), min(float(run[-1]) for run in steps)
    if first > last:
        raise ValueError(
            f"expected runs with a stretch of steps in common, found one that begins at {first:.0f} and one that ends "
            f"at {last:.0f}; is one of them unfinished? A `grid` of your own leaves gaps instead"
        )
    return np.linspace(first, last, points if first < last else 1)
