"""The numbers of a study as a paper prints them: tables in Markdown and in LaTeX (with booktabs), rounded, with their
intervals and what these are."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtrl.report.study.against import TaskDifference
from mtrl.report.study.findings import ConditionFindings, Findings
from mtrl.report.study.kept import Change, Course, Kept
from mtrl.report.study.results import ConditionResult, MethodResult
from mtrl.report.study.scores import mean_of_rows, of_task
from mtrl.report.study.stress import AxisResult
from mtrl.report.study.words import fewer_seeds, signed
from mtrl.report.words import number
from mtrl.study.methods import ALONE
from mtrl.study.statistics.estimate import Estimate

_UNKNOWN = "–"
_APART = "*"
_INTERVALS = "95% t-intervals over seeds"
_TRANSFER = "Both have the same settings: what is left is what the tasks do for each other."
_NOT_ALONE = (
    f"{ALONE} has the base settings, these methods have others: the difference is also that of the settings, and not "
    "transfer alone."
)
_CHANGES = (
    f" Change: from first to last, paired by seed; {_APART} there, too: told apart from 0 after Holm's correction for "
    "all methods, and all such tables of the axis."
)


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A table as it is printed."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The first column names the row."""
    note: str


def printed(found: Findings) -> list[Printed]:
    """The tables of a study: scores and cost, then what became of single tasks."""
    varied = {condition.name for axis in found.axes for condition in axis.conditions}
    by_name = {result.name: result for result in found.results}
    tables: list[Printed] = []
    for axis in found.axes:
        tables.append(_along(axis, [by_name[condition.name] for condition in axis.conditions]))
        for course in axis.courses:
            tables += [_kept(axis, course, course.kept, "")] if len(axis.courses) > 1 else []
            tables.append(_kept(axis, course, course.failed_as_zero, ", failed runs counted as score 0"))
        tables += _by_factor(axis)
    tables += [_scores(result) for result in found.results if result.name not in varied]
    for condition in found.conditions:
        tables += _by_task(condition)
    return [table for table in tables if table.rows]


def markdown(tables: Sequence[Printed]) -> str:
    """All tables in one text."""

    def one(table: Printed) -> Iterator[str]:
        def line(cells: Sequence[str]) -> str:
            return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

        yield f"## {table.title}\n"
        yield line(table.head)
        yield "|---" * len(table.head) + "|"
        yield from map(line, table.rows)
        yield f"\n{table.note}\n"

    return "\n".join(line for table in tables for line in one(table))


def latex(tables: Sequence[Printed]) -> str:
    """All tables in one text, for a document that uses booktabs."""

    def one(table: Printed) -> Iterator[str]:
        def line(cells: Sequence[str]) -> str:
            return f"    {' & '.join(map(_escaped, cells))} \\\\"

        yield "\\begin{table}\n  \\centering\n  \\small"
        yield f"  \\caption{{{_escaped(table.title)}. {_escaped(table.note)}}}"
        yield f"  \\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}\n    \\toprule"
        yield line(table.head)
        yield "    \\midrule"
        yield from map(line, table.rows)
        yield "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n"

    return "\n".join(["% Needs \\usepackage{booktabs}.", *(line for table in tables for line in one(table))])


_LATEX = str.maketrans(
    {
        "\\": "\\textbackslash{}",
        "−": "$-$",
        "–": "--",
        "±": "$\\pm$",
        "°": "$^\\circ$",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)


def _escaped(text: str) -> str:
    return text.translate(_LATEX)


def _along(axis: AxisResult, results: Sequence[ConditionResult]) -> Printed:
    (kept,) = [course.kept for course in axis.courses] if len(axis.courses) == 1 else [[]]
    by_method = {entry.method: entry for entry in kept}
    rows = []
    for method, estimates in axis.scores.items():
        if not any(estimates):
            continue
        own = [result.methods[method] for result in results]
        cells = [
            _shown(shown) + _star(verdict or "") for shown, verdict in zip(estimates, axis.against[method], strict=True)
        ]
        if kept:
            cells += _kept_cells(axis, by_method.get(method))
        rows.append([method, *cells, *_cost(own[0])])
    ends = _kept_head(axis) if kept else []
    return Printed(
        title=f"Mean score by {axis.axis}",
        head=["method", *(result.title for result in results), *ends, *_COST],
        rows=rows,
        note=f"{_INTERVALS}. {_apart_along(axis)}{_CHANGES if ends else ''} "
        f"Cost: at {results[0].title}.{f' Failed runs are left out. {axis.fewer}' if axis.fewer else ''}",
    )


def _kept(axis: AxisResult, course: Course, entries: Sequence[Kept], how: str) -> Printed:
    """What is left under a course's last condition."""
    return Printed(
        title=f"Score kept from {course.first.title} to {course.last.title}{how}",
        head=["method", course.first.title, course.last.title, *_kept_head(axis), "seeds"],
        rows=[
            [
                entry.method,
                _shown(entry.first),
                _shown(entry.last),
                *_kept_cells(axis, entry),
                str(len(entry.seeds)),
            ]
            for entry in entries
        ],
        note=f"{_INTERVALS}.{_CHANGES}",
    )


def _kept_head(axis: AxisResult) -> list[str]:
    return ["share kept", "change", *([f"change minus that of {axis.baseline}"] if axis.baseline else [])]


def _kept_cells(axis: AxisResult, entry: Kept | None) -> list[str]:
    shown = [_shown(entry.ratio if entry else None), _change(entry.change if entry else None)]
    return [*shown, *([_change(entry.against if entry else None)] if axis.baseline else [])]


def _scores(result: ConditionResult) -> Printed:
    rows = [
        [
            entry.method,
            _shown(entry.aggregates.get("mean")) + _star(entry.standing),
            _shown(entry.aggregates.get("iqm")),
            _shown(entry.difference.difference if entry.difference else None, signed),
            "" if entry.difference is None else f"{entry.difference.adjusted:.3f}",
            *_cost(entry),
        ]
        for entry in result.methods.values()
        if entry.rows
    ]
    return Printed(
        title=f"Scores, {result.title}",
        head=["method", "mean", "IQM", f"difference to {result.baseline or 'baseline'}", "p (Holm)", *_COST],
        rows=rows,
        note=f"{_INTERVALS} (IQM: with the bootstrap's standard error). {_told_apart(result)}",
    )


def _by_task(found: ConditionFindings) -> Iterator[Printed]:
    result = found.result
    if len(result.tasks) < 2:
        return
    yield Printed(
        title=f"Score by task, {result.title}",
        head=["method", *result.tasks],
        rows=[
            [
                entry.method,
                *(_shown(mean_of_rows(of_task(entry.rows, task))) for task in result.tasks),
            ]
            for entry in result.methods.values()
            if entry.rows
        ],
        note=f"{_INTERVALS}.",
    )
    pure = [one for one in found.transferred if one.reference.transfer]
    mixed = [one for one in found.transferred if not one.reference.transfer]
    count = len(found.transferred)
    yield _differences(result, pure, "Transfer", count, f" {_TRANSFER}")
    yield _differences(result, mixed, f"Difference from {ALONE}", count, f" {_NOT_ALONE}")
    yield _differences(result, found.sacrificed, f"Difference from {result.baseline}", len(found.sacrificed))


def _differences(
    result: ConditionResult, differences: Sequence[TaskDifference], title: str, count: int, note: str = ""
) -> Printed:
    """A row a method; `count` differences were corrected together."""
    by_method: dict[str, dict[str, TaskDifference]] = {}
    for one in differences:
        by_method.setdefault(one.method, {})[one.task] = one
    references = {one.method: one.reference.method for one in differences}
    every = max(len(own.done) + len(own.failed) + len(own.missing) for own in result.methods.values())
    few = fewer_seeds({(one.method, one.task): len(one.seeds) for one in differences}, every)
    return Printed(
        title=f"{title} by task, {result.title}",
        head=["method", "minus", *result.tasks],
        rows=[
            [method, references[method], *(_task_difference(own.get(task)) for task in result.tasks)]
            for method, own in by_method.items()
        ],
        note="95% intervals, paired by seed. "
        f"{_APART}: told apart from 0 after Holm's correction for all {count}.{note}{few}",
    )


def _change(change: Change | None) -> str:
    return _UNKNOWN if change is None else _shown(change.difference, signed) + _star(change.verdict)


def _task_difference(found: TaskDifference | None) -> str:
    return _UNKNOWN if found is None else _shown(found.difference, signed) + _star(found.verdict)


def _by_factor(axis: AxisResult) -> Iterator[Printed]:
    parts: Mapping[str, Mapping[str, Sequence[Estimate | None]]] = axis.by_factor
    if not parts:
        return
    for place, condition in enumerate(axis.conditions):
        yield Printed(
            title=f"Mean score by a task's own factor, {condition.title}",
            head=["method", *(part.partition(",")[0] for part in parts)],
            rows=[
                [method, *(_shown(parts[part][method][place]) for part in parts)]
                for method, shown in axis.scores.items()
                if shown[place]
            ],
            note=f"{_INTERVALS}. Factors from the smallest on; every seed draws anew which task has which.",
        )


_COST = ("time", "updates/s", "memory (MiB)", "parameters")


def _cost(entry: MethodResult) -> list[str]:
    def known(value: float, how: str) -> str:
        return format(value, how) if math.isfinite(value) else _UNKNOWN

    return [
        known(entry.time_ratio, ".2f"),
        known(entry.update_rate, ".1f"),
        known(entry.memory, ".0f"),
        " to ".join(f"{count:,}" for count in sorted({*entry.parameters[:1], *entry.parameters[-1:]})) or _UNKNOWN,
    ]


def _told_apart(result: ConditionResult) -> str:
    others = sum(entry.difference is not None for entry in result.methods.values())
    base = result.baseline
    return f"{_APART}: told apart from {base} after Holm's correction for {others} methods." if base and others else ""


def _apart_along(axis: AxisResult) -> str:
    if not axis.compared:
        return ""
    return (
        f"{_APART}: told apart from {axis.baseline} after Holm's correction for all {axis.compared} comparisons of the "
        "axis."
    )


def _star(standing: str) -> str:
    return _APART if standing in ("better", "worse") else ""


def _shown(shown: Estimate | None, say: Callable[[float], str] = number) -> str:
    if shown is None or not math.isfinite(shown.value):
        return _UNKNOWN
    return say(shown.value) + (f" ({say(shown.low)} to {say(shown.high)})" if shown.known else "")
