"""The scores of a study as arrays [run, task], and estimates whose intervals are over seeds.

Departs: intervals treat a seed as one draw for all tasks, since one agent learns them all, and take Student's t for few
seeds. The stratified percentile bootstrap of Agarwal et al. 2021 is too narrow for both reasons
(`mtrl/study/statistics/bootstrap.py` has the coverage of each); it is given in the CSV file of the aggregates.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtrl.report.study.folder import Study
from mtrl.study.conditions import SUBSETS
from mtrl.study.statistics.aggregates import Scores, mean
from mtrl.study.statistics.bootstrap import bootstrap
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.holm import holm
from mtrl.study.statistics.student import mean_interval

FEW = 5
"""Fewer seeds than these are said to be few."""


@dataclass(frozen=True)
class Row:
    """One seed of a method: its scores."""

    scores: Mapping[str, float]
    """By task; at least one."""

    @property
    def mean(self) -> float:
        """Over its tasks."""
        return float(np.mean(list(self.scores.values())))


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
    rows = {
        seed: Row({task: task_score(record, task) for task in tasks.get(seed, ())}) for seed, record in done.items()
    }
    if failed_as_zero:
        rows |= {seed: Row(dict.fromkeys(tasks.get(seed, ()), 0.0)) for seed in study.failed(condition, method)}
    return {seed: row for seed, row in sorted(rows.items()) if row.scores and math.isfinite(row.mean)}


def of_task(rows: Rows, task: str) -> dict[int, float]:
    """The score on one task by seed, for the seeds that have the task."""
    return {seed: row.scores[task] for seed, row in rows.items() if task in row.scores}


def matrix(rows: Rows) -> Scores:
    """[run, task], in the order of the seeds, which have the same tasks."""
    return np.array([list(rows[seed].scores.values()) for seed in sorted(rows)], dtype=np.float64)


def estimate(scores: Scores, statistic: Callable[[Scores], float]) -> Estimate:
    """The statistic with its interval over seeds; of the mean it is the t-interval itself."""
    if statistic is mean:
        return mean_of(scores.mean(axis=1))
    return bootstrap(scores, statistic, resample="runs", interval="t")


def mean_of_rows(rows: Rows) -> Estimate:
    """The mean over seeds of each seed's mean score, with its t-interval."""
    return mean_of(row.mean for row in rows.values())


def mean_of(values: Iterable[float]) -> Estimate:
    """The mean of one number a seed, with its t-interval."""
    return mean_interval(np.array(list(values), dtype=np.float64))[0]


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Holm's correction."""
    return [float(value) for value in holm(p_values)]
