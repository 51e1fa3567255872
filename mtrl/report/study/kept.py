"""What is left of each method's score from one condition to another, and whether it loses less than the baseline.

All numbers of a method are of the same seeds: those that have both conditions.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mtrl.report.study.folder import Condition
from mtrl.report.study.results import verdict_of
from mtrl.report.study.scores import Rows, adjusted, estimate, mean_of
from mtrl.study.statistics.aggregates import Scores
from mtrl.study.statistics.comparisons import Verdict
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.student import paired_interval

Key = TypeVar("Key", bound=Hashable)
Pairs = tuple[Sequence[float], Sequence[float]]
"""Two numbers a seed."""
Ends = Mapping[str, tuple[Rows, Rows]]
"""By method: the scores under the first and under the last condition."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of a method's mean score, in pairs of equal seeds."""

    difference: Estimate
    adjusted: float
    """p-value, corrected (Holm) for all methods and all courses of the axis; so is `verdict`."""
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A method from one condition to the other."""

    method: str
    seeds: list[int]
    """That have both; what follows is of these."""
    first: Estimate
    """Mean score under the first condition."""
    last: Estimate
    """Under the last."""
    ratio: Estimate | None
    """`last` over `first`; None where the first score cannot be told from 0 or less, or where a seed is alone."""
    change: Change | None
    """`last` minus `first`; None without two seeds."""
    against: Change | None
    """The change minus the baseline's, in pairs of equal seeds: above 0 the method comes off better, for it loses less
    or gains more. None for the baseline itself, and without two seeds in common."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """All methods from one condition to another."""

    first: Condition
    last: Condition
    kept: list[Kept]
    """Of all methods with a seed that has both conditions."""
    failed: dict[str, int]
    """By method: runs under the two that failed, where there are any."""
    failed_as_zero: list[Kept]
    """The same as `kept` with a score of 0 for every failed run; empty where none failed."""


def kept(ends: Sequence[Ends], baseline: str | None) -> list[list[Kept]]:
    """For every course the methods with a seed that has both its conditions."""
    both = {
        (place, method): seeds
        for place, course in enumerate(ends)
        for method, (first, last) in course.items()
        if (seeds := sorted(first.keys() & last.keys()))
    }
    firsts, lasts = (
        {(place, method): [ends[place][method][end][s].mean for s in seeds] for (place, method), seeds in both.items()}
        for end in (0, 1)
    )
    moved = {
        key: dict(zip(seeds, np.subtract(lasts[key], firsts[key]).tolist(), strict=True)) for key, seeds in both.items()
    }
    changes = _corrected({key: (lasts[key], firsts[key]) for key in both})
    against = _corrected(
        {
            (place, method): _shared(own, moved[place, baseline])
            for (place, method), own in moved.items()
            if baseline is not None and method != baseline and (place, baseline) in moved
        }
    )
    return [
        [
            Kept(
                method=key[1],
                seeds=seeds,
                first=mean_of(firsts[key]),
                last=mean_of(lasts[key]),
                ratio=_ratio(firsts[key], lasts[key]),
                change=changes.get(key),
                against=against.get(key),
            )
            for key, seeds in both.items()
            if key[0] == place
        ]
        for place in range(len(ends))
    ]


def _shared(own: Mapping[int, float], base: Mapping[int, float]) -> Pairs:
    seeds = sorted(own.keys() & base.keys())
    return [own[seed] for seed in seeds], [base[seed] for seed in seeds]


def _corrected(pairs: Mapping[Key, Pairs]) -> dict[Key, Change]:
    """The first of each pair minus the second, with Holm's correction over all; those with two pairs."""
    tested = {key: paired_interval(one, other) for key, (one, other) in pairs.items() if len(one) >= 2}
    corrected = adjusted([p_value for _, p_value in tested.values()])
    return {
        key: Change(difference=difference, adjusted=p_value, verdict=verdict_of(difference, p_value))
        for (key, (difference, _)), p_value in zip(tested.items(), corrected, strict=True)
    }


def _ratio(first: Sequence[float], last: Sequence[float]) -> Estimate | None:
    if len(first) < 2 or mean_of(first).low <= 0:
        return None
    found = estimate(np.array([first, last]).T, _ratio_of_means)
    return found if math.isfinite(found.value) and found.known else None


def _ratio_of_means(ends: Scores) -> float:
    """Of the second column's mean over the first's."""
    first, last = ends.mean(axis=0)
    return float(last / first)
