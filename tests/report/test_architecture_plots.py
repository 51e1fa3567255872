"""The charts of what tasks share."""

from typing import Any

import numpy as np
import pytest

from mtrl.report.architecture_plots import architecture_charts, late_usage
from mtrl.report.drawing import line_styles
from mtrl.report.records import RunData

TASKS = ["A", "B"]


def update(steps: int, usage: dict[str, list[float]], *, mixtures: int = 1, dropped: float = 0.0) -> dict[str, Any]:
    one = {
        "usage": usage,
        "entropy": dict.fromkeys(usage, 0.5),
        "dropped": dict.fromkeys(usage, dropped),
        "dead": 1,
    }
    return {"kind": "update", "steps": steps, "updates": steps, "experts": [one] * mixtures}


def data(**more: Any) -> RunData:
    return RunData(name="x", settings={}, tasks=TASKS, **more)


def test_usage_is_that_of_the_last_quarter() -> None:
    early, late = {"A": [1.0, 0.0], "B": [1.0, 0.0]}, {"A": [0.0, 1.0]}
    records = [update(step, early if step < 6 else late) for step in range(8)]
    found = late_usage(records, 0, TASKS)
    np.testing.assert_array_equal(found[0], [0.0, 1.0])
    assert np.isnan(found[1]).all()


def test_an_expert_that_no_task_uses_late_is_named() -> None:
    run = data(updates=[update(step, {"A": [1.0, 0.0], "B": [1.0, 0.004]}) for step in range(8)])
    (chart,) = architecture_charts(run, line_styles(TASKS))
    assert "1 expert is then not used by any task" in chart.caption
    run = data(updates=[update(step, {"A": [1.0, 0.0], "B": [0.5, 0.5]}) for step in range(8)])
    assert "not used" not in architecture_charts(run, line_styles(TASKS))[0].caption


@pytest.mark.parametrize("mixtures", [1, 2])
def test_every_mixture_has_a_chart_and_rows_without_room_a_panel(mixtures: int) -> None:
    usage = {"A": [0.5, 0.5], "B": [1.0, 0.0]}
    run = data(updates=[update(step, usage, mixtures=mixtures, dropped=0.1 * mixtures - 0.1) for step in range(8)])
    found = architecture_charts(run, line_styles(TASKS))
    assert [chart.name for chart in found] == (["experts"] if mixtures == 1 else ["experts-1", "experts-2"])
    assert len(found[0].panels) == 2 + mixtures


def test_heads_are_drawn_as_they_were_last() -> None:
    def heads(cosine: float) -> dict[str, Any]:
        matrix = [[1.0, cosine], [cosine, 1.0]]
        return {"kind": "evaluation", "steps": 100, "score": None, "heads": {"policy": matrix, "critics": matrix}}

    (chart,) = architecture_charts(data(evaluations=[heads(0.9), heads(0.2)]), line_styles(TASKS))
    assert chart.name == "heads" and [panel.title for panel in chart.panels] == ["policy", "critics"]


def test_where_tasks_share_everything_there_is_nothing_to_draw() -> None:
    plain = {"kind": "update", "steps": 1, "updates": 1, "loss": {"A": 1.0}}
    assert architecture_charts(data(updates=[plain], conflicts=[]), line_styles(TASKS)) == []
