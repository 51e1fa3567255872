"""All figures of one condition, in the order of the page."""

import re

from mtrl.report.study.against import TaskDifference
from mtrl.report.study.figures.adaptation import adaptation_figure
from mtrl.report.study.figures.conflict import conflict_figure, cosine_figure
from mtrl.report.study.figures.curves import curves_figure
from mtrl.report.study.figures.figure import StudyFigure
from mtrl.report.study.figures.learning import imitated_figure, norms_figure, targets_figure
from mtrl.report.study.figures.scores import aggregates_figure, improvement_figure, profile_figure
from mtrl.report.study.figures.tasks import differences_figure, tasks_figure
from mtrl.report.study.findings import ConditionFindings
from mtrl.report.study.folder import Study
from mtrl.report.words import listed
from mtrl.study.methods import ALONE

_NOT_ALONE = "Learning together, against learning alone"


def _transfer_caption(differences: list[TaskDifference]) -> str:
    caption = (
        "Score of the agent that learns all tasks, minus that of agents that learn this task alone (the axis names the "
        "method), paired by seed."
    )
    other = list(dict.fromkeys(entry.method for entry in differences if not entry.reference.transfer))
    if other:
        caption += (
            f" Of {listed(other)} the study has no such agents with the same settings: they are compared with "
            f"{ALONE} under the base settings, so that their panels show what their own settings do as well, and not "
            "transfer alone."
        )
    return caption


def condition_figures(study: Study, found: ConditionFindings) -> list[StudyFigure]:
    """Those that the results allow; their names end in the condition's where there are several."""
    result = found.result
    end = "" if len(study.conditions) == 1 else "-" + re.sub(r"[^A-Za-z0-9.]+", "-", result.name).strip("-")
    drawn = [
        aggregates_figure(result, f"scores{end}"),
        curves_figure(study, result, f"curves{end}"),
        adaptation_figure(study, result.name, f"adaptation{end}"),
        profile_figure(result, f"profiles{end}"),
        improvement_figure(result, f"improvement{end}"),
        tasks_figure(result, f"tasks{end}"),
        differences_figure(
            result,
            found.transferred,
            f"transfer{end}",
            title="Transfer" if all(entry.reference.transfer for entry in found.transferred) else _NOT_ALONE,
            caption=_transfer_caption(found.transferred),
        ),
        cosine_figure(study, result.name, f"cosine{end}"),
        conflict_figure(study, result.name, f"conflict{end}"),
        differences_figure(
            result,
            found.sacrificed,
            f"sacrificed{end}",
            title="Which tasks a method sacrifices",
            caption=f"Score on each task minus that of {study.baseline}, paired by seed; left of 0 the method is the "
            "worse one.",
        ),
        imitated_figure(study, result.name, f"imitated{end}"),
        norms_figure(study, result.name, f"norms{end}"),
        targets_figure(study, result.name, f"targets{end}"),
    ]
    return [figure for figure in drawn if figure is not None]
