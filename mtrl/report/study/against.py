"""Which tasks gain and which lose: each method's score on every task minus that of one reference method.

With the baseline as the reference it shows which tasks a method sacrifices; with the agents that learn one task alone
it shows forward and negative transfer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mtrl.report.study.results import ConditionResult, verdict_of
from mtrl.report.study.scores import adjusted, of_task
from mtrl.study.statistics.comparisons import Verdict
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.student import paired_interval, welch_interval

ALONE = "single-task"
"""The method whose agents learn one task each."""
Scored = Mapping[int, float]
"""A score by seed."""


@dataclass(frozen=True, kw_only=True)
class TaskDifference:
    """One method on one task."""

    method: str
    task: str
    difference: Estimate
    """95% interval of this one difference, without correction for the others."""
    adjusted: float
    """p-value, corrected (Holm) for all methods and tasks of the comparison; so is `verdict`."""
    verdict: Verdict


def task_differences(result: ConditionResult, reference: str | None) -> list[TaskDifference]:
    """Every method's difference from the reference on every task, over the seeds that have the task.

    Against `ALONE` seeds are not paired (Welch): an agent that learns alone has another network and other experience,
    so a seed in common says little. Against any other reference they are. Methods without two seeds (in common) are
    left out.
    """
    if reference is None or reference not in result.methods:
        return []
    base, paired = result.methods[reference].rows, reference != ALONE
    tested = [
        (own.method, task, *_difference(theirs, bases, paired=paired))
        for own in result.scored
        if own.method != reference
        for task in result.tasks
        for theirs, bases in [(of_task(own.rows, task), of_task(base, task))]
        if _comparable(theirs, bases, paired=paired)
    ]
    corrected = adjusted([p_value for *_, p_value in tested])
    return [
        TaskDifference(
            method=method,
            task=task,
            difference=difference,
            adjusted=p_value,
            verdict=verdict_of(difference, p_value),
        )
        for (method, task, difference, _), p_value in zip(tested, corrected, strict=True)
    ]


def _comparable(own: Scored, base: Scored, *, paired: bool) -> bool:
    return len(own.keys() & base.keys()) >= 2 if paired else min(len(own), len(base)) >= 2


def _difference(own: Scored, base: Scored, *, paired: bool) -> tuple[Estimate, float]:
    if paired:
        seeds = sorted(own.keys() & base.keys())
        return paired_interval([own[seed] for seed in seeds], [base[seed] for seed in seeds])
    return welch_interval(list(own.values()), list(base.values()))
