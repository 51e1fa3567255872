"""Scores at the end of training: aggregates, performance profiles, probability of improvement.

Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", sections 4.2, 4.3.
"""

import math
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from mtrl.report.drawing import MUTED, Chart, Panel, method_styles
from mtrl.report.marks import band, interval_row, line, name_rows
from mtrl.report.study.figures.figure import StudyFigure, groups, numbered
from mtrl.report.study.numbers import Numbers, bounds
from mtrl.report.study.results import ConditionResult, MethodResult
from mtrl.report.study.scores import matrix
from mtrl.study.statistics.aggregates import AGGREGATES
from mtrl.study.statistics.bootstrap import bootstrap, profile

_FLOOR = -0.5
"""Lower scores become arrows."""

AGGREGATE_NAMES = {
    "iqm": "interquartile mean",
    "mean": "mean",
    "median": "median",
    "optimality-gap": "optimality gap",
}


def aggregates_figure(result: ConditionResult, name: str) -> StudyFigure | None:
    """Four aggregates of every method, the highest interquartile mean first."""
    scored = by_iqm(result)
    if not scored:
        return None
    styles = method_styles(list(result.methods), result.baseline)
    names = ["mean"] if result.drawn else list(AGGREGATE_NAMES)
    own_tasks = " Every seed has tasks of its own, so there is only the mean of their means." if result.drawn else ""

    def draw(aggregate: str) -> Callable[[Axes], None]:
        # A method that diverged would push all others into a corner.
        gap = aggregate == "optimality-gap"
        limits = (-math.inf, 1 - _FLOOR) if gap else (_FLOOR, math.inf)
        ends = [
            (max(shown.low, _FLOOR), min(shown.high, 1 - _FLOOR)) if shown.known else (shown.value, shown.value)
            for shown in (entry.aggregates[aggregate] for entry in scored)
            if limits[0] <= shown.value <= limits[1]
        ]
        least, most = min((low for low, _ in ends), default=0.0), max((high for _, high in ends), default=1.0)
        beyond = len(ends) < len(scored)

        def panel(axes: Axes) -> None:
            name_rows(axes, [entry.method if aggregate == names[0] else "" for entry in scored])
            for place, entry in enumerate(scored):
                shown = entry.aggregates[aggregate]
                interval_row(axes, place, shown.value, shown.low, shown.high, styles[entry.method], limits=limits)
            axes.set(xlabel="score missing to 1 (low is good)" if gap else "normalised score")
            room = 0.05 * (most - least) + 0.01
            left, right = (least, limits[1] if beyond else most) if gap else (limits[0] if beyond else least, most)
            axes.set_xlim(left - room, right + room)

        return panel

    height = rows_height(len(scored))
    return StudyFigure(
        chart=Chart(
            name=name,
            title="Aggregate scores",
            caption="Normalised scores of all seeds and tasks, with 95% intervals over seeds (bootstrap of whole runs, "
            "Student's t; the narrower stratified percentile bootstrap, which takes tasks for independent, is in the "
            "CSV). "
            "Interquartile mean: of the middle half of all seeds and tasks. Median: over tasks, of the mean over "
            "seeds. Optimality gap: how much is missing to a score of 1, where scores above 1 make up for nothing. "
            f"A method with one seed has no interval. Arrows: beyond the axis.{own_tasks}",
            panels=[
                Panel(draw=draw(aggregate), title=AGGREGATE_NAMES[aggregate], width=2.9, height=height)
                for aggregate in names
            ],
        ),
        styles=styles,
        numbers=Numbers(
            columns=("method", "aggregate", "value", "low", "high", "stratified_low", "stratified_high", "seeds"),
            rows=[
                (
                    entry.method,
                    aggregate,
                    *bounds(entry.aggregates[aggregate]),
                    *([None] * 2 if result.drawn else bounds(bootstrap(matrix(entry.rows), AGGREGATES[aggregate]))[1:]),
                    len(entry.rows),
                )
                for entry in scored
                for aggregate in names
            ],
        ),
    )


def profile_figure(result: ConditionResult, name: str) -> StudyFigure | None:
    """Share of seeds and tasks above every score."""
    scored = [entry for entry in result.scored if len(entry.rows) > 1]
    if not scored or result.drawn:
        return None
    styles = method_styles(list(result.methods), result.baseline)
    every = np.concatenate([matrix(entry.rows).ravel() for entry in scored])
    # A method that diverged would push all others into a corner.
    low, high = max(-0.25, min(0.0, float(every.min()))), min(1.6, max(1.0, float(every.max())))
    thresholds = np.linspace(low, high, 81)
    curves = {entry.method: profile(matrix(entry.rows), thresholds, resample="runs", interval="t") for entry in scored}
    together = groups([entry.method for entry in scored], result.baseline)

    def draw(methods: list[str]) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            for method in methods:
                share, least, most = curves[method]
                band(axes, list(zip(thresholds, least, most, strict=True)), styles[method].colour, alpha=0.1)
                line(axes, thresholds.tolist(), share.tolist(), styles[method])
            axes.set(xlabel="normalised score", ylabel="share of seeds and tasks above", ylim=(-0.02, 1.02))
            axes.set_xlim(low, high)

        return panel

    return StudyFigure(
        chart=Chart(
            name=name,
            title="Performance profiles",
            caption="Share of seeds and tasks whose score is above the value on the x axis, with pointwise 95% "
            "bands over seeds. Where a curve lies above another over the whole range, its method is ahead at every "
            "level of score; curves that cross are ahead at different levels.",
            panels=[
                Panel(draw=draw(methods), title=numbered("", place, len(together)), width=5.4, height=3.3)
                for place, methods in enumerate(together)
            ],
            legend=[entry.method for entry in scored],
        ),
        styles=styles,
        numbers=Numbers(
            columns=("method", "score", "share_above", "low", "high"),
            rows=[
                (method, *(float(value) for value in point))
                for method, curve in curves.items()
                for point in zip(thresholds, *curve, strict=True)
            ],
        ),
    )


def improvement_figure(result: ConditionResult, name: str) -> StudyFigure | None:
    """Probability that a method does better than the baseline on a task."""
    compared = [(entry, entry.improvement) for entry in by_iqm(result) if entry.improvement is not None]
    if not compared:
        return None
    styles = method_styles(list(result.methods), result.baseline)

    def draw(axes: Axes) -> None:
        name_rows(axes, [entry.method for entry, _ in compared])
        for place, (entry, shown) in enumerate(compared):
            interval_row(axes, place, shown.value, shown.low, shown.high, styles[entry.method])
        axes.axvline(0.5, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
        axes.set(xlim=(-0.03, 1.03), xlabel=f"P(better than {result.baseline})", xticks=(0, 0.25, 0.5, 0.75, 1))

    return StudyFigure(
        chart=Chart(
            name=name,
            title=f"Probability of improvement over {result.baseline}",
            caption=f"How often a run of the method scores higher than a run of {result.baseline} on the same task, "
            "averaged over tasks; ties count half. 95% intervals: bootstrap of whole runs, Student's t; one without "
            "width says that all runs agree, not that it is certain. At 0.5 neither is ahead; how far ahead it does "
            "not say.",
            panels=[Panel(draw=draw, width=4.8, height=rows_height(len(compared)))],
        ),
        styles=styles,
        numbers=Numbers(
            columns=("method", "baseline", "probability", "low", "high"),
            rows=[(entry.method, result.baseline, *bounds(shown)) for entry, shown in compared],
        ),
    )


def by_iqm(result: ConditionResult) -> list[MethodResult]:
    """Methods with scores, the highest interquartile mean first, or mean where seeds have tasks of their own."""
    which = "mean" if result.drawn else "iqm"
    return sorted(result.scored, key=lambda entry: -entry.aggregates[which].value)


def rows_height(count: int) -> float:
    """Inches of a panel with so many rows."""
    return 0.27 * count + 0.75
