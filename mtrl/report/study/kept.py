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
from mtrl.report.study.scores import Row, Rows, adjusted, estimate, least_deviation, mean_of_rows, paired
from mtrl.study.statistics.aggregates import Scores
from mtrl.study.statistics.comparisons import Verdict
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.student import LEAST_SEEDS, paired_interval

Key = TypeVar("Key", bound=Hashable)
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
    """`last` minus `first`; None without `LEAST_SEEDS`."""
    against: Change | None
    """The change minus the baseline's, in pairs of equal seeds: above 0 the method comes off better, for it loses less
    or gains more. None for the baseline itself, and without `LEAST_SEEDS` in common."""


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
        {(place, method): [ends[place][method][end][s] for s in seeds] for (place, method), seeds in both.items()}
        for end in (0, 1)
    )
    changes = _corrected({key: paired(lasts[key], firsts[key]) for key, seeds in both.items() if _enough(seeds)})
    against = _corrected(
        {
            key: _against(ends[key[0]][key[1]], ends[key[0]][baseline], shared)
            for key, seeds in both.items()
            if baseline is not None
            and key[1] != baseline
            and _enough(shared := [seed for seed in seeds if seed in both.get((key[0], baseline), ())])
        }
    )
    return [
        [
            Kept(
                method=key[1],
                seeds=seeds,
                first=mean_of_rows(dict(zip(seeds, firsts[key], strict=True))),
                last=mean_of_rows(dict(zip(seeds, lasts[key], strict=True))),
                ratio=_ratio(firsts[key], lasts[key]),
                change=changes.get(key),
                against=against.get(key),
            )
            for key, seeds in both.items()
            if key[0] == place
        ]
        for place in range(len(ends))
    ]


def _enough(seeds: Sequence[int]) -> bool:
    return len(seeds) >= LEAST_SEEDS


def _against(own: tuple[Rows, Rows], base: tuple[Rows, Rows], seeds: Sequence[int]) -> tuple[Estimate, float]:
    """The method's changes minus the baseline's."""
    sides = [[rows[seed] for seed in seeds] for rows in (*own, *base)]
    first, last, base_first, base_last = ([row.mean for row in side] for side in sides)
    moved = [np.subtract(last, first), np.subtract(base_last, base_first)]
    return paired_interval(*moved, least=least_deviation(*sides))


def _corrected(tested: Mapping[Key, tuple[Estimate, float]]) -> dict[Key, Change]:
    """Differences and their p-values with Holm's correction over all."""
    corrected = adjusted([p_value for _, p_value in tested.values()])
    return {
        key: Change(difference=difference, adjusted=p_value, verdict=verdict_of(difference, p_value))
        for (key, (difference, _)), p_value in zip(tested.items(), corrected, strict=True)
    }


def _ratio(first: Sequence[Row], last: Sequence[Row]) -> Estimate | None:
    if len(first) < 2 or mean_of_rows(dict(enumerate(first))).low <= 0:
        return None
    found = estimate(np.array([[row.mean for row in side] for side in (first, last)]).T, _ratio_of_means)
    return found if math.isfinite(found.value) and found.known else None


def _ratio_of_means(ends: Scores) -> float:
    """Of the second column's mean over the first's."""
    first, last = ends.mean(axis=0)
    return float(last / first)
