"""Is one method better than another?

Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", section 4
(probability of improvement; Mann and Whitney 1947). Holm 1979, "A Simple Sequentially Rejective Multiple Test
Procedure".

Departs: the source compares two methods by bootstrap intervals. Claims are made here by t-tests over seeds, which are
right with few runs too (`bootstrap.py` says how far its intervals are not), and corrected for the number of methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtrl.study.statistics.bootstrap import Interval, Resample, check_options, draws, interval_of
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.holm import holm
from mtrl.study.statistics.scores import Scores, checked_numbers, checked_scores
from mtrl.study.statistics.student import LEAST_SEEDS, paired_interval

Verdict = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True)
class Difference:
    """A method against the baseline."""

    method: str
    difference: Estimate
    """Mean score of the method minus the baseline's; the interval is this method's alone, not corrected."""
    p_value: float
    """Two-sided, of no difference."""
    adjusted: float
    """The p-value after Holm's correction over the methods."""
    pairs: int
    """Seeds that both have."""
    verdict: Verdict


def probability_of_improvement(
    x: Scores,
    y: Scores,
    *,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    resample: Resample = "tasks",
    interval: Interval = "percentile",
) -> Estimate:
    """How probable it is that a run of X beats a run of Y on a task: P(X > Y) + P(X = Y) / 2, averaged over tasks.

    It says nothing of by how much. It is 1/2 for methods that are alike.

    Args:
        x: [run, task].
        y: [run, task], the same tasks; the number of runs may be another.
        replicates: as the other options as for `bootstrap`; the runs of X and Y are drawn independently.
    Returns:
        Between 0 and 1, with its interval; the interval is from 0 to 1 if X or Y has a single run. Where every run of X
        beats every run of Y on every task the interval has no width, however few runs there are: that is no certainty.
        For "t" the lesser number of runs counts.
    Raises:
        ValueError: NaN or infinity, not two matrices of the same tasks, or an option out of range.
    """
    x, y = checked_scores(x, "x"), checked_scores(y, "y")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"expected scores of the same tasks, found {x.shape[1]} tasks in x and {y.shape[1]} in y")
    check_options(replicates, confidence, resample, interval)
    value = _superiority(x, y)
    tasks = x.shape[1]
    if min(len(x), len(y)) == 1:
        return Estimate(float(value), 0.0, 1.0)
    rng_x, rng_y = np.random.default_rng(seed).spawn(2)
    size = len(x) * len(y) * tasks
    columns = np.arange(tasks)
    drawn = [
        _superiority(x[rows_x, columns], y[rows_y, columns])
        for rows_x, rows_y in zip(
            draws(len(x), tasks, replicates, rng_x, resample, size),
            draws(len(y), tasks, replicates, rng_y, resample, size),
            strict=True,
        )
    ]
    low, high = interval_of(value, np.concatenate(drawn), min(len(x), len(y)), confidence, interval)
    return Estimate(float(value), max(0.0, float(low)), min(1.0, float(high)))


def _superiority(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(X > Y), ties half, of stacks [..., run, task]."""
    first, second = x[..., :, None, :], y[..., None, :, :]
    over = (-3, -2, -1)
    return np.asarray(((first > second).mean(axis=over) + (first >= second).mean(axis=over)) / 2.0)


def paired_differences(
    baseline: Mapping[int, ArrayLike],
    others: Mapping[str, Mapping[int, ArrayLike]],
    *,
    level: float = 0.05,
    least: Mapping[str, float] = {},
) -> list[Difference]:
    """Each method against the baseline, by the mean score over tasks, in pairs of equal seeds.

    Args:
        baseline: by seed, the scores of all tasks [task].
        others: by method, the same for the same tasks.
        level: how probable a single false verdict among all methods may be; the intervals are of confidence 1 - level.
        least: by method, the standard deviation that a seed's difference has at least (see `student`).
    Returns:
        In the order of `others`. Only seeds that both have count. With fewer than `LEAST_SEEDS` pairs p is 1; with one
        the interval is from minus infinity to infinity, without any the difference is NaN too. Such methods were not
        tested and do not count for the correction. "better" and "worse" need an adjusted p of at most `level`, so an
        interval may exclude 0 where the verdict is "not distinguishable". With 5 pairs the mean difference has to be
        1.24 of its standard deviations over seeds even if there is a single method.
    Raises:
        ValueError: NaN or infinity, rows of different lengths, or a level that is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: expected a number between 0 and 1 such as 0.05, found {level}")
    means, tasks = _means(baseline, "the baseline")
    found: list[tuple[str, Estimate, float, int]] = []
    for method, rows in others.items():
        ours, count = _means(rows, f"method {method}")
        if tasks and count and tasks != count:
            raise ValueError(f"method {method}: expected scores of the baseline's {tasks} tasks, found {count}")
        seeds = [seed for seed in means if seed in ours]
        estimate, p_value = paired_interval(
            [ours[seed] for seed in seeds],
            [means[seed] for seed in seeds],
            confidence=1.0 - level,
            least=least.get(method, 0.0),
        )
        found.append((method, estimate, p_value if len(seeds) >= LEAST_SEEDS else 1.0, len(seeds)))
    tested = [p_value for _, _, p_value, pairs in found if pairs >= LEAST_SEEDS]
    corrected = iter(holm(tested).tolist())
    return [
        _difference(method, estimate, p_value, next(corrected) if pairs >= LEAST_SEEDS else 1.0, pairs, level)
        for method, estimate, p_value, pairs in found
    ]


def _means(runs: Mapping[int, ArrayLike], name: str) -> tuple[dict[int, float], int]:
    """The mean score by seed, and the number of tasks (0 without runs)."""
    rows = {seed: checked_numbers(row, f"{name}, seed {seed}") for seed, row in runs.items()}
    lengths = {len(row) for row in rows.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(f"{name}: expected scores of the same tasks with every seed, found {sorted(lengths)} of them")
    return {seed: float(row.mean()) for seed, row in rows.items()}, max(lengths, default=0)


def _difference(
    method: str, estimate: Estimate, p_value: float, adjusted: float, pairs: int, level: float
) -> Difference:
    verdict: Verdict = "not distinguishable"
    if adjusted <= level:
        verdict = "better" if estimate.value > 0 else "worse"
    return Difference(method, estimate, p_value, adjusted, pairs, verdict)
