"""Numbers that runs recorded over training: averaged over stretches of steps within a run, then over seeds."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mtrl.report.records import Record
from mtrl.report.study.folder import Study
from mtrl.report.study.scores import finite
from mtrl.study.statistics.conflicts import Band, mean_over_time

_STRETCHES = 24


def conflict_series(study: Study, condition: str, method: str, value: Callable[[Record], Any]) -> Band | None:
    """A number of the records of conflict over training."""
    runs = [(record.get("conflict") or {}).get("over_time") or [] for record in study.done(condition, method).values()]
    return series(runs, value, horizon(study))


def learning_series(study: Study, condition: str, method: str, value: Callable[[Record], Any]) -> Band | None:
    """A number of the records of learning."""
    runs = [record.get("learning") or [] for record in study.done(condition, method).values()]
    return series(runs, value, horizon(study))


def horizon(study: Study) -> float:
    """The steps up to which charts over training reach."""
    return float(study.steps or max((finite(r.get("steps")) for r in study.cells.values()), default=1.0))


def series(runs: Sequence[Sequence[Mapping[str, Any]]], value: Callable[[Record], Any], last: float) -> Band | None:
    """Means over equal stretches of training, first within a seed and then over seeds; None without any number.

    Args:
        runs: records of each seed, with `steps`.
        value: from a record to a number, or to anything else where it has none.
        last: steps at the end of training.
    Returns:
        At the middle of every stretch for which a seed has a value, with pointwise t-intervals over seeds.
    """
    edges = np.linspace(0.0, max(last, 1.0), _STRETCHES + 1)
    means = [_by_stretch(run, value, edges) for run in runs]
    found = mean_over_time([run for run in means if run[0]], grid=(edges[:-1] + edges[1:]) / 2)
    kept = np.isfinite(found.mean)
    if not kept.any():
        return None
    return Band(found.steps[kept], found.mean[kept], found.low[kept], found.high[kept], found.runs[kept])


def _by_stretch(
    run: Sequence[Mapping[str, Any]], value: Callable[[Record], Any], edges: "np.ndarray[Any, np.dtype[np.float64]]"
) -> tuple[list[float], list[float]]:
    groups: dict[int, list[float]] = {}
    for record in run:
        steps, found = finite(record.get("steps")), finite(value(dict(record)))
        if math.isfinite(steps) and math.isfinite(found):
            place = int(np.clip(np.searchsorted(edges, steps, side="left") - 1, 0, len(edges) - 2))
            groups.setdefault(place, []).append(found)
    places = sorted(groups)
    return (
        [float(edges[place] + edges[place + 1]) / 2 for place in places],
        [sum(groups[place]) / len(groups[place]) for place in places],
    )


def mean_over_training(study: Study, condition: str, method: str, name: str) -> list[float]:
    """A number of the conflict records, averaged over each run, for the seeds that have it."""
    found = []
    for record in study.done(condition, method).values():
        over_time = (record.get("conflict") or {}).get("over_time") or []
        values = [value for entry in over_time if math.isfinite(value := finite(entry.get(name)))]
        if values:
            found.append(sum(values) / len(values))
    return found
