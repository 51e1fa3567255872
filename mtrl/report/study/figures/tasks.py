"""Scores task by task: a heat map of all methods, and gains and losses against one reference method."""

import math
from collections.abc import Callable

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from mtrl.report.drawing import INK, MUTED, PAPER, Chart, LineStyle, Panel
from mtrl.report.marks import interval_row, name_rows
from mtrl.report.study.against import TaskDifference
from mtrl.report.study.figures.figure import StudyFigure
from mtrl.report.study.figures.scores import by_iqm, rows_height
from mtrl.report.study.numbers import Field, Numbers, bounds
from mtrl.report.study.results import ConditionResult
from mtrl.report.study.scores import mean_of_rows, of_task
from mtrl.report.study.words import fewer_seeds
from mtrl.report.words import number

_STYLES = {
    "better": LineStyle(colour="#009e73", dashes=(), marker="o"),
    "worse": LineStyle(colour="#d55e00", dashes=(), marker="D"),
    "not distinguishable": LineStyle(colour=MUTED, dashes=(), marker="o"),
}


def tasks_figure(result: ConditionResult, name: str) -> StudyFigure | None:
    """Mean score of every method (columns, the highest interquartile mean first) on every task (rows)."""
    scored = by_iqm(result)
    if not scored:
        return None
    methods, tasks = [entry.method for entry in scored], result.tasks
    found = [[mean_of_rows(of_task(entry.rows, task)) for entry in scored] for task in tasks]
    values = np.array([[shown.value for shown in row] for row in found])
    colours = colormaps["cividis"]

    def draw(axes: Axes) -> None:
        shown = np.clip(np.nan_to_num(values), 0.0, 1.0)
        axes.pcolormesh(shown, cmap=colours, vmin=0.0, vmax=1.0, edgecolors=PAPER, linewidth=1.5)
        for row, column in np.ndindex(*values.shape):
            axes.text(
                column + 0.5,
                row + 0.5,
                number(float(values[row, column])) if math.isfinite(values[row, column]) else "–",
                ha="center",
                va="center",
                fontsize=8,
                color="#111111" if _light(colours(shown[row, column])) else "#ffffff",
            )
        axes.set_xticks(np.arange(len(methods)) + 0.5, methods, rotation=35, ha="left", rotation_mode="anchor")
        axes.set_yticks(np.arange(len(tasks)) + 0.5, tasks)
        axes.xaxis.tick_top()
        axes.invert_yaxis()
        axes.tick_params(length=0, labelcolor=INK)
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)

    width = 0.62 * len(methods) + 2.6
    return StudyFigure(
        chart=Chart(
            name=name,
            title="Score of each task",
            caption="Mean normalised score over seeds. Colours reach from 0 (dark: the random policy) to 1 (light: the "
            "best known result); scores beyond are coloured like the nearest end. Intervals are in the CSV.",
            panels=[Panel(draw=draw, width=width, height=0.27 * len(tasks) + 1.3, least=0.85 * width)],
        ),
        styles={},
        numbers=Numbers(
            columns=("task", "method", "score", "low", "high", "seeds"),
            rows=[
                (task, entry.method, *bounds(shown), len(of_task(entry.rows, task)))
                for task, row in zip(tasks, found, strict=True)
                for entry, shown in zip(scored, row, strict=True)
            ],
        ),
    )


def _light(colour: tuple[float, float, float, float]) -> bool:
    """Whether dark letters are read better on it than white ones (relative luminance of WCAG 2)."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] > 0.18


def differences_figure(
    result: ConditionResult, differences: list[TaskDifference], name: str, *, title: str, caption: str
) -> StudyFigure | None:
    """A panel a method: its difference from its reference on every task.

    Args:
        result: of the condition.
        differences: of `task_differences`.
        name: of the files.
        title: of the chart.
        caption: what the reference means; how to read intervals and colours follows it.
    """
    if not differences:
        return None
    methods = {entry.method: entry.reference for entry in differences}
    # A method that diverged would press all others onto the line.
    near = [entry.difference for entry in differences if abs(entry.difference.value) <= 1.0]
    reach = [abs(v) for shown in near for v in (shown.value, shown.low, shown.high) if math.isfinite(v)]
    limit = 1.08 * min(1.5, max(reach, default=1.0)) or 1.0

    def draw(method: str) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            name_rows(axes, result.tasks)
            axes.axvline(0.0, color=MUTED, linewidth=0.9, zorder=1.5)
            for entry in (entry for entry in differences if entry.method == method):
                shown, place = entry.difference, result.tasks.index(entry.task)
                told_apart = entry.verdict != "not distinguishable"
                interval_row(
                    axes,
                    place,
                    shown.value,
                    shown.low,
                    shown.high,
                    _STYLES[entry.verdict],
                    limits=(-limit, limit),
                    filled=told_apart,
                )
            axes.set(xlim=(-1.02 * limit, 1.02 * limit), xlabel=f"score − {methods[method].method}")

        return panel

    every = max(len(own.done) + len(own.failed) + len(own.missing) for own in result.methods.values())
    few = fewer_seeds({(entry.method, entry.task): len(entry.seeds) for entry in differences}, every)
    rows: list[list[Field]] = [
        [
            entry.method,
            entry.task,
            *bounds(entry.difference),
            entry.verdict,
            entry.reference.method,
            "yes" if entry.reference.transfer else "no",
            len(entry.seeds),
        ]
        for entry in differences
    ]
    return StudyFigure(
        chart=Chart(
            name=name,
            title=title,
            caption=f"{caption} Bars: 95% intervals of each difference by itself. Filled points: told apart from 0 "
            f"after Holm's correction for all {len(differences)} differences of this chart (green circles: better; "
            "orange diamonds: worse); hollow grey points: not distinguishable. Arrows: beyond the "
            f"axis.{few}",
            panels=[
                Panel(draw=draw(method), title=method, width=4.0, height=rows_height(len(result.tasks)))
                for method in methods
            ],
        ),
        styles={},
        numbers=Numbers(
            columns=("method", "task", "difference", "low", "high", "verdict_holm", "minus", "transfer_alone", "seeds"),
            rows=rows,
        ),
    )
