"""Returns by attempt of tasks whose trials have several: how far each method adapts within a trial."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mtrl.report.drawing import Chart, Panel, method_styles
from mtrl.report.marks import band, end_labels, line
from mtrl.report.study.figures.figure import StudyFigure, groups, numbered
from mtrl.report.study.folder import Study
from mtrl.report.study.numbers import Numbers, bounds
from mtrl.report.study.scores import all_tasks
from mtrl.study.statistics.estimate import Estimate
from mtrl.study.statistics.student import mean_interval

Attempts = list[Estimate]


def adaptation_figure(study: Study, condition: str, name: str) -> StudyFigure | None:
    """A panel a task: the mean return of every attempt of a trial, method by method; None where trials have one."""
    found = {
        (task, method): attempts
        for task in all_tasks(study, condition)
        for method in study.method_names
        if len(attempts := _attempts(study, condition, method, task)) > 1
    }
    if not found:
        return None
    tasks = list(dict.fromkeys(task for task, _ in found))
    methods = [method for method in study.method_names if any(own == method for _, own in found)]
    styles, together = method_styles(study.method_names, study.baseline), groups(methods, study.baseline)

    limits = {task: _limits([one for (own, _), run in found.items() if own == task for one in run]) for task in tasks}

    def draw(task: str, shown: list[str]) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            ends = []
            for method in shown:
                if (task, method) not in found:
                    continue
                attempts, style = found[task, method], styles[method]
                xs = list(range(1, len(attempts) + 1))
                band(
                    axes,
                    [(x, one.low, one.high) for x, one in zip(xs, attempts, strict=True)],
                    style.colour,
                    alpha=0.12,
                )
                line(axes, [float(x) for x in xs], [one.value for one in attempts], style)
                ends.append((float(xs[-1]), attempts[-1].value, method, style))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set(xlabel="attempt", ylabel="return", ylim=limits[task])  # names count on the final limits
            end_labels(axes, ends, height=2.4)

        return panel

    return StudyFigure(
        chart=Chart(
            name=name,
            title="Adaptation within a trial",
            caption="Mean raw return of every attempt of a trial, warm-up included, at the end of training, on seeds "
            "of testing. Bands: 95% t-intervals over seeds; a method with one seed has none. "
            "The panels of a task have one axis, which shows of wide intervals a part.",
            panels=[
                Panel(draw=draw(task, shown), title=numbered(task, place, len(together)), width=4.0, height=3.0)
                for task in tasks
                for place, shown in enumerate(together)
            ],
        ),
        styles=styles,
        numbers=Numbers(
            columns=("task", "method", "attempt", "return", "low", "high"),
            rows=[
                (task, method, place, *bounds(one))
                for (task, method), attempts in found.items()
                for place, one in enumerate(attempts, start=1)
            ],
        ),
    )


def _limits(estimates: Attempts) -> tuple[float, float]:
    """Of the vertical axis of all panels of a task: means whole, intervals as far as they do not press these flat."""
    low, high = min(one.value for one in estimates), max(one.value for one in estimates)
    beyond = 0.5 * (high - low) or max(0.1 * abs(high), 0.1)
    bottom = max(low - beyond, min([low, *(one.low for one in estimates if one.known)]))
    top = min(high + beyond, max([high, *(one.high for one in estimates if one.known)]))
    margin = 0.05 * (top - bottom) or beyond
    return bottom - margin, top + margin


def _attempts(study: Study, condition: str, method: str, task: str) -> Attempts:
    """Of the seeds that played the task; none where they played other numbers of attempts, or did not come to some."""
    runs = [
        entry["attempts"]
        for record in study.done(condition, method).values()
        if (entry := (record.get("evaluation") or {}).get("tasks", {}).get(task)) and entry.get("attempts")
    ]
    if not runs or len({len(run) for run in runs}) > 1 or any(value is None for run in runs for value in run):
        return []
    return [mean_interval(column)[0] for column in np.array(runs, np.float64).T]
