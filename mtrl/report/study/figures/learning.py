"""What explains the scores: imitated transitions, gradient norms, and where the value targets lie."""

from collections.abc import Callable
from typing import Any

from mtrl.report.records import Record
from mtrl.report.study.figures.figure import StudyFigure
from mtrl.report.study.figures.over_training import Measure, TaskSeries, measures_figure, task_lines_figure
from mtrl.report.study.folder import Study
from mtrl.report.study.series import conflict_series, learning_series


def imitated_figure(study: Study, condition: str, name: str) -> StudyFigure | None:
    """The share of imitated transitions of every method that records it."""
    found = {
        ("share_imitated", method): series
        for method in study.method_names
        if (series := learning_series(study, condition, method, lambda record: record.get("share_imitated")))
        is not None
    }
    caption = "Share of the transitions of a batch whose action the actor imitates."
    measures = {"share_imitated": Measure(title="", label="imitated transitions (%)", factor=100.0)}
    return measures_figure(study, name, "Imitated transitions", caption, measures, found)


def norms_figure(study: Study, condition: str, name: str) -> StudyFigure | None:
    """The gradient norm of every task over training."""

    def read(task: str) -> Callable[[Record], Any]:
        return lambda record: (record.get("norms") or {}).get(task)

    found = {
        (method, task): TaskSeries(middle=series)
        for method in study.method_names
        for task in _tasks(study, condition, _norms)
        if (series := conflict_series(study, condition, method, read(task))) is not None
    }
    caption = "Norm of each task's gradient on the shared parameters."
    return task_lines_figure(study, name, "Gradient norm of each task", caption, "gradient norm", found, log=True)


def targets_figure(study: Study, condition: str, name: str) -> StudyFigure | None:
    """Where the critics' targets lie, task by task."""

    def read(task: str, what: str) -> Callable[[Record], Any]:
        return lambda record: ((record.get("target") or {}).get(task) or {}).get(what)

    found = {
        (method, task): TaskSeries(
            middle=middle,
            low=learning_series(study, condition, method, read(task, "low")),
            high=learning_series(study, condition, method, read(task, "high")),
        )
        for method in study.method_names
        for task in _tasks(study, condition, _targets)
        if (middle := learning_series(study, condition, method, read(task, "mean"))) is not None
    }
    caption = (
        "What the critics are taught, in trained rewards. Line: the mean target; area: from the lowest to the highest."
    )
    return task_lines_figure(study, name, "Value targets of each task", caption, "target", found, log=False)


def _tasks(study: Study, condition: str, entries: Callable[[Record], list[dict[str, Any]]]) -> list[str]:
    records = [record for method in study.method_names for record in study.done(condition, method).values()]
    return list(dict.fromkeys(str(task) for record in records for entry in entries(record) for task in entry))


def _norms(record: Record) -> list[dict[str, Any]]:
    over_time = (record.get("conflict") or {}).get("over_time") or []
    return [entry["norms"] for entry in over_time if entry.get("norms")]


def _targets(record: Record) -> list[dict[str, Any]]:
    return [entry["target"] for entry in record.get("learning") or [] if entry.get("target")]
