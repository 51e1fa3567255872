"""What is left of each method's score from one condition to another, and whether it loses less than the baseline.

All numbers of a method are of the same seeds: those that have both conditions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtrl.report.study.results import verdict_of
from mtrl.report.study.scores import Rows, adjusted, estimate, mean_of
from mtrl.study.statistics.aggregates import Scores
from mtrl.study.statistics.comparisons import Verdict
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.student import paired_interval

Ends = tuple[Rows, Rows]
"""A method's scores under the first and the last condition."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of a method's mean score, in pairs of equal seeds."""

    difference: Estimate
    adjusted: float
    """p-value, corrected (Holm) for the number of methods; so is `verdict`."""
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


def kept(ends: Mapping[str, Ends], baseline: str | None) -> list[Kept]:
    """Of all methods with a seed that has both conditions."""
    both = {method: seeds for method, (first, last) in ends.items() if (seeds := sorted(first.keys() & last.keys()))}
    firsts, lasts = ({method: [ends[method][at][s].mean for s in both[method]] for method in both} for at in (0, 1))
    moved = {
        method: dict(zip(seeds, np.subtract(lasts[method], firsts[method]).tolist(), strict=True))
        for method, seeds in both.items()
    }
    changes = _corrected({method: (lasts[method], firsts[method]) for method in both})
    against = _corrected(_pairs(moved, baseline))
    return [
        Kept(
            method=method,
            seeds=seeds,
            first=mean_of(firsts[method]),
            last=mean_of(lasts[method]),
            ratio=_ratio(firsts[method], lasts[method]),
            change=changes.get(method),
            against=against.get(method),
        )
        for method, seeds in both.items()
    ]


def _pairs(
    moved: Mapping[str, Mapping[int, float]], baseline: str | None
) -> dict[str, tuple[list[float], list[float]]]:
    """Each method's changes beside the baseline's, of the seeds that have both."""
    if baseline is None or baseline not in moved:
        return {}
    shared = {
        method: sorted(own.keys() & moved[baseline].keys()) for method, own in moved.items() if method != baseline
    }
    return {
        method: ([moved[method][seed] for seed in seeds], [moved[baseline][seed] for seed in seeds])
        for method, seeds in shared.items()
    }


def _corrected(pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> dict[str, Change]:
    """The first of each pair minus the second, with Holm's correction over the methods; those with two pairs."""
    tested = {method: paired_interval(one, other) for method, (one, other) in pairs.items() if len(one) >= 2}
    corrected = adjusted([p_value for _, p_value in tested.values()])
    return {
        method: Change(difference=difference, adjusted=p_value, verdict=verdict_of(difference, p_value))
        for (method, (difference, _)), p_value in zip(tested.items(), corrected, strict=True)
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
