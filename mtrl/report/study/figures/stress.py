"""Scores against the values of an axis, such as the spread of the reward scales: over all tasks, and task by task."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from mtrl.report.drawing import GRID, Chart, Panel, method_styles
from mtrl.report.marks import end_labels
from mtrl.report.study.figures.figure import StudyFigure, groups, numbered
from mtrl.report.study.folder import Study
from mtrl.report.study.numbers import Field, Numbers, bounds
from mtrl.report.study.stress import AxisResult, Point
from mtrl.report.words import number

_FLOOR = -0.5
"""Lower scores are not drawn: a method that diverged would press all others flat."""
_NONE = Point(math.nan, math.nan, math.nan, 0)
Points = Mapping[str, Sequence[Point | None]]


def axis_figures(study: Study, result: AxisResult) -> list[StudyFigure]:
    """Mean score against the axis' value, and the same for every task and every factor where there are several."""
    if not any(point is not None for points in result.scores.values() for point in points):
        return []
    figures = [_overall(study, result)]
    if len(result.tasks) > 1:
        figures.append(_by_task(study, result))
    return [*figures, _by_factor(study, result)] if result.by_factor else figures


def _overall(study: Study, result: AxisResult) -> StudyFigure:
    present = _present(result.scores)
    together = groups(present, study.baseline)
    return StudyFigure(
        chart=Chart(
            name=f"axis-{result.axis}",
            title=f"Score against {result.axis}",
            caption=f"Mean normalised score over {_which_tasks(result)}, with 95% t-intervals over seeds "
            "(points stand a little apart so that intervals can be told from each other)."
            f"{_notes(result, result.scores)}",
            panels=[
                Panel(
                    draw=_draw(study, result, result.scores, methods, height=3.4, named=True),
                    title=numbered("", place, len(together)),
                    width=6.0,
                    height=4.0,
                    least=4.4,
                )
                for place, methods in enumerate(together)
            ],
        ),
        styles=method_styles(study.method_names, study.baseline),
        numbers=Numbers(
            columns=(*_columns(result), "score_failed_as_0", "verdict_holm_over_the_axis"),
            rows=_overall_rows(result),
        ),
    )


def _by_task(study: Study, result: AxisResult) -> StudyFigure:
    chart = _panels(study, result, result.by_task)
    return StudyFigure(
        chart=replace(
            chart,
            name=f"axis-{result.axis}-tasks",
            title=f"Score of each task against {result.axis}",
            caption=f"Mean normalised score over seeds, with 95% t-intervals.{chart.caption}",
        ),
        styles=method_styles(study.method_names, study.baseline),
        numbers=_numbers(result, "task", result.by_task),
    )


def _by_factor(study: Study, result: AxisResult) -> StudyFigure:
    chart = _panels(study, result, result.by_factor)
    what = {"spread": "reward scale", "frequency": "frequency"}[result.axis]
    return StudyFigure(
        chart=replace(
            chart,
            name=f"axis-{result.axis}-factors",
            title=f"Who pays for {result.axis}: score by the task's own {what}",
            caption="Every seed draws anew which task has which factor. Each panel holds the tasks whose factor is in "
            "that place, from the smallest on, seed by seed: mean normalised score, with 95% t-intervals over seeds. "
            f"Where all factors are alike they are the same tasks.{chart.caption}",
        ),
        styles=method_styles(study.method_names, study.baseline),
        numbers=_numbers(result, "factor", result.by_factor),
    )


def _panels(study: Study, result: AxisResult, parts: Mapping[str, Points]) -> Chart:
    """Panels of all parts, by their names; the caption says what is not drawn."""
    present = _present(result.scores)
    together = groups(present, study.baseline)
    return Chart(
        name="",
        title="",
        caption=_notes(result, *parts.values()),
        panels=[
            Panel(
                draw=_draw(study, result, points, methods, height=2.0, named=False),
                title=numbered(part, place, len(together)),
            )
            for part, points in parts.items()
            for place, methods in enumerate(together)
        ],
        legend=present,
    )


def _numbers(result: AxisResult, kind: str, parts: Mapping[str, Points]) -> Numbers:
    rows: list[list[Field]] = [[part, *row] for part, points in parts.items() for row in _rows(result, points)]
    return Numbers(columns=(kind, *_columns(result)), rows=rows)


def _columns(result: AxisResult) -> tuple[str, ...]:
    return result.axis, "method", "score", "low", "high", "seeds"


def _overall_rows(result: AxisResult) -> list[list[Field]]:
    """Those of `_rows`, with the score where failed runs count as 0, and how the method stands to the baseline; also of
    points all of whose runs failed."""
    return [
        [
            condition.value,
            method,
            *bounds(point),
            point.seeds if point else 0,
            (as_zero or point or _NONE).value,
            verdict,
        ]
        for method, series in result.scores.items()
        for condition, point, as_zero, verdict in zip(
            result.conditions,
            series,
            result.failed_as_zero.get(method, [None] * len(series)),
            result.against[method],
            strict=True,
        )
        if point or as_zero
    ]


def _draw(
    study: Study, result: AxisResult, points: Points, methods: list[str], *, height: float, named: bool
) -> Callable[[Axes], None]:
    styles = method_styles(study.method_names, study.baseline)
    labels = [condition.label for condition in result.conditions]
    values = [float(condition.value) for condition in result.conditions if isinstance(condition.value, (int, float))]
    log = result.numeric and min(values) > 0 and (result.axis == "spread" or max(values) / min(values) >= 20)

    def place(at: int, method: str) -> float:
        shift = (methods.index(method) - (len(methods) - 1) / 2) / max(len(methods), 2)
        if not result.numeric:
            return at + 0.4 * shift
        if log:
            return float(values[at] * (values[-1] / values[0]) ** (0.06 * shift))
        return values[at] + 0.06 * shift * (values[-1] - values[0])

    def panel(axes: Axes) -> None:
        if log:
            axes.set_xscale("log")
        for method in methods:
            style = styles[method]
            found = [(place(at, method), point) for at, point in enumerate(points[method]) if point is not None]
            xs = [x for x, _ in found]
            axes.plot(xs, [point.value for _, point in found], linewidth=style.width, **style.keywords)
            for x, point in found:
                if point.known:
                    axes.plot([x, x], [point.low, point.high], color=style.colour, linewidth=1.1, alpha=0.75)
        axes.xaxis.set_major_locator(FixedLocator(values if result.numeric else list(range(len(labels)))))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(values if result.numeric else list(range(len(labels))), labels)
        axes.tick_params(length=3, color=GRID)
        described = _described(result.axis, log) if named else result.axis
        axes.set(xlabel=described, ylabel="mean normalised score" if named else "score")
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, _FLOOR), min(high, 1 - _FLOOR))
        if named:
            ends = [
                (place(at, method), max(point.value, axes.get_ylim()[0]), method, styles[method])
                for method in methods
                if (at_point := _last(points[method])) is not None
                for at, point in [at_point]
            ]
            end_labels(axes, ends, height=height, size=8.5)

    return panel


def _last(points: Sequence[Point | None]) -> tuple[int, Point] | None:
    known_points = [(at, point) for at, point in enumerate(points) if point is not None]
    return known_points[-1] if known_points else None


def _described(axis: str, log: bool) -> str:
    name = {
        "spread": "spread: largest over smallest reward scale",
        "frequency": "unevenness of the tasks' frequency",
        "tasks": "number of tasks",
        "width": "width of the network",
        "scales": "scaled tasks, with their factors",
        "mix": "mix of tasks",
    }.get(axis, axis)
    return f"{name} (logarithmic)" if log else name


def _which_tasks(result: AxisResult) -> str:
    if result.drawn:
        return f"the tasks that a seed has under every condition ({result.drawn}; every seed draws its own)"
    return f"the {len(result.tasks)} tasks that every condition has"


def _present(points: Points) -> list[str]:
    return [method for method, series in points.items() if any(point is not None for point in series)]


def _rows(result: AxisResult, points: Points) -> list[list[Field]]:
    return [
        [condition.value, method, *bounds(point), point.seeds]
        for method, series in points.items()
        for condition, point in zip(result.conditions, series, strict=True)
        if point is not None
    ]


def _notes(result: AxisResult, *points: Points) -> str:
    """What is not drawn, and what rests on fewer seeds; with a space before."""
    failed = " Failed runs are left out." if result.failed_as_zero else ""
    return f"{_floor_note(*points)}{failed}{' ' + result.fewer if result.fewer else ''}"


def _floor_note(*points: Points) -> str:
    lowest = min((p.value for group in points for series in group.values() for p in series if p), default=0.0)
    return f" The axis ends at {number(_FLOOR, 1)}: lower scores are in the CSV." if lowest < _FLOOR else ""
