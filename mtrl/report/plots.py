"""The charts of a report, each a function from a run's data to panels, or None where there is nothing to draw yet."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mtrl.report.adaptation_plots import adaptation_charts
from mtrl.report.architecture_plots import architecture_charts
from mtrl.report.drawing import Chart, LineStyle, Panel, line_styles
from mtrl.report.marks import band, count_axis, level, plain_log, time_unit
from mtrl.report.matrix import colour_limit, cosine_panel
from mtrl.report.records import Record, RunData
from mtrl.report.statistics import binned, disagreements, score_interval

_BLUE = "#0072b2"
_POINTS = 80


def charts(run: RunData) -> list[Chart]:
    """All charts that the run's data allow."""
    styles = line_styles(run.all_tasks)
    drawn = (
        score_chart(run),
        returns_chart(run, styles),
        sampling_chart(run, styles),
        conflict_chart(run),
        cosine_chart(run),
        *adaptation_charts(run, styles),
        *architecture_charts(run, styles),
        loss_chart(run, styles),
        metrics_chart(run),
    )
    return [chart for chart in drawn if chart is not None]


def score_chart(run: RunData) -> Chart | None:
    """Mean normalised score over steps, updates and wall-clock."""
    records = [record for record in run.evaluations if record["score"] is not None]
    if not records:
        return None

    def draw(axis: str) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            xs, label = _axis(records, axis)
            axes.plot(xs, [record["score"] for record in records], color=_BLUE, marker="o")
            bounds = [(x, *span) for x, r in zip(xs, records, strict=True) if (span := score_interval(r)) is not None]
            band(axes, bounds, _BLUE)
            level(axes, 0.0, "random")
            level(axes, 1.0, "best")
            axes.set(xlabel=label, ylabel="mean normalised score")
            count_axis(axes, axis)

        return panel

    return Chart(
        name="score",
        title="Score",
        caption="Mean normalised score of the evaluations during training: 0 is the random policy (for Procgen the "
        "published minimum), 1 the best known result of a task alone. Band: 95% interval over evaluation trials of "
        "this one run.",
        panels=[Panel(draw=draw(axis), title=f"over {name}") for axis, name in _AXES.items()],
    )


def returns_chart(run: RunData, styles: dict[str, LineStyle]) -> Chart | None:
    """One panel a task: evaluated and training return, and what they are measured against."""
    if not run.evaluations and not run.collected:
        return None

    def draw(task: str) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            colour = styles[task].colour
            xs, ys = _series(run.collected, _entry("return", task))
            axes.plot(*binned(xs, ys, _POINTS), color=colour, linewidth=0.8, alpha=0.55)
            evaluated = [r for r in run.evaluations if task in r["tasks"]]
            steps = [record["steps"] for record in evaluated]
            entries = [record["tasks"][task] for record in evaluated]
            axes.plot(steps, [entry["return"] for entry in entries], color=colour, marker="o")
            bounds = [(x, *entry["interval"]) for x, entry in zip(steps, entries, strict=True) if entry["interval"]]
            band(axes, bounds, colour)
            reference = run.references.get(task)
            if reference is not None:
                level(axes, reference.random, "random")
                if reference.best is not None:
                    level(axes, reference.best, "best")
            axes.set(xlabel="environment steps, all tasks", ylabel="raw return per trial")
            count_axis(axes, "steps")

        return panel

    return Chart(
        name="returns",
        title="Return of each task",
        caption="Raw return of the paid attempts of a trial. Line with points: evaluations, with 95% intervals; thin "
        "line: the trials of training, exploration included; dashed: the random policy and the best known result of "
        "that task alone.",
        panels=[Panel(draw=draw(task), title=task) for task in run.tasks],
    )


def sampling_chart(run: RunData, styles: dict[str, LineStyle]) -> Chart | None:
    """How often each task was drawn, and what share of the steps it took."""
    records = [record for record in run.collected if "length" in record]
    if len(run.tasks) < 2 or not records:
        return None

    def share_of_steps(task: str) -> Callable[[Record], float | None]:
        def share(record: Record) -> float | None:
            steps = {name: record["trials"][name] * length for name, length in record["length"].items()}
            return float(steps.get(task, 0.0) / sum(steps.values()))

        return share

    def draw(value: Callable[[str], Callable[[Record], float | None]], label: str) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            for task in run.tasks:
                xs, ys = _series(records, value(task))
                axes.plot(*binned(xs, ys, _POINTS), linewidth=1.3, **styles[task].keywords)
            axes.set(xlabel="environment steps, all tasks", ylabel=label)
            axes.set_ylim(bottom=0)
            count_axis(axes, "steps")

        return panel

    return Chart(
        name="sampling",
        title="What was played",
        caption="How often each task was drawn when a trial began, and the share of the steps of finished trials: "
        "tasks with long trials take more of them than they are drawn.",
        panels=[
            Panel(
                draw=draw(lambda task: _entry("share", task), "share of draws"), title="Drawn", width=4.6, height=3.0
            ),
            Panel(draw=draw(share_of_steps, "share of steps"), title="Steps", width=4.6, height=3.0),
        ],
        legend=run.tasks,
    )


def conflict_chart(run: RunData) -> Chart | None:
    """How much the task gradients fought, over training."""
    if not any(len(record["tasks"]) > 1 for record in run.conflicts):
        return None
    count = max(len(record["tasks"]) for record in run.conflicts)

    def draw(name: str, label: str, factor: float, *, log: bool = False, **limits: Any) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            xs, ys = _series(run.conflicts, lambda record: record[name])
            scaled = [None if y is None else factor * y for y in ys]
            _noisy(axes, xs, scaled, _BLUE)
            axes.set(xlabel="environment steps, all tasks", ylabel=label, **limits)
            if log:
                plain_log(axes)
            count_axis(axes, "steps")

        return panel

    return Chart(
        name="conflict",
        title="How much the tasks fight",
        caption="Of the task gradients on the shared parameters. Conflict rate: share of task pairs whose gradients "
        f"have a negative cosine. Effective tasks: how many of the {count} make up the update. Norm spread: largest "
        "over least gradient norm. Points: single updates; line: their mean over stretches of training.",
        panels=[
            Panel(draw=draw("conflict_rate", "pairs in conflict (%)", 100.0, ylim=(-2, 102)), title="Conflict rate"),
            Panel(
                draw=draw("effective_tasks", "tasks", 1.0, ylim=(0, count * 1.04)),
                title="Effective tasks in the update",
            ),
            Panel(draw=draw("norm_spread", "largest / least norm", 1.0, log=True), title="Norm spread"),
        ],
    )


def cosine_chart(run: RunData) -> Chart | None:
    """Mean cosine between every two tasks' gradients, in colour and numbers."""
    pairs = disagreements(run.conflicts, run.tasks)
    if not pairs:
        return None
    places = {task: place for place, task in enumerate(run.tasks)}
    count = len(run.tasks)
    matrix = np.full((count, count), np.nan)
    for pair in pairs:
        first, second = places[pair.first], places[pair.second]
        matrix[first, second] = matrix[second, first] = pair.cosine
    return Chart(
        name="cosine",
        title="Which tasks fight",
        caption=f"Cosine between the task gradients on the shared parameters, mean over {len(run.conflicts)} measured "
        "updates of the run. The colours reach as far as the largest entry.",
        panels=[cosine_panel(matrix, run.tasks, colour_limit(matrix))],
    )


def loss_chart(run: RunData, styles: dict[str, LineStyle]) -> Chart | None:
    """Each task's actor and critic loss."""
    if not run.updates:
        return None

    def draw(name: str) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            for task in run.tasks:
                xs, ys = _series(run.updates, _entry(name, task), axis="updates")
                axes.plot(*binned(xs, ys, _POINTS), linewidth=1.3, **styles[task].keywords)
            axes.set(xlabel="updates", ylabel=name.replace("_", " "))
            count_axis(axes, "updates")

        return panel

    return Chart(
        name="losses",
        title="Losses of each task",
        caption=f"On the training batches, as means over stretches of at least 1/{_POINTS} of the run.",
        panels=[
            Panel(draw=draw("actor_loss"), title="Actor", width=4.6, height=3.0),
            Panel(draw=draw("critic_loss"), title="Critic", width=4.6, height=3.0),
        ],
        legend=run.tasks,
    )


def metrics_chart(run: RunData) -> Chart | None:
    """The update's other numbers."""
    names = list(dict.fromkeys(name for record in run.updates for name in record.get("metrics", {})))
    if not names:
        return None

    def draw(name: str) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            xs, ys = _series(run.updates, _entry("metrics", name), axis="updates")
            _noisy(axes, xs, ys, _BLUE)
            axes.set(xlabel="updates")
            count_axis(axes, "updates")

        return panel

    return Chart(
        name="metrics",
        title="Metrics of the updates",
        caption="Over all tasks. Points: single updates; line: their mean over stretches of training.",
        panels=[Panel(draw=draw(name), title=name.replace("_", " "), height=2.1) for name in names],
    )


_AXES = {"steps": "environment steps", "updates": "updates", "seconds": "wall-clock"}


def _axis(records: Sequence[Record], axis: str) -> tuple[list[float], str]:
    values = [float(record[axis]) for record in records]
    if axis == "steps":
        return values, "environment steps, all tasks"
    if axis == "updates":
        return values, "updates"
    unit, label = time_unit(max(values))
    return [value / unit for value in values], label


def _series(
    records: Sequence[Record], value: Callable[[Record], float | None], *, axis: str = "steps"
) -> tuple[list[float], list[float | None]]:
    return [float(record[axis]) for record in records], [value(record) for record in records]


def _entry(group: str, name: str) -> Callable[[Record], float | None]:
    return lambda record: record.get(group, {}).get(name)


def _noisy(axes: Axes, xs: Sequence[float], ys: Sequence[float | None], colour: str) -> None:
    known = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
    step = max(1, len(known) // 400)
    axes.plot(*([entry[i] for entry in known[::step]] for i in (0, 1)), ".", color=colour, alpha=0.25, markersize=3)
    axes.plot(*binned(xs, ys, _POINTS // 3), color=colour)
