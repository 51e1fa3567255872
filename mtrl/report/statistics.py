"""The numbers of a report: intervals, verdicts and averages over a run. Pure functions of plain lists.

Departs: the interval of a mean score adds the tasks' half-widths in squares, which holds for independent trials of one
run; it says nothing about other seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Interval = tuple[float, float]
Verdict = Literal["above random", "below random", "not told apart from random", "unknown"]


def interval_of_mean(intervals: Sequence[Sequence[float]]) -> Interval | None:
    """95% interval of the mean of independent estimates, from theirs; None without any."""
    if not intervals:
        return None
    centre = sum((low + high) / 2 for low, high in intervals) / len(intervals)
    half = math.sqrt(sum(((high - low) / 2) ** 2 for low, high in intervals)) / len(intervals)
    return centre - half, centre + half


def verdict(interval: Sequence[float] | None, random: Sequence[float] | None) -> Verdict:
    """How a task's return stands to the random policy's: only intervals that exclude each other tell them apart."""
    if interval is None or random is None:
        return "unknown"
    if interval[0] > random[1]:
        return "above random"
    if interval[1] < random[0]:
        return "below random"
    return "not told apart from random"


def score_interval(evaluation: Mapping[str, Any]) -> Interval | None:
    """95% interval of an evaluation's mean score; None if a scored task lacks one."""
    scored = [entry for entry in evaluation["tasks"].values() if entry["score"] is not None]
    intervals = [entry["score_interval"] for entry in scored]
    return None if None in intervals else interval_of_mean(intervals)


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Two tasks' gradients over a run."""

    first: str
    second: str
    cosine: float
    """Mean over the measurements that had both."""
    negative: float
    """Share of these measurements with a negative cosine."""
    measurements: int


def disagreements(conflicts: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> list[Disagreement]:
    """Every pair of tasks that was measured together, the most conflicting first.

    A task without a gradient at some update has no angle there; such measurements are left out.
    """
    cosines: dict[tuple[str, str], list[float]] = {}
    order = {task: place for place, task in enumerate(tasks)}
    for record in conflicts:
        present = record["tasks"]
        for i, first in enumerate(present):
            for j in range(i + 1, len(present)):
                value = record["cosine"][i][j]
                if value is None or not record["norms"][i] or not record["norms"][j]:
                    continue
                pair = (first, present[j])
                ordered = pair if order.get(pair[0], 0) <= order.get(pair[1], 0) else pair[::-1]
                cosines.setdefault((ordered[0], ordered[1]), []).append(value)
    found = [
        Disagreement(
            first=first,
            second=second,
            cosine=sum(values) / len(values),
            negative=sum(value < 0 for value in values) / len(values),
            measurements=len(values),
        )
        for (first, second), values in cosines.items()
    ]
    return sorted(found, key=lambda pair: pair.cosine)


def mean_of(records: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Mean of a number over records, where they have it."""
    values = [float(record[name]) for record in records if record.get(name) is not None]
    return sum(values) / len(values) if values else None


def median_of(records: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Median of a number over records, where they have it."""
    values = sorted(float(record[name]) for record in records if record.get(name) is not None)
    if not values:
        return None
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def binned(xs: Sequence[float], ys: Sequence[float | None], bins: int) -> tuple[list[float], list[float]]:
    """Means over at most so many stretches of equally many points; points without a value are left out."""
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None and math.isfinite(y)]
    size = max(1, math.ceil(len(points) / bins))
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return (
        [sum(x for x, _ in group) / len(group) for group in groups],
        [sum(y for _, y in group) / len(group) for group in groups],
    )
