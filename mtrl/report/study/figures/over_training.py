"""Charts over training: a panel a measure with a line a method, or a panel a method with a line a task."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from mtrl.report.drawing import Chart, Panel, line_styles, method_styles
from mtrl.report.marks import band, count_axis, line, plain_log, short
from mtrl.report.study.figures.figure import StudyFigure, groups, numbered
from mtrl.report.study.folder import Study
from mtrl.report.study.numbers import Field, Numbers
from mtrl.report.study.series import horizon
from mtrl.study.statistics.conflicts import Band

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is drawn in a panel."""

    title: str
    label: str
    """Of the y axis."""
    factor: float = 1.0
    log: bool = False


def measures_figure(
    study: Study, name: str, title: str, caption: str, measures: Mapping[str, Measure], found: Mapping[Key, Band]
) -> StudyFigure | None:
    """A panel a measure, a line a method; `found` is by measure and method."""
    if not found:
        return None
    styles = method_styles(study.method_names, study.baseline)
    present = [method for method in study.method_names if any(key[1] == method for key in found)]
    together = groups(present, study.baseline)

    def draw(key: str, methods: list[str]) -> Callable[[Axes], None]:
        measure = measures[key]

        def panel(axes: Axes) -> None:
            for method in methods:
                if (series := found.get((key, method))) is None:
                    continue
                bounds = zip(series.steps, measure.factor * series.low, measure.factor * series.high, strict=True)
                band(axes, list(bounds), styles[method].colour, alpha=0.08)
                line(axes, series.steps.tolist(), (measure.factor * series.mean).tolist(), styles[method], marks=6)
            axes.set(xlabel="environment steps, all tasks", ylabel=measure.label)
            # Bands of two or three seeds reach far; the lines decide what is seen.
            drawn = [value for method in methods if (key, method) in found for value in found[key, method].mean]
            least, most = measure.factor * min(drawn, default=0.0), measure.factor * max(drawn, default=1.0)
            if measure.log and least > 0:
                plain_log(axes)
                axes.set_ylim(least / 1.5, most * 1.5)
            else:
                axes.set_ylim(0, 1.25 * most or 1.0)
            count_axis(axes, "steps")

        return panel

    size = {"width": 3.9, "height": 2.7} if len(measures) > 1 else {"width": 4.8, "height": 2.8}
    rows: list[list[Field]] = [
        [method, measure, *(float(value) for value in point)]
        for (measure, method), series in found.items()
        for point in zip(series.steps, series.mean, series.low, series.high, series.runs, strict=True)
    ]
    return StudyFigure(
        chart=Chart(
            name=name,
            title=title,
            caption=f"{caption} Lines: means over seeds and stretches of training; bands: pointwise 95% "
            "t-intervals over seeds.",
            panels=[
                Panel(draw=draw(key, methods), title=numbered(measures[key].title, place, len(together)), **size)
                for place, methods in enumerate(together)
                for key in measures
            ],
            legend=present,
        ),
        styles=styles,
        numbers=Numbers(columns=("method", "measure", "steps", "mean", "low", "high", "seeds"), rows=rows),
    )


@dataclass(frozen=True, kw_only=True)
class TaskSeries:
    """One task's line, and the area around it where there is one."""

    middle: Band
    low: Band | None = None
    high: Band | None = None


def task_lines_figure(
    study: Study, name: str, title: str, caption: str, label: str, found: Mapping[Key, TaskSeries], *, log: bool
) -> StudyFigure | None:
    """A panel a method, a line a task, the same axes in all; `found` is by method and task.

    A logarithmic axis is one for norms (positive numbers); without it, numbers beyond +-30 get a scale that is
    logarithmic on both sides of 0.
    """
    if not found:
        return None
    tasks = list(dict.fromkeys(task for _, task in found))
    methods = [method for method in study.method_names if any(key[0] == method for key in found)]
    styles = line_styles(tasks)
    every = [
        float(value)
        for entry in found.values()
        for series in (entry.middle, entry.low, entry.high)
        if series is not None
        for value in series.mean
        if math.isfinite(value) and (value > 0 or not log)
    ]
    least, most = min(every, default=0.1), max(every, default=1.0)
    wide = not log and max(-least, most) > 30
    limits = (least / 1.3, most * 1.3) if log else (least - 0.05 * (most - least), most + 0.05 * (most - least))

    def draw(method: str) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            positive = False
            for task in tasks:
                if (entry := found.get((method, task))) is None:
                    continue
                positive = positive or bool((entry.middle.mean > 0).any())
                if entry.low is not None and entry.high is not None and len(entry.low.steps) == len(entry.high.steps):
                    bounds = zip(entry.low.steps, entry.low.mean, entry.high.mean, strict=True)
                    band(axes, list(bounds), styles[task].colour, alpha=0.12)
                line(axes, entry.middle.steps.tolist(), entry.middle.mean.tolist(), styles[task])
            axes.set(xlabel="environment steps, all tasks", ylabel=label)
            if log and positive:
                plain_log(axes)
            elif wide:
                axes.set_yscale("symlog", linthresh=1.0)
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value).replace("-", "−")))
            if limits[0] < limits[1] and (positive or not log):
                axes.set_ylim(limits)
            count_axis(axes, "steps")
            axes.set_xlim(right=horizon(study))

        return panel

    return StudyFigure(
        chart=Chart(
            name=name,
            title=title,
            caption=f"{caption} Mean over seeds and stretches of training. All panels have the same axes, so that "
            "methods can be compared." + (" The axis is logarithmic beyond ±1." if wide else ""),
            panels=[Panel(draw=draw(method), title=method) for method in methods],
            legend=tasks,
        ),
        styles=styles,
        numbers=Numbers(
            columns=("method", "task", "what", "steps", "value"),
            rows=[
                (method, task, what, float(step), float(value))
                for (method, task), entry in found.items()
                for what, series in (("mean", entry.middle), ("low", entry.low), ("high", entry.high))
                if series is not None
                for step, value in zip(series.steps, series.mean, strict=True)
            ],
        ),
    )
