"""What a study found under one condition: a result a method, and how it stands to the baseline.

Departs: a cell that failed has no score, so a method's numbers are those of the seeds it finished. The page says so
wherever it happens, for it flatters the method.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from mtrl.report.study.folder import Study
from mtrl.report.study.scores import (
    Rows,
    SeedTasks,
    adjusted,
    all_tasks,
    are_drawn,
    estimate,
    finite,
    least_deviation,
    matrix,
    mean_of_rows,
    paired,
    score_rows,
    scored_tasks,
    seed_tasks,
)
from mtrl.study.statistics.aggregates import AGGREGATES, mean
from mtrl.study.statistics.comparisons import (
    Difference,
    Verdict,
    paired_differences,
    probability_of_improvement,
)
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.student import LEAST_SEEDS

Standing = Literal["baseline", "better", "worse", "not distinguishable", "too few seeds", "no score"]

LEVEL = 0.05
"""Of corrected p-values, up to which methods are told apart."""

_TIMES = ("processor_seconds", "seconds")
"""What a run's cost is read from, the better first: a busy machine stretches wall-clock."""


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """One method under one condition."""

    method: str
    done: list[int]
    """Seeds; so are `failed` and `missing`."""
    failed: list[int]
    missing: list[int]
    rows: Rows
    """Scores of the seeds that have one for every scored task."""
    aggregates: dict[str, Estimate]
    """By the aggregate's name; empty without scores. Where seeds have tasks of their own only the mean: the others need
    the same tasks in every run."""
    standing: Standing
    """How it stands to the baseline."""
    difference: Difference | None
    """From the baseline, mean score, paired by seed."""
    improvement: Estimate | None
    """Probability to do better than the baseline on a task; None where seeds have tasks of their own."""
    time_ratio: float
    """Processor time over the baseline's, of the seeds that both have; wall-clock where that was not noted; NaN where
    neither was."""
    update_rate: float
    """Updates per second of the same time, in which a run also collects and evaluates; NaN where unknown."""
    memory: float
    """Largest peak memory of its runs in MiB; NaN where unknown."""
    gpu_memory: float
    """The same of the tensors on a GPU; NaN where none was used."""
    parameters: list[int]
    """Different counts among its runs; so are `updates` and `learning_rates`."""
    updates: list[int]
    learning_rates: list[float]


@dataclass(frozen=True, kw_only=True)
class ConditionResult:
    """All methods under one condition."""

    name: str
    title: str
    baseline: str | None
    tasks: list[str]
    """With a normalised score."""
    seed_tasks: SeedTasks
    """Those of each seed."""
    drawn: bool
    """Whether seeds have tasks of their own."""
    unscored: list[str]
    """Tasks without one."""
    methods: dict[str, MethodResult]
    leader: str | None
    """The method with the highest mean score, where there are two."""
    failed_as_zero: dict[str, Difference]
    """Each method's difference from the baseline with a score of 0 for every failed run; empty where none failed."""
    behind: dict[str, bool]
    """Whether each other method is told apart from the leader.

    The data chose the leader, so the correction (Holm) is for all pairs of methods. The baseline is also told apart
    where the leader is better in the comparison with the baseline, which was planned before.
    """

    @property
    def scored(self) -> list[MethodResult]:
        """Methods with scores, in the study's order."""
        return [result for result in self.methods.values() if result.rows]


def condition_result(study: Study, condition: str) -> ConditionResult:
    """Aggregates and comparisons of all methods under a condition."""
    tasks, own_tasks = scored_tasks(study, condition), seed_tasks(study, condition)
    rows = {method: score_rows(study, condition, method, own_tasks) for method in study.method_names}
    drawn = are_drawn(own_tasks)
    differences = compared(rows, study.baseline)
    leader, behind = _leader(rows)
    if leader in differences and study.baseline is not None and differences[leader].verdict == "better":
        behind[study.baseline] = True
    return ConditionResult(
        name=condition,
        title=study.condition(condition).title,
        baseline=study.baseline,
        tasks=tasks,
        seed_tasks=own_tasks,
        drawn=drawn,
        unscored=[task for task in all_tasks(study, condition) if task not in tasks],
        methods={
            method: _method(study, condition, method, rows, differences.get(method), drawn=drawn)
            for method in study.method_names
        },
        leader=leader,
        failed_as_zero=_with_zeros(study, condition, own_tasks),
        behind=behind,
    )


def _with_zeros(study: Study, condition: str, tasks: SeedTasks) -> dict[str, Difference]:
    if not any(study.failed(condition, method) for method in study.method_names):
        return {}
    rows = {method: score_rows(study, condition, method, tasks, failed_as_zero=True) for method in study.method_names}
    return compared(rows, study.baseline)


def compared(rows: Mapping[str, Rows], reference: str | None) -> dict[str, Difference]:
    """Each method's paired difference from the reference, for those that share `LEAST_SEEDS` with it."""
    if reference is None or reference not in rows:
        return {}
    base = rows[reference]
    others = {
        method: own
        for method, own in rows.items()
        if method != reference and len(own.keys() & base.keys()) >= LEAST_SEEDS
    }
    shared = {method: sorted(own.keys() & base.keys()) for method, own in others.items()}
    least = {
        method: least_deviation([rows[method][s] for s in seeds], [base[s] for s in seeds])
        for method, seeds in shared.items()
    }
    found = (
        paired_differences(_means(base), {method: _means(own) for method, own in others.items()}, least=least)
        if others
        else []
    )
    return {difference.method: difference for difference in found}


def _means(rows: Rows) -> dict[int, list[float]]:
    return {seed: [row.mean] for seed, row in rows.items()}


def verdict_of(difference: Estimate, p_value: float) -> Verdict:
    """What may be said of a difference, from its corrected p-value."""
    if p_value > LEVEL:
        return "not distinguishable"
    return "better" if difference.value > 0 else "worse"


def _leader(rows: Mapping[str, Rows]) -> tuple[str | None, dict[str, bool]]:
    means = {method: mean_of_rows(own).value for method, own in rows.items() if own}
    if len(means) < 2:
        return None, {}
    leader = max(means, key=means.__getitem__)
    shared = {pair: sorted(rows[pair[0]].keys() & rows[pair[1]].keys()) for pair in combinations(means, 2)}
    tested = {
        pair: paired(*([rows[method][seed] for seed in seeds] for method in pair))[1]
        for pair, seeds in shared.items()
        if len(seeds) >= LEAST_SEEDS
    }
    # Any of the methods could have come out first, so the correction is for all pairs of them.
    corrected = dict(zip(tested, adjusted(list(tested.values())), strict=True))
    told = {method for pair, p_value in corrected.items() if leader in pair and p_value <= LEVEL for method in pair}
    return leader, {method: method in told for method in means if method != leader}


def _method(
    study: Study, condition: str, method: str, rows: Mapping[str, Rows], difference: Difference | None, *, drawn: bool
) -> MethodResult:
    own, base = rows[method], rows.get(study.baseline or "", {})
    records = study.done(condition, method)
    states = {seed: study.state((condition, method, seed)) for seed in study.seeds}
    improvement = None
    if not drawn and method != study.baseline and len(own) > 1 and len(base) > 1:
        improvement = probability_of_improvement(matrix(own), matrix(base), resample="runs", interval="t")
    return MethodResult(
        method=method,
        done=[seed for seed, state in states.items() if state == "done"],
        failed=[seed for seed, state in states.items() if state == "failed"],
        missing=[seed for seed, state in states.items() if state == "missing"],
        rows=own,
        aggregates=_aggregates(own, drawn=drawn),
        standing=_standing(method, study.baseline, own, difference),
        difference=difference,
        improvement=improvement,
        time_ratio=_time_ratio(study, condition, method),
        update_rate=_update_rate(records.values()),
        memory=_largest(records.values(), "peak_memory_mib"),
        gpu_memory=_largest(records.values(), "peak_gpu_memory_mib"),
        parameters=[int(value) for value in _distinct(records.values(), "parameters")],
        updates=[int(value) for value in _distinct(records.values(), "updates")],
        learning_rates=_distinct(records.values(), "learning_rate"),
    )


def _largest(records: Iterable[Mapping[str, Any]], name: str) -> float:
    """Of the records that have it; NaN where none has."""
    values = (finite(record.get(name)) for record in records)
    return max((value for value in values if math.isfinite(value)), default=math.nan)


def _aggregates(rows: Rows, *, drawn: bool) -> dict[str, Estimate]:
    if not rows:
        return {}
    if drawn:
        return {"mean": mean_of_rows(rows)}
    return {
        name: mean_of_rows(rows) if statistic is mean else estimate(matrix(rows), statistic)
        for name, statistic in AGGREGATES.items()
    }


def _standing(method: str, baseline: str | None, own: Rows, difference: Difference | None) -> Standing:
    if method == baseline:
        return "baseline"
    if not own:
        return "no score"
    return difference.verdict if difference is not None else "too few seeds"


def _time_ratio(study: Study, condition: str, method: str) -> float:
    if study.baseline is None:
        return math.nan
    own, base = study.done(condition, method), study.done(condition, study.baseline)
    for kind in _TIMES:
        pairs = [(finite(own[s].get(kind)), finite(base[s].get(kind))) for s in own if s in base]
        ratios = [a / b for a, b in pairs if a > 0 and b > 0]
        if ratios:
            return float(np.median(ratios))
    return math.nan


def _update_rate(records: Collection[Mapping[str, Any]]) -> float:
    for kind in _TIMES:
        rates = [finite(record.get("updates")) / time for record in records if (time := finite(record.get(kind))) > 0]
        if rates:
            return float(np.median(rates))
    return math.nan


def _distinct(records: Iterable[Mapping[str, object]], name: str) -> list[float]:
    values = [finite(record.get(name)) for record in records]
    return sorted({value for value in values if math.isfinite(value)})
