"""How the score of a method grew while it learnt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtrl.report.records import Record
from mtrl.report.study.folder import Study
from mtrl.report.study.scores import SeedTasks, finite
from mtrl.study.statistics.conflicts import mean_over_time

Array = NDArray[np.float64]

_POINTS = 50
"""Where seeds were evaluated at different steps."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A method's mean score while it learns; all arrays are [point]."""

    steps: Array
    updates: Array
    """Mean over seeds; so is `seconds`."""
    seconds: Array
    value: Array
    low: Array
    """Pointwise 95% t-interval over seeds; so is `high`. Infinite with one seed."""
    high: Array
    seeds: int


def score_curve(study: Study, condition: str, method: str, tasks: SeedTasks) -> Curve | None:
    """The curve of a method, at the steps where its seeds were evaluated; None if no two points are known.

    Each seed counts with the mean over its tasks. Seeds that were evaluated at other steps are interpolated, in the
    stretch that all of them have.
    """
    every = [
        _points(record, own) for seed, record in study.done(condition, method).items() if (own := tasks.get(seed, ()))
    ]
    runs = [run for run in every if len(run) > 1]
    if not runs:
        return None
    first, last = max(float(run[0, 0]) for run in runs), min(float(run[-1, 0]) for run in runs)
    if first >= last:
        return None
    same = all(np.array_equal(run[:, 0], runs[0][:, 0]) for run in runs)
    steps = runs[0][:, 0] if same else np.linspace(first, last, _POINTS)
    updates, seconds, score = (
        mean_over_time([(run[:, 0], run[:, column]) for run in runs], grid=steps) for column in (1, 2, 3)
    )
    return Curve(
        steps=steps,
        updates=updates.mean,
        seconds=seconds.mean,
        value=score.mean,
        low=score.low,
        high=score.high,
        seeds=len(runs),
    )


def _points(record: Record, tasks: Sequence[str]) -> Array:
    """[point, 4]: steps, updates, seconds and mean score over the tasks, where all are known, in order of steps."""
    rows = [
        [
            *(finite(point.get(name)) for name in ("steps", "updates", "seconds")),
            sum(finite(point.get("tasks", {}).get(task)) for task in tasks) / len(tasks),
        ]
        for point in record.get("curve") or []
    ]
    whole = [row for row in rows if all(map(math.isfinite, row))]
    table = np.array(whole, dtype=np.float64).reshape(-1, 4)
    return np.asarray(table[np.unique(table[:, 0], return_index=True)[1]])
