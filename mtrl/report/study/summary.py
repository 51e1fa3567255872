"""What a study found, in sentences that claim no more than its numbers support.

"Better" and "worse" are said only of differences that Holm's correction for the number of comparisons leaves standing.
All else is "not distinguishable", with the differences that its interval still allows: it never becomes "equal".
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from mtrl.report.study.against import TaskDifference
from mtrl.report.study.findings import Findings
from mtrl.report.study.folder import Study
from mtrl.report.study.kept import Change
from mtrl.report.study.results import ConditionResult, MethodResult
from mtrl.report.study.scores import FEW, mean_of
from mtrl.report.study.series import mean_over_training
from mtrl.report.study.stress import AxisResult
from mtrl.report.study.words import change, corrections, signed, with_interval
from mtrl.report.words import listed, number
from mtrl.study.methods import ALONE
from mtrl.study.statistics.student import LEAST_SEEDS


def summary(found: Findings) -> dict[str, list[str]]:
    """The findings: heading -> points of a few sentences. "" heads what holds for the whole study.

    Of the conditions of an axis only the first and the last are told; the tables have all of them.
    """
    told = {"": [*_seeds(found.results), *_scored(found.results)]}
    for axis in found.axes:
        told[""] += _axis(axis)
    if len(found.conditions) > 1 and any(result.scored for result in found.results):
        told[""].append(corrections(found.study))
    inner = {condition.name for axis in found.axes for condition in axis.conditions[1:-1]}
    for condition in found.conditions:
        result = condition.result
        if result.name in inner:
            continue
        points = (
            [*_differences(result), *_with_zeros(result), *_leader(result), *_without_score(result)],
            [*_sacrificed(found.study, result, condition.sacrificed)],
            [*_transfer(result, condition.transferred)],
            [*_conflict(found.study, result)],
        )
        heading = f"{result.title[:1].upper()}{result.title[1:]}" if len(found.conditions) > 1 else ""
        told.setdefault(heading, []).extend(" ".join(sentences) for sentences in points if sentences)
    return {heading: points for heading, points in told.items() if points}


def _seeds(results: Sequence[ConditionResult]) -> Iterator[str]:
    counts = [len(entry.rows) for result in results for entry in result.scored]
    if not counts:
        return
    least, most = min(counts), max(counts)
    if most == 1:
        yield (
            "Every method has one seed: there are no intervals over seeds, and no method can be called better or worse "
            "than another."
        )
    elif least < FEW:
        seeds = f"only {most}" if least == most else f"{least} to {most}"
        yield (
            f"The methods have {seeds} seeds, which is few: intervals are wide, and "
            + (
                f"with fewer than {LEAST_SEEDS} nothing is told apart."
                if most < LEAST_SEEDS
                else "only large differences can be told apart."
            )
        )


def _scored(results: Sequence[ConditionResult]) -> Iterator[str]:
    evaluated = [result for result in results if result.tasks or result.unscored]
    if evaluated and not any(result.tasks for result in evaluated):
        yield "No best return is known for these tasks, so there are no normalised scores and nothing is compared."
        return
    unscored = list(dict.fromkeys(task for result in evaluated for task in result.unscored))
    if unscored:
        yield (
            f"Without a normalised score, and therefore in no average: {listed(unscored)}. "
            f"{'Its' if len(unscored) == 1 else 'Their'} raw returns are in a table of their own."
        )


def _differences(result: ConditionResult) -> Iterator[str]:
    tested = [(entry, entry.difference) for entry in result.methods.values() if entry.difference is not None]
    if not tested:
        if result.baseline is not None and len(result.scored) > 1:
            yield f"No method shares {LEAST_SEEDS} seeds with {result.baseline}, so none is compared with it."
        return
    how = f" in mean score (paired by seed{_correction(len(tested), 'methods')})"
    for verdict in ("better", "worse"):
        names = [
            f"{entry.method} by {change(found.difference, _left_out(entry))}"
            for entry, found in tested
            if found.verdict == verdict
        ]
        if names:
            yield f"{verdict.capitalize()} than {result.baseline}{how}: {listed(names)}."
            how = ""
    same = [(entry, found.difference) for entry, found in tested if found.verdict == "not distinguishable"]
    if same:
        low, high = min(shown.low for _, shown in same), max(shown.high for _, shown in same)
        allow = f"; the 95% intervals allow differences from {signed(low)} to {signed(high)}"
        yield (
            f"Not distinguishable from {result.baseline}{how}: {listed([entry.method for entry, _ in same])}"
            f"{allow if math.isfinite(low) and math.isfinite(high) else ''}."
        )
    few = [entry.method for entry in result.scored if entry.standing == "too few seeds"]
    if few:
        yield f"Too few seeds in common with {result.baseline} to be compared: {listed(few)}."


def _with_zeros(result: ConditionResult) -> Iterator[str]:
    """What failed runs may hide."""
    failed = {name for name, entry in result.methods.items() if entry.failed}
    told = [
        f"{name} {change(found.difference)}, {found.verdict}"
        for name, found in result.failed_as_zero.items()
        if name in failed or result.baseline in failed
    ]
    if told:
        how = f"paired by seed{_correction(len(result.failed_as_zero), 'methods')}"
        yield f"With failed runs counted as score 0, against {result.baseline} ({how}): {'; '.join(told)}."


def _correction(count: int, what: str) -> str:
    return f", with Holm's correction for {count} {what}" if count > 1 else ""


def _left_out(entry: MethodResult) -> str:
    return f"; {len(entry.failed)} failed and left out" if entry.failed else ""


def _leader(result: ConditionResult) -> Iterator[str]:
    if result.leader is None or len(result.methods[result.leader].rows) < 2:
        return
    near = [method for method, behind in result.behind.items() if not behind]
    lead = (
        f"The highest mean score is that of {result.leader}, "
        f"{with_interval(result.methods[result.leader].aggregates['mean'])}"
    )
    correction = "Holm's correction for all pairs of methods"
    if not near:
        yield f"{lead}; every other method is told apart from it ({correction})."
    elif len(near) == len(result.behind):
        yield f"{lead}; no other method is told apart from it ({correction}), so there is no winner."
    else:
        yield f"{lead}; not told apart from it ({correction}): {listed(near)}, so there is no single winner."


def _without_score(result: ConditionResult) -> Iterator[str]:
    if not result.tasks:
        return
    named = [
        f"{entry.method} ({len(entry.failed)} of its runs failed)" if entry.failed else entry.method
        for entry in result.methods.values()
        if not entry.rows and (entry.done or entry.failed)
    ]
    if named:
        yield f"Without a run that has all scores, and so in no comparison: {listed(named)}."


def _sacrificed(study: Study, result: ConditionResult, differences: list[TaskDifference]) -> Iterator[str]:
    alone = {method.name for method in study.methods if method.alone}
    lost = [entry for entry in differences if entry.verdict == "worse" and entry.method not in alone]
    if lost:
        yield (
            f"Tasks that a method sacrifices (worse on them than {result.baseline}"
            f"{_correction(len(differences), 'differences of methods on tasks')}): "
            f"{_by_method(lost, len(result.tasks))}."
        )
    elif differences:
        yield (
            f"On no task is a method told apart as worse than {result.baseline} "
            f"({len(differences)} differences of methods on tasks, Holm's correction)."
        )


def _transfer(result: ConditionResult, differences: list[TaskDifference]) -> Iterator[str]:
    pure = [entry for entry in differences if entry.reference.transfer]
    mixed = [entry for entry in differences if not entry.reference.transfer]
    how = f"paired by seed{_correction(len(differences), 'differences')}"
    if pure:
        said = _gains_and_losses(result, pure, ("positive", "negative"))
        alone = "agents that learn one task alone with the same settings"
        yield f"Transfer against {alone} ({how}): {said or 'neither positive nor negative transfer is told apart'}."
    if mixed:
        said = _gains_and_losses(result, mixed, ("better", "worse"))
        yield (
            f"Against {ALONE} under the base settings ({how}), which is a matter of the methods' own settings too and "
            f"not of transfer alone: {said or 'nothing is told apart on any task'}."
        )


def _gains_and_losses(result: ConditionResult, entries: Sequence[TaskDifference], kinds: tuple[str, str]) -> str:
    said = [
        f"{kind}: {_by_method(told, len(result.tasks))}"
        for verdict, kind in zip(("better", "worse"), kinds, strict=True)
        if (told := [entry for entry in entries if entry.verdict == verdict])
    ]
    return "; ".join(said)


def _by_method(entries: Sequence[TaskDifference], tasks: int) -> str:
    by_method: dict[str, list[TaskDifference]] = {}
    for entry in entries:
        by_method.setdefault(entry.method, []).append(entry)
    return "; ".join(
        f"{method} on all {tasks} tasks"
        if len(own) == tasks > 1
        else f"{method} on {listed([f'{entry.task} ({signed(entry.difference.value)})' for entry in own])}"
        for method, own in by_method.items()
    )


def _axis(axis: AxisResult) -> Iterator[str]:
    if axis.fewer and axis.courses:
        flattered = "Failed runs are left out, which flatters a method that fails. " if axis.failed_as_zero else ""
        yield f"Along {axis.axis}: {flattered}{axis.fewer}"
    for how, courses in (
        ("", [course.kept for course in axis.courses]),
        ("failed runs counted as score 0, ", [course.failed_as_zero for course in axis.courses]),
    ):
        changes = [[(entry.method, entry.change) for entry in kept if entry.change is not None] for kept in courses]
        against = [[(entry.method, entry.against) for entry in kept if entry.against is not None] for kept in courses]
        base = axis.baseline
        for course, moved, beside in zip(axis.courses, changes, against, strict=True):
            where = f"from {axis.axis} {course.first.label} to {course.last.label}"
            yield from _moved(
                moved,
                where=where,
                how=f"{how or 'mean score, '}paired by seed{_over_courses(changes)}",
                said={"worse": "Score lost", "better": "Score gained"},
                same="No change told apart",
            )
            yield from _moved(
                beside,
                where=where,
                how=f"its change minus that of {base}, {how}paired by seed{_over_courses(against)}",
                said={"better": f"Comes off better than {base}", "worse": f"Comes off worse than {base}"},
                same=f"Change not told apart from that of {base}",
            )


def _over_courses(tested: Sequence[Sequence[object]]) -> str:
    count = sum(map(len, tested))
    return _correction(count, "methods" if len(tested) == 1 else "methods under all conditions")


def _moved(
    tested: Sequence[tuple[str, Change]], *, where: str, how: str, said: Mapping[str, str], same: str
) -> Iterator[str]:
    """Changes in sentences.

    Args:
        tested: by method.
        where: from which condition to which.
        how: what is tested.
        said: for the verdicts "better" and "worse", in the order in which they are told.
        same: for those that are not told apart.
    """
    how = f" ({how})"
    for verdict, what in said.items():
        moved = [(method, found.difference) for method, found in tested if found.verdict == verdict]
        moved.sort(key=lambda entry: -abs(entry[1].value))
        if moved:
            yield f"{what} {where}{how}: {listed([f'{method} {change(shown)}' for method, shown in moved])}."
            how = ""
    left = [(method, found.difference) for method, found in tested if found.verdict == "not distinguishable"]
    if left:
        named = [f"{method} ({signed(shown.low)} to {signed(shown.high)})" for method, shown in left]
        allow = "in brackets, what the 95% intervals allow, each taken alone"
        yield f"{same} {where}{how}: {listed(named)}; {allow}."


def _conflict(study: Study, result: ConditionResult) -> Iterator[str]:
    if result.baseline is None:
        return
    rates = [100 * rate for rate in mean_over_training(study, result.name, result.baseline, "conflict_rate")]
    if not rates:
        return
    rate = mean_of(rates)
    within = f"95% interval over {len(rates)} seeds {number(rate.low, 0)}% to {number(rate.high, 0)}%"
    yield (
        f"With {result.baseline}, {number(rate.value, 0)}% of the task pairs were in conflict on average over training "
        f"({within if rate.known else 'one seed'}); gradients without any relation would be in half of the cases."
    )
