"""The scores of a study as arrays [run, task], and estimates whose intervals are over seeds.

Departs: intervals treat a seed as one draw for all tasks, since one agent learns them all, and take Student's t for few
seeds. The stratified percentile bootstrap of Agarwal et al. 2021 is too narrow for both reasons
(`mtrl/study/statistics/bootstrap.py` has the coverage of each); it is given in the CSV file of the aggregates.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from mtrl.report.study.folder import Study
from mtrl.study.conditions import SUBSETS
from mtrl.study.statistics.aggregates import Scores
from mtrl.study.statistics.bootstrap import bootstrap
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.holm import holm
from mtrl.study.statistics.student import mean_interval, paired_interval

FEW = 5
"""Fewer seeds than these are said to be few."""


@dataclass(frozen=True)
class Row:
    """One seed of a method: its scores."""

    scores: Mapping[str, float]
    """By task; at least one."""
    errors: Mapping[str, float] = field(default_factory=dict)
    """By task: the standard error that the finite number of evaluation trials leaves; no entry: unknown."""

    @property
    def mean(self) -> float:
        """Over its tasks."""
        return float(np.mean(list(self.scores.values())))

    @property
    def error(self) -> float:
        """Standard error of `mean`; 0 where unknown."""
        return math.hypot(*self.errors.values()) / len(self.scores)

    def only(self, *tasks: str) -> "Row":
        """The same with these tasks alone."""
        errors = {task: self.errors[task] for task in tasks if task in self.errors}
        return Row({task: self.scores[task] for task in tasks}, errors)


Rows = dict[int, Row]
"""By seed."""
SeedTasks = Mapping[int, Sequence[str]]
"""By seed: the tasks whose scores count. They are the same for all seeds unless a condition draws them."""


def finite(value: Any) -> float:
    """The number, or NaN for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value) if math.isfinite(value) else math.nan


def all_tasks(study: Study, condition: str, seeds: Collection[int] | None = None) -> list[str]:
    """Every task that any method was evaluated on with these seeds (None: with any), in the order of the results."""
    records = [
        record
        for method in study.method_names
        for seed, record in study.done(condition, method).items()
        if seeds is None or seed in seeds
    ]
    return list(dict.fromkeys(task for record in records for task in record["evaluation"]["tasks"]))


def scored_tasks(study: Study, condition: str) -> list[str]:
    """The tasks with a normalised score: those for which any result has one."""
    records = [record for method in study.method_names for record in study.done(condition, method).values()]
    return [
        task
        for task in all_tasks(study, condition)
        if any(math.isfinite(task_score(record, task)) for record in records)
    ]


def seed_tasks(study: Study, condition: str) -> dict[int, list[str]]:
    """The scored tasks of each seed: all that the condition has or, where every seed draws its own, those it drew.

    Seeds without any, because nothing of them is done yet, are left out.
    """
    scored = scored_tasks(study, condition)
    if study.condition(condition).axis not in SUBSETS:
        return dict.fromkeys(study.seeds, scored) if scored else {}
    drawn = {seed: all_tasks(study, condition, [seed]) for seed in study.seeds}
    return {seed: own for seed, tasks in drawn.items() if (own := [task for task in tasks if task in scored])}


def are_drawn(tasks: SeedTasks) -> bool:
    """Whether seeds have tasks of their own."""
    return len({tuple(own) for own in tasks.values()}) > 1


def task_score(record: Mapping[str, Any], task: str) -> float:
    """A task's normalised score in a cell, or NaN."""
    return finite(record["evaluation"]["tasks"].get(task, {}).get("score"))


def score_rows(study: Study, condition: str, method: str, tasks: SeedTasks, *, failed_as_zero: bool = False) -> Rows:
    """A method's scores by seed; seeds that lack the score of one of their tasks are left out.

    Args:
        failed_as_zero: a run that failed has the random policy's score on all its tasks; otherwise it is left out.
    """
    done = study.done(condition, method)
    rows = {seed: _row(record, tasks.get(seed, ())) for seed, record in done.items()}
    if failed_as_zero:
        rows |= {seed: Row(dict.fromkeys(tasks.get(seed, ()), 0.0)) for seed in study.failed(condition, method)}
    return {seed: row for seed, row in sorted(rows.items()) if row.scores and math.isfinite(row.mean)}


def _row(record: Mapping[str, Any], tasks: Sequence[str]) -> Row:
    errors = {task: error for task in tasks if (error := task_error(record, task)) > 0}
    return Row({task: task_score(record, task) for task in tasks}, errors)


def task_error(record: Mapping[str, Any], task: str) -> float:
    """Standard error of a task's score in a cell, from its interval over trials; 0: unknown.

    It is at least what one trial weighs, as if one of n trials could have had a score by 1 higher or lower: where all
    trials end alike (at the least or the largest return) their variance says nothing of the rare one that would not.
    Three in n is the 95% bound on how often it could come up (the "rule of three"), 0.7 in n the standard deviation of
    Jeffreys' posterior.
    """
    found = record["evaluation"]["tasks"].get(task, {})
    trials, interval = finite(found.get("trials")), found.get("score_interval")
    if not trials > 1 or not interval:
        return 0.0
    half = (finite(interval[1]) - finite(interval[0])) / 2
    return max(half / float(stats.t.ppf(0.975, trials - 1)), 1.0 / trials) if math.isfinite(half) else 0.0


def of_task(rows: Rows, task: str) -> Rows:
    """The rows with one task only, of the seeds that have it."""
    return {seed: row.only(task) for seed, row in rows.items() if task in row.scores}


def least_deviation(*sides: Sequence[Row]) -> float:
    """The standard deviation that a sum or difference of one row of each side has at least, over seeds: what their
    evaluations leave uncertain. It is on the safe side where instances in common make the errors of both sides alike.

    Args:
        sides: as many rows in each, those of a seed in the same place.
    """
    squares = [sum(row.error**2 for row in rows) for rows in zip(*sides, strict=True)]
    return math.sqrt(float(np.mean(squares))) if squares else 0.0


def paired(x: Sequence[Row], y: Sequence[Row]) -> tuple[Estimate, float]:
    """Mean of x - y over seeds with its t-interval, and the p-value of no difference; see `paired_interval`."""
    return paired_interval([row.mean for row in x], [row.mean for row in y], least=least_deviation(x, y))


def matrix(rows: Rows) -> Scores:
    """[run, task], in the order of the seeds, which have the same tasks."""
    return np.array([list(rows[seed].scores.values()) for seed in sorted(rows)], dtype=np.float64)


def estimate(scores: Scores, statistic: Callable[[Scores], float]) -> Estimate:
    """The statistic with its interval over seeds (of the mean there is `mean_of_rows`)."""
    return bootstrap(scores, statistic, resample="runs", interval="t")


def mean_of_rows(rows: Rows) -> Estimate:
    """The mean over seeds of each seed's mean score, with its t-interval."""
    own = list(rows.values())
    return mean_of([row.mean for row in own], least=least_deviation(own))


def mean_of(values: Iterable[float], *, least: float = 0.0) -> Estimate:
    """The mean of one number a seed, with its t-interval.

    Args:
        least: the standard deviation of a number is at least this.
    """
    return mean_interval(np.array(list(values), dtype=np.float64), least=least)[0]


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Holm's correction."""
    return [float(value) for value in holm(p_values)]
