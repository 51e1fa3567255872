"""The tables of a study's page, each with the same numbers for its CSV file."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from mtrl.report.study.folder import Study
from mtrl.report.study.kept import Change, Course, Kept
from mtrl.report.study.numbers import Field, Numbers, bounds
from mtrl.report.study.results import ConditionResult, MethodResult, Standing
from mtrl.report.study.scores import finite, mean_of
from mtrl.report.study.words import signed
from mtrl.report.words import number
from mtrl.study.statistics.comparisons import Difference
from mtrl.study.statistics.estimate import Estimate

_AGGREGATES = {"iqm": "IQM", "mean": "mean", "median": "median", "optimality-gap": "optimality gap (low is good)"}
_KIND = {"better": "above", "worse": "below"}

Cell = tuple[str, Field]
"""HTML, and what it is sorted by."""


def main_table(study: Study, result: ConditionResult) -> str:
    """One row a method: scores, how it stands to the baseline, and what it cost."""
    base = result.baseline or "baseline"
    head = [
        "method",
        *_AGGREGATES.values(),
        f"difference to {base}",
        f"against {base} (Holm)",
        "time ratio",
        "updates/s",
        "peak memory (MiB)",
        "parameters",
        "learning rate",
        "seeds done",
    ]
    return sortable(head, [(entry.method, _main_cells(study, entry)) for entry in result.methods.values()])


def _main_cells(study: Study, entry: MethodResult) -> list[Cell]:
    difference = entry.difference
    return [
        *(_estimate(entry.aggregates.get(name)) for name in _AGGREGATES),
        _estimate(difference.difference if difference else None, sign=True),
        _standing(entry.standing, difference.adjusted if difference else None),
        (number(entry.time_ratio) if math.isfinite(entry.time_ratio) else "–", entry.time_ratio),
        (number(entry.update_rate) if math.isfinite(entry.update_rate) else "–", entry.update_rate),
        (_memory(entry), entry.memory),
        (_range([f"{value:,}" for value in entry.parameters]), entry.parameters[0] if entry.parameters else None),
        (_range([f"{v:g}" for v in entry.learning_rates]), entry.learning_rates[0] if entry.learning_rates else None),
        _seeds(study, entry),
    ]


def _memory(entry: MethodResult) -> str:
    own = f"{entry.memory:,.0f}" if math.isfinite(entry.memory) else "–"
    return f"{own}, GPU {entry.gpu_memory:,.0f}" if math.isfinite(entry.gpu_memory) else own


def main_numbers(results: Sequence[ConditionResult]) -> Numbers:
    """The main tables of all conditions."""
    named = [f"{name.replace('-', '_')}{end}" for name in _AGGREGATES for end in ("", "_low", "_high")]
    rows: list[list[Field]] = [
        [
            result.name,
            entry.method,
            *(value for name in _AGGREGATES for value in bounds(entry.aggregates.get(name))),
            *bounds(entry.difference.difference if entry.difference else None),
            entry.difference.p_value if entry.difference else None,
            entry.difference.adjusted if entry.difference else None,
            entry.difference.pairs if entry.difference else None,
            entry.standing,
            *_difference_with_zeros(result.failed_as_zero.get(entry.method)),
            entry.time_ratio,
            entry.update_rate,
            entry.memory,
            entry.gpu_memory,
            " ".join(str(value) for value in entry.parameters),
            " ".join(f"{value:g}" for value in entry.learning_rates),
            len(entry.done),
            len(entry.failed),
            len(entry.missing),
        ]
        for result in results
        for entry in result.methods.values()
    ]
    return Numbers(
        columns=[
            *("condition", "method", *named, "difference", "difference_low", "difference_high", "p_value"),
            *("p_value_holm", "pairs", "verdict", "difference_failed_as_0", "p_value_holm_failed_as_0"),
            *("verdict_failed_as_0", "time_ratio", "updates_per_second", "peak_memory_mib", "peak_gpu_memory_mib"),
            *("parameters", "learning_rate", "seeds_done", "seeds_failed", "seeds_missing"),
        ],
        rows=rows,
    )


def _difference_with_zeros(difference: Difference | None) -> list[Field]:
    """With a score of 0 for failed runs; nothing where none failed."""
    return [None] * 3 if difference is None else [difference.difference.value, difference.adjusted, difference.verdict]


def kept_table(study: Study, course: Course, entries: Sequence[Kept]) -> str:
    """What is left of each method's score under a course's last condition.

    Args:
        entries: of the course, with or without failed runs.
    """
    first, last, base = course.first.title, course.last.title, study.baseline or "baseline"
    head = ["method", f"mean at {first}", f"mean at {last}", "share kept", "change", "told apart (Holm)"]
    head += [f"change minus that of {base}", f"against {base} (Holm)", "seeds"]
    rows: list[tuple[str, list[Cell]]] = [
        (
            entry.method,
            [
                _estimate(entry.first),
                _estimate(entry.last),
                _estimate(entry.ratio),
                *_change(entry.change, {"better": "gains", "worse": "loses"}),
                *([("–", None), ("baseline", "")] if entry.method == study.baseline else _change(entry.against, {})),
                (f"{len(entry.seeds)} of {len(study.seeds)}", len(entry.seeds)),
            ],
        )
        for entry in entries
    ]
    return sortable(head, rows)


def _change(change: Change | None, words: Mapping[str, str]) -> list[Cell]:
    """A change, and what may be said of it."""
    if change is None:
        return [_estimate(None), ("too few seeds", "")]
    verdict = words.get(change.verdict, change.verdict)
    told = f'<span class="{_KIND.get(change.verdict, "open")}">{verdict}</span>'
    return [_estimate(change.difference, sign=True), (told, verdict)]


def kept_numbers(courses: Sequence[Course]) -> Numbers:
    """The same as CSV, of all courses of an axis."""
    names = ("first", "last", "share_kept")
    return Numbers(
        columns=[
            *("from", "to", "failed_runs", "method", "seeds"),
            *(f"{name}{end}" for name in names for end in ("", "_low", "_high")),
            *("change", "change_low", "change_high", "p_value_holm", "verdict"),
            *("against", "against_low", "against_high", "against_p_value_holm", "against_verdict"),
        ],
        rows=[
            [
                course.first.label,
                course.last.label,
                failed,
                entry.method,
                len(entry.seeds),
                *bounds(entry.first),
                *bounds(entry.last),
                *bounds(entry.ratio),
                *_change_numbers(entry.change),
                *_change_numbers(entry.against),
            ]
            for course in courses
            for failed, entries in (("left out", course.kept), ("score 0", course.failed_as_zero))
            for entry in entries
        ],
    )


def _change_numbers(change: Change | None) -> list[Field]:
    if change is None:
        return [None] * 5
    return [*bounds(change.difference), change.adjusted, change.verdict]


def returns(study: Study, result: ConditionResult) -> dict[str, dict[str, Estimate]]:
    """Raw return of the tasks without a score, by task and method."""
    found: dict[str, dict[str, Estimate]] = {}
    for task in result.unscored:
        for method in study.method_names:
            records = study.done(result.name, method).values()
            values = [finite(record["evaluation"]["tasks"].get(task, {}).get("return")) for record in records]
            finite_values = [value for value in values if math.isfinite(value)]
            if finite_values:
                found.setdefault(task, {})[method] = mean_of(finite_values)
    return found


def returns_table(study: Study, result: ConditionResult) -> str:
    """Raw returns, a row a task and a column a method."""
    found = returns(study, result)
    methods = [method for method in study.method_names if any(method in of_task for of_task in found.values())]
    rows = [(task, [_estimate(by_method.get(method)) for method in methods]) for task, by_method in found.items()]
    return sortable(["task", *methods], rows) if found else ""


def returns_numbers(study: Study, results: Sequence[ConditionResult]) -> Numbers:
    """The same as CSV, for all conditions."""
    return Numbers(
        columns=("condition", "task", "method", "return", "low", "high"),
        rows=[
            (result.name, task, method, *bounds(shown))
            for result in results
            for task, by_method in returns(study, result).items()
            for method, shown in by_method.items()
        ],
    )


def sortable(head: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    """A table whose first column names the row; a page with `sort.js` sorts it by any column."""
    header = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row" data-sort="{escape(name)}">{escape(name)}</th>'
        + "".join(f'<td data-sort="{_sort_key(key)}">{html}</td>' for html, key in cells)
        + "</tr>"
        for name, cells in rows
    )
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _estimate(shown: Estimate | None, *, sign: bool = False) -> Cell:
    if shown is None or not math.isfinite(shown.value):
        return "–", None
    say = signed if sign else number
    within = f"{say(shown.low)} to {say(shown.high)}" if shown.known else "no interval"
    return f"{say(shown.value)} <small>{within}</small>", shown.value


def _standing(standing: Standing, adjusted: float | None) -> Cell:
    order = {"better": 4, "baseline": 3, "not distinguishable": 2, "worse": 1}.get(standing, 0)
    if adjusted is None:
        return escape(standing), order
    p = "p &lt; 0.001" if adjusted < 0.001 else f"p = {adjusted:.3f}"
    return f'<span class="{_KIND.get(standing, "open")}">{escape(standing)}</span> <small>{p}</small>', order


def _seeds(study: Study, entry: MethodResult) -> Cell:
    said = [f"{len(entry.done)} of {len(study.seeds)}"]
    said += [f"{len(entry.failed)} failed"] if entry.failed else []
    said += [f"{len(entry.missing)} missing"] if entry.missing else []
    without = len(entry.done) - len(entry.rows)
    said += [f"{without} without all scores"] if without and entry.rows else []
    more = f" <small>{', '.join(said[1:])}</small>" if len(said) > 1 else ""
    return said[0] + more, len(entry.done)


def _range(values: Sequence[str]) -> str:
    if not values:
        return "–"
    return values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _sort_key(key: Field) -> str:
    if key is None or (isinstance(key, float) and not math.isfinite(key)):
        return ""
    return escape(str(key))
