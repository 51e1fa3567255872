"""Which tasks gain and which lose: each method's score on every task minus that of a reference method.

With the baseline as the reference it shows which tasks a method sacrifices; with agents that learn one task alone it
shows forward and negative transfer, if these have the method's own settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mtrl.report.study.folder import Method, Study
from mtrl.report.study.results import ConditionResult, verdict_of
from mtrl.report.study.scores import adjusted, of_task, paired
from mtrl.study.methods import ALONE
from mtrl.study.statistics.comparisons import Verdict
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.student import LEAST_SEEDS

_OF_SEVERAL = ("conflict.strategy", "conflict.strategy_options")
"""Settings that mean nothing to an agent with one task: every strategy leaves a single gradient as it is."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a method is compared with."""

    method: str
    """Whose score is taken off."""
    transfer: bool
    """Whether it learns one task alone with the method's own settings, so that the difference is due to the company of
    other tasks and to nothing else."""


@dataclass(frozen=True, kw_only=True)
class TaskDifference:
    """One method on one task."""

    method: str
    reference: Reference
    task: str
    seeds: list[int]
    """That both have."""
    difference: Estimate
    """95% interval of this one difference, without correction for the others."""
    adjusted: float
    """p-value, corrected (Holm) for all methods and tasks of the comparison; so is `verdict`."""
    verdict: Verdict


def sacrifices(study: Study, result: ConditionResult) -> list[TaskDifference]:
    """Every method's difference from the baseline on every task."""
    if study.baseline is None:
        return []
    reference = Reference(method=study.baseline, transfer=False)
    return task_differences(result, {name: reference for name in study.method_names if name != study.baseline})


def transfers(study: Study, result: ConditionResult) -> list[TaskDifference]:
    """The difference of every method that learns all tasks from agents that learn one task each."""
    return task_differences(
        result,
        {
            method.name: reference
            for method in study.methods
            if not method.alone and (reference := _alone(study.methods, method)) is not None
        },
    )


def task_differences(result: ConditionResult, references: dict[str, Reference]) -> list[TaskDifference]:
    """Methods' differences from their references on every task, paired by seed.

    Also agents that learn alone are paired: a seed gives both the same drawn factors and tasks, and all are evaluated
    on the same instances. Where a method and its reference do not share `LEAST_SEEDS` on a task it is left out.
    """
    tested = [
        (name, reference, task, seeds, *paired([own[s] for s in seeds], [base[s] for s in seeds]))
        for name, reference in references.items()
        for task in result.tasks
        for own, base in [(of_task(result.methods[which].rows, task) for which in (name, reference.method))]
        if len(seeds := sorted(own.keys() & base.keys())) >= LEAST_SEEDS
    ]
    corrected = adjusted([p_value for *_, p_value in tested])
    return [
        TaskDifference(
            method=name,
            reference=reference,
            task=task,
            seeds=seeds,
            difference=difference,
            adjusted=p_value,
            verdict=verdict_of(difference, p_value),
        )
        for (name, reference, task, seeds, difference, _), p_value in zip(tested, corrected, strict=True)
    ]


def _alone(methods: Sequence[Method], method: Method) -> Reference | None:
    """The method's twin with an agent a task; where the study has none, `ALONE`; None: the study lacks both."""
    for other in methods:
        if other.alone and _of_one_task(other) == _of_one_task(method):
            return Reference(method=other.name, transfer=True)
    named = any(other.alone and other.name == ALONE for other in methods)
    return Reference(method=ALONE, transfer=False) if named else None


def _of_one_task(method: Method) -> dict[str, object]:
    return {place: value for place, value in method.settings.items() if place not in _OF_SEVERAL}
