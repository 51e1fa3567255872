"""How scores change along an axis of conditions, such as the spread of the reward scales.

All numbers are of the tasks that every condition scores, seed by seed, so that a point of the axis differs from the
next by the condition alone. Where the axis is the number of tasks, these are those that a seed has drawn under the
smallest number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtrl.report.study.folder import Condition, Study
from mtrl.report.study.kept import Course, kept
from mtrl.report.study.results import verdict_of
from mtrl.report.study.scores import (
    Row,
    Rows,
    SeedTasks,
    adjusted,
    all_tasks,
    are_drawn,
    mean_of_rows,
    of_task,
    paired,
    score_rows,
    seed_tasks,
)
from mtrl.study.conditions import FACTORS, UNSCALED, drawn_order
from mtrl.study.statistics.comparisons import Verdict
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.student import LEAST_SEEDS

MOST_PARTS = 5
"""Into which a suite's tasks are divided by their factors."""


@dataclass(frozen=True)
class Point(Estimate):
    """A mean score, and of how many seeds."""

    seeds: int


@dataclass(frozen=True, kw_only=True)
class AxisResult:
    """All methods along one axis."""

    axis: str
    baseline: str | None
    conditions: list[Condition]
    """In the order of their values, where these are numbers."""
    tasks: list[str]
    """Scored under every condition, by whichever seeds have them."""
    drawn: str
    """Where seeds have tasks of their own: how many of them count, for people. Otherwise empty."""
    scores: dict[str, list[Point | None]]
    """By method: the mean score under each condition."""
    failed_as_zero: dict[str, list[Point | None]]
    """The same with a score of 0 for every failed run; empty where none failed."""
    fewer: str
    """Which points rest on fewer seeds than the study has, and why; empty where none do."""
    by_task: dict[str, dict[str, list[Point | None]]]
    """By task and method."""
    by_factor: dict[str, dict[str, list[Point | None]]]
    """By the place of a task's own factor among those of a seed, from the smallest on, and method: the scores of
    whichever tasks had it. Empty on an axis that has none, or for a single task."""
    against: dict[str, list[Verdict | None]]
    """By method: how it stands to the baseline under each condition, with Holm's correction over all methods and all
    conditions of the axis; None without `LEAST_SEEDS` in common, and for the baseline."""
    compared: int
    """How many comparisons these are."""
    courses: list[Course]
    """From the least value to the largest; from the unscaled condition to every other; otherwise none."""

    @property
    def numeric(self) -> bool:
        """Whether the values can be put on a scale."""
        return all(isinstance(condition.value, (int, float)) for condition in self.conditions)


def axis_results(study: Study) -> list[AxisResult]:
    """A result for every axis with two conditions or more."""
    names = dict.fromkeys(condition.axis for condition in study.conditions if condition.axis is not None)
    groups = {axis: [condition for condition in study.conditions if condition.axis == axis] for axis in names}
    return [_axis(study, axis, group) for axis, group in groups.items() if axis is not None and len(group) > 1]


def _axis(study: Study, axis: str, conditions: list[Condition]) -> AxisResult:
    numeric = all(isinstance(condition.value, (int, float)) for condition in conditions)
    if numeric:
        ordered = sorted(conditions, key=lambda condition: float(condition.value or 0))
        places = [(0, len(ordered) - 1)]
    else:
        ordered = sorted(conditions, key=lambda condition: condition.name != UNSCALED.name)
        places = [(0, at) for at in range(1, len(ordered)) if ordered[0].name == UNSCALED.name]
    shared = _shared(study, ordered)
    tasks = list(dict.fromkeys(task for own in shared.values() for task in own))
    rows, zeros = (
        {
            method: [score_rows(study, c.name, method, shared, failed_as_zero=as_zero) for c in ordered]
            for method in study.method_names
        }
        for as_zero in (False, True)
    )
    against = _against(rows, study.baseline)
    return AxisResult(
        axis=axis,
        baseline=study.baseline,
        conditions=ordered,
        tasks=tasks,
        drawn=_counts(shared) if are_drawn(shared) else "",
        scores=_means(rows),
        failed_as_zero=_means(zeros) if zeros != rows else {},
        fewer=_fewer(study, ordered, rows),
        by_task={
            task: {method: [_point(of_task(own, task)) for own in series] for method, series in rows.items()}
            for task in tasks
        },
        by_factor=_by_factor(study, axis, ordered, tasks, rows),
        against=against,
        compared=sum(verdict is not None for series in against.values() for verdict in series),
        courses=_courses(study, ordered, places, rows, zeros),
    )


def _against(rows: Mapping[str, Sequence[Rows]], baseline: str | None) -> dict[str, list[Verdict | None]]:
    pairs = {
        (method, place): ([own[seed] for seed in seeds], [base[seed] for seed in seeds])
        for method, series in rows.items()
        if baseline is not None and method != baseline
        for place, (own, base) in enumerate(zip(series, rows[baseline], strict=True))
        if len(seeds := sorted(own.keys() & base.keys())) >= LEAST_SEEDS
    }
    tested = {key: paired(own, base) for key, (own, base) in pairs.items()}
    corrected = adjusted([p_value for _, p_value in tested.values()])
    verdicts = {
        key: verdict_of(difference, p_value)
        for (key, (difference, _)), p_value in zip(tested.items(), corrected, strict=True)
    }
    return {method: [verdicts.get((method, place)) for place in range(len(own))] for method, own in rows.items()}


def _courses(
    study: Study,
    conditions: Sequence[Condition],
    places: Sequence[tuple[int, int]],
    rows: Mapping[str, Sequence[Rows]],
    zeros: Mapping[str, Sequence[Rows]],
) -> list[Course]:
    """From one condition to another, each given by its place."""

    def ends(of: Mapping[str, Sequence[Rows]]) -> list[dict[str, tuple[Rows, Rows]]]:
        return [{method: (own[first], own[last]) for method, own in of.items()} for first, last in places]

    failed = [
        {
            method: count
            for method in study.method_names
            if (count := sum(len(study.failed(conditions[at].name, method)) for at in pair))
        }
        for pair in places
    ]
    with_zeros = kept(ends(zeros), study.baseline)
    return [
        Course(
            first=conditions[first],
            last=conditions[last],
            kept=own,
            failed=lost,
            failed_as_zero=as_zero if lost else [],
        )
        for (first, last), own, lost, as_zero in zip(
            places, kept(ends(rows), study.baseline), failed, with_zeros, strict=True
        )
    ]


def _fewer(study: Study, conditions: Sequence[Condition], rows: Mapping[str, Sequence[Rows]]) -> str:
    few = [
        f"{method} at {condition.label}: {len(own)}" + (f" ({failed} failed)" if failed else "")
        for method, series in rows.items()
        for condition, own in zip(conditions, series, strict=True)
        for failed in [len(study.failed(condition.name, method))]
        if len(own) < len(study.seeds) and (own or failed)
    ]
    return f"Seeds, where they are fewer than {len(study.seeds)}: {'; '.join(few)}." if few else ""


def _shared(study: Study, conditions: Sequence[Condition]) -> dict[int, list[str]]:
    """By seed: the tasks that all conditions score. A condition without any result yet does not take tasks from the
    others; a seed that has none yet under the first one, which has the fewest tasks, is left out."""
    begun = [tasks for condition in conditions if (tasks := seed_tasks(study, condition.name))]
    shared = {
        seed: [task for task in own if all(task in others[seed] for others in begun if seed in others)]
        for seed, own in (begun[0].items() if begun else ())
    }
    return {seed: own for seed, own in shared.items() if own}


def _counts(tasks: SeedTasks) -> str:
    counts = sorted({len(own) for own in tasks.values()})
    return " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))


def _by_factor(
    study: Study, axis: str, conditions: list[Condition], tasks: list[str], rows: dict[str, list[Rows]]
) -> dict[str, dict[str, list[Point | None]]]:
    suite = max((all_tasks(study, condition.name) for condition in conditions), key=len)
    if axis not in FACTORS or len(suite) < 2 or not tasks:
        return {}
    orders = {seed: drawn_order(suite, seed) for seed in study.seeds}
    parts = np.array_split(np.arange(len(suite)), min(len(suite), MOST_PARTS))

    def part_of(row: Row, seed: int, part: Sequence[int]) -> Row:
        return row.only(*(task for place in part if (task := orders[seed][place]) in row.scores))

    def series(part: Sequence[int], own: Rows) -> Point | None:
        found = {seed: part_of(row, seed, part) for seed, row in own.items()}
        return _point({seed: row for seed, row in found.items() if row.scores})

    return {
        _part_name(part, len(suite)): {method: [series(part, own) for own in found] for method, found in rows.items()}
        for part in (part.tolist() for part in parts)
    }


def _part_name(part: Sequence[int], count: int) -> str:
    first, last = part[0] + 1, part[-1] + 1
    which = f"{first} of {count}" if first == last else f"{first} to {last} of {count}"
    end = ", the smallest" if first == 1 else ", the largest" if last == count else ""
    return f"factor {which}{end}"


def _means(rows: Mapping[str, Sequence[Rows]]) -> dict[str, list[Point | None]]:
    return {method: [_point(own) for own in series] for method, series in rows.items()}


def _point(rows: Rows) -> Point | None:
    if not rows:
        return None
    found = mean_of_rows(rows)
    return Point(found.value, found.low, found.high, len(rows))
