"""How much the task gradients fight under each method, over training and pair by pair."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtrl.report.drawing import Chart
from mtrl.report.matrix import colour_limit, cosine_panel
from mtrl.report.records import Record
from mtrl.report.study.figures.figure import StudyFigure
from mtrl.report.study.figures.over_training import Measure, measures_figure
from mtrl.report.study.folder import Study
from mtrl.report.study.numbers import Numbers
from mtrl.report.study.series import conflict_series
from mtrl.study.statistics.conflicts import MeanCosine, cluster_order, mean_cosine

_MEASURES = {
    "conflict_rate": Measure(title="Conflict rate", label="pairs in conflict (%)", factor=100.0),
    "norm_spread": Measure(title="Norm spread", label="largest / least norm", log=True),
    "effective_tasks": Measure(title="Effective tasks in the update", label="tasks"),
}


def conflict_figure(study: Study, condition: str, name: str) -> StudyFigure | None:
    """Conflict rate, norm spread and effective number of tasks of every method over training."""

    def read(measure: str) -> Callable[[Record], Any]:
        return lambda record: record.get(measure)

    found = {
        (measure, method): series
        for measure in _MEASURES
        for method in study.method_names
        if (series := conflict_series(study, condition, method, read(measure))) is not None
    }
    caption = (
        "Of the task gradients on the shared parameters. Conflict rate: share of task pairs whose gradients have a "
        "negative cosine (gradients without any relation: half of the pairs). Norm spread: largest over least gradient "
        "norm. Effective tasks: how many tasks make up the update."
    )
    return measures_figure(study, name, "How much the tasks fight", caption, _MEASURES, found)


def cosine_figure(study: Study, condition: str, name: str) -> StudyFigure | None:
    """A matrix a method, all with the tasks in one order that puts aligned tasks together."""
    measured = {method: _mean_cosine(study, condition, method) for method in study.method_names}
    found = {method: cosines for method, cosines in measured.items() if np.isfinite(_apart(cosines)).any()}
    if not found:
        return None
    together = mean_cosine((cosines.tasks, cosines.cosine.tolist()) for cosines in found.values())
    tasks = [together.tasks[place] for place in cluster_order(together.cosine)]
    matrices = {method: _in_order(cosines, tasks) for method, cosines in found.items()}
    limit = max(colour_limit(matrix) for matrix in matrices.values())
    return StudyFigure(
        chart=Chart(
            name=name,
            title="Which tasks fight",
            caption="Cosine between the task gradients on the shared parameters, mean over training and seeds; red is "
            "conflict. The tasks stand in the order that puts aligned ones together (average linkage, of the mean over "
            f"methods); it is the same in all matrices, and the colours reach to ±{limit:g} in all.",
            panels=[cosine_panel(matrix, tasks, limit, title=method, bar=False) for method, matrix in matrices.items()],
        ),
        styles={},
        numbers=Numbers(
            columns=("method", "task", "other_task", "mean_cosine"),
            rows=[
                (method, first, second, float(matrix[i, j]))
                for method, matrix in matrices.items()
                for i, first in enumerate(tasks)
                for j, second in enumerate(tasks)
            ],
        ),
    )


def _mean_cosine(study: Study, condition: str, method: str) -> MeanCosine:
    conflicts = [record.get("conflict") for record in study.done(condition, method).values()]
    try:
        return mean_cosine((entry["tasks"], entry["cosine"]) for entry in conflicts if entry and entry.get("cosine"))
    except ValueError as error:
        raise ValueError(f"method {method}, condition {condition}: {error}") from error


def _apart(cosines: MeanCosine) -> NDArray[np.float64]:
    return np.asarray(cosines.cosine[~np.eye(len(cosines.tasks), dtype=bool)])


def _in_order(cosines: MeanCosine, tasks: list[str]) -> NDArray[np.float64]:
    whole = np.full((len(tasks), len(tasks)), np.nan)
    places = [tasks.index(name) for name in cosines.tasks]
    whole[np.ix_(places, places)] = cosines.cosine
    return whole
