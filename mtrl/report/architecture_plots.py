"""The charts of what tasks share: who uses which expert, and how alike the tasks' heads have become."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mtrl.agent.experts.config import UNUSED
from mtrl.report.drawing import INK, Chart, LineStyle, Panel
from mtrl.report.marks import count_axis
from mtrl.report.matrix import colour_limit, cosine_panel
from mtrl.report.records import Record, RunData
from mtrl.report.statistics import binned
from mtrl.report.words import number

_LATE = 0.25
"""Share of the run, at its end, that the maps are the mean of."""
_POINTS = 80
_STRETCHES = 60
_NUMBERED = 160
"""Entries up to which a map has numbers in it."""


def architecture_charts(run: RunData, styles: dict[str, LineStyle]) -> list[Chart]:
    """One chart a mixture of experts, and one of the heads; none where tasks share everything."""
    count = max((len(record.get("experts", [])) for record in run.updates), default=0)
    found = [experts_chart(run, styles, place, count) for place in range(count)]
    heads = heads_chart(run)
    return found if heads is None else [*found, heads]


def experts_chart(run: RunData, styles: dict[str, LineStyle], place: int, count: int) -> Chart:
    """How one mixture was used: by task late in the run, and over training."""
    records = [record for record in run.updates if len(record.get("experts", [])) > place]
    usage = late_usage(records, place, run.tasks)

    def over_time(what: str, label: str, top: float | None = None) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            for task in run.tasks:
                xs = [float(record["steps"]) for record in records]
                ys = [record["experts"][place][what].get(task) for record in records]
                axes.plot(*binned(xs, ys, _POINTS), linewidth=1.3, **styles[task].keywords)
            axes.set(xlabel="environment steps, all tasks", ylabel=label)
            axes.set_ylim(bottom=0, top=top)
            count_axis(axes, "steps")

        return panel

    dropped = any(max(record["experts"][place]["dropped"].values(), default=0) > 0 for record in records)
    dead = int((np.nanmax(usage, axis=0) * usage.shape[1] < UNUSED).sum())
    which = f" {place + 1} of {count}" if count > 1 else ""
    unused = f" {dead} {'expert is' if dead == 1 else 'experts are'} then not used by any task." if dead else ""
    return Chart(
        name=f"experts-{place + 1}" if count > 1 else "experts",
        title=f"Who uses which expert{which}",
        caption="Share of each expert's weight in each task, mean over the last quarter of the run; over training, "
        f"mean over tasks; and the entropy of these shares step by step.{unused}",
        panels=[
            _usage_panel(usage, run.tasks),
            _training_panel(records, place),
            Panel(draw=over_time("entropy", "nats"), title="Entropy of the routing", width=4.6, height=3.0),
            *([Panel(draw=over_time("dropped", "share"), title="No room", width=4.6, height=3.0)] if dropped else []),
        ],
        legend=run.tasks,
    )


def late_usage(records: list[Record], place: int, tasks: list[str]) -> NDArray[np.float64]:
    """[task, expert] share of weight late in the run; NaN for tasks that were not seen then."""
    late = records[-max(1, round(_LATE * len(records))) :]
    experts = max(len(row) for record in late for row in record["experts"][place]["usage"].values())
    found = np.full((len(tasks), experts), np.nan)
    for i, task in enumerate(tasks):
        rows = [record["experts"][place]["usage"][task] for record in late if task in record["experts"][place]["usage"]]
        if rows:
            found[i] = np.mean(rows, axis=0)
    return found


def heads_chart(run: RunData) -> Chart | None:
    """How alike the heads of the tasks are at the end."""
    records = [record for record in run.evaluations if "heads" in record]
    if not records:
        return None
    last = records[-1]
    found = {name: np.array(matrix, np.float64) for name, matrix in last["heads"].items()}
    limit = max(colour_limit(matrix) for matrix in found.values())
    return Chart(
        name="heads",
        title="How alike the heads are",
        caption=f"Cosine between the last layers of the tasks, all weights laid end to end, after {last['steps']:,} "
        "steps. They start alike.",
        panels=[
            cosine_panel(matrix, run.tasks, limit, title=name, bar=len(found) == 1) for name, matrix in found.items()
        ],
    )


def _training_panel(records: list[Record], place: int) -> Panel:
    """[expert, stretch of training] share of weight, mean over tasks."""
    means = [np.mean(list(record["experts"][place]["usage"].values()), axis=0) for record in records]
    stretches = np.array_split(np.array(means), min(_STRETCHES, len(means)))
    shares = np.array([part.mean(axis=0) for part in stretches]).T
    steps = (float(records[0]["steps"]), float(records[-1]["steps"]) + 1.0)

    def draw(axes: Axes) -> None:
        extent = (*steps, len(shares) + 0.5, 0.5)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto", extent=extent)
        axes.set(xlabel="environment steps, all tasks", ylabel="expert", yticks=range(1, len(shares) + 1))
        axes.grid(visible=False)
        count_axis(axes, "steps")

    return Panel(draw=draw, title="Over training", width=4.6, height=3.0)


def _usage_panel(usage: NDArray[np.float64], tasks: list[str]) -> Panel:
    rows, columns = usage.shape
    numbered = usage.size <= _NUMBERED

    def draw(axes: Axes) -> None:
        image = axes.imshow(usage, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="auto")
        if numbered:
            for row, column in zip(*np.nonzero(np.isfinite(usage)), strict=True):
                value = float(usage[row, column])
                colour = "#ffffff" if value > 0.6 else "#222222"
                axes.text(column, row, number(value), ha="center", va="center", fontsize=8, color=colour)
        else:
            axes.figure.colorbar(image, ax=axes, shrink=0.7, aspect=30).outline.set_visible(False)
        axes.set_xticks(range(columns), [str(k) for k in range(1, columns + 1)])
        axes.set_yticks(range(rows), tasks)
        axes.tick_params(length=0, labelsize=8 if rows <= 20 else 6, labelcolor=INK)
        axes.set_xlabel("expert")
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)

    width = max(3.4, 0.5 * columns + 2.6)
    return Panel(draw=draw, title="By task", width=width, height=max(2.2, 0.3 * rows + 1.0), least=0.8 * width)
