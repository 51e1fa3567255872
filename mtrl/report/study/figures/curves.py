"""Scores while the agents learn, over environment steps, updates and wall-clock."""

from collections.abc import Callable

from matplotlib.axes import Axes

from mtrl.report.drawing import Chart, Panel, method_styles
from mtrl.report.marks import band, count_axis, end_labels, line, time_unit
from mtrl.report.study.curves import Curve, score_curve
from mtrl.report.study.figures.figure import StudyFigure, groups, numbered
from mtrl.report.study.folder import Study
from mtrl.report.study.numbers import Numbers
from mtrl.report.study.results import ConditionResult
from mtrl.report.words import number

_FLOOR = -0.5
"""Lower scores are not drawn: a method that diverged would press the others flat."""
_AXES = {"steps": "environment steps", "updates": "updates", "seconds": "wall-clock"}


def curves_figure(study: Study, result: ConditionResult, name: str) -> StudyFigure | None:
    """The mean score of every method during training."""
    found = {method: score_curve(study, result.name, method, result.seed_tasks) for method in study.method_names}
    curves = {method: curve for method, curve in found.items() if curve is not None}
    if not curves:
        return None
    styles = method_styles(study.method_names, study.baseline)
    together = groups(list(curves), study.baseline)
    unit, time_label = time_unit(max(float(curve.seconds[-1]) for curve in curves.values()))
    labels = {"steps": "environment steps, all tasks", "updates": "updates", "seconds": time_label}
    floor = max(_FLOOR, min(0.0, *(float(curve.value.min()) for curve in curves.values())))
    top = max(1.02, max(float(curve.value.max()) for curve in curves.values()) + 0.1)

    def xs(curve: Curve, axis: str) -> list[float]:
        values = {"steps": curve.steps, "updates": curve.updates, "seconds": curve.seconds / unit}[axis]
        return [float(value) for value in values]

    def draw(axis: str, methods: list[str]) -> Callable[[Axes], None]:
        def panel(axes: Axes) -> None:
            for method in methods:
                curve, style = curves[method], styles[method]
                band(axes, list(zip(xs(curve, axis), curve.low, curve.high, strict=True)), style.colour, alpha=0.12)
                line(axes, xs(curve, axis), curve.value.tolist(), style)
            axes.set(xlabel=labels[axis], ylabel="mean normalised score")
            count_axis(axes, axis)
            axes.set_ylim(floor - 0.03, top)
            ends = [
                (xs(curves[method], axis)[-1], max(float(curves[method].value[-1]), floor), method, styles[method])
                for method in methods
            ]
            end_labels(axes, ends, height=2.4)

        return panel

    low = f" The axis ends at {number(floor, 1)}: lower scores are in the CSV." if floor == _FLOOR else ""
    return StudyFigure(
        chart=Chart(
            name=name,
            title="Learning curves",
            caption="Mean normalised score of the evaluations during training. Bands: pointwise 95% t-intervals over "
            "seeds; a method with one seed has none. Failed seeds have no curve. Wall-clock is that of the machine at "
            f"the time, with whatever else it did.{low}",
            panels=[
                Panel(
                    draw=draw(axis, methods),
                    title=numbered(f"over {title}", place, len(together)),
                    width=4.0,
                    height=3.0,
                )
                for place, methods in enumerate(together)
                for axis, title in _AXES.items()
            ],
        ),
        styles=styles,
        numbers=Numbers(
            columns=("method", "seeds", "steps", "updates", "seconds", "score", "low", "high"),
            rows=[
                (method, curve.seeds, *(float(value) for value in point))
                for method, curve in curves.items()
                for point in zip(
                    curve.steps, curve.updates, curve.seconds, curve.value, curve.low, curve.high, strict=True
                )
            ],
        ),
    )
