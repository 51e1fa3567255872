"""The scores of a study as arrays [run, task], and estimates whose intervals are over seeds.

Departs: intervals treat a seed as one draw for all tasks, since one agent learns them all, and take Student's t for few
seeds. The stratified percentile bootstrap of Agarwal et al. 2021 is too narrow for both reasons
(`mtrl/study/statistics/bootstrap.py` has the coverage of each); it is given in the CSV file of the aggregates.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mtrl.report.study.folder import Study
from mtrl.study.statistics.aggregates import Scores, mean
from mtrl.study.statistics.bootstrap import bootstrap
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.holm import holm
from mtrl.study.statistics.student import mean_interval

FEW = 5
"""Fewer seeds than these are said to be few."""

Rows = dict[int, Scores]
"""By seed: the score of every task."""


def finite(value: Any) -> float:
    """The number, or NaN for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value) if math.isfinite(value) else math.nan


def all_tasks(study: Study, condition: str) -> list[str]:
    """Every task that any method was evaluated on, in the order of the results."""
    records = [record for method in study.method_names for record in study.done(condition, method).values()]
    return list(dict.fromkeys(task for record in records for task in record["evaluation"]["tasks"]))


def scored_tasks(study: Study, condition: str) -> list[str]:
    """The tasks with a normalised score: those for which any result has one."""
    records = [record for method in study.method_names for record in study.done(condition, method).values()]
    return [
        task
        for task in all_tasks(study, condition)
        if any(math.isfinite(task_score(record, task)) for record in records)
    ]


def task_score(record: Mapping[str, Any], task: str) -> float:
    """A task's normalised score in a cell, or NaN."""
    return finite(record["evaluation"]["tasks"].get(task, {}).get("score"))


def score_rows(study: Study, condition: str, method: str, tasks: Sequence[str]) -> Rows:
    """A method's scores by seed; seeds that lack the score of one of the tasks are left out."""
    rows = {
        seed: np.array([task_score(record, task) for task in tasks], dtype=np.float64)
        for seed, record in study.done(condition, method).items()
    }
    return {seed: row for seed, row in rows.items() if tasks and bool(np.isfinite(row).all())}


def matrix(rows: Mapping[int, Scores]) -> Scores:
    """[run, task], in the order of the seeds."""
    return np.stack([rows[seed] for seed in sorted(rows)])


def estimate(scores: Scores, statistic: Callable[[Scores], float]) -> Estimate:
    """The statistic with its interval over seeds; of the mean it is the t-interval itself."""
    if statistic is mean:
        return mean_of(scores.mean(axis=1))
    return bootstrap(scores, statistic, resample="runs", interval="t")


def mean_of(values: Iterable[float]) -> Estimate:
    """The mean of one number a seed, with its t-interval."""
    return mean_interval(np.array(list(values), dtype=np.float64))[0]


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Holm's correction."""
    return [float(value) for value in holm(p_values)]
