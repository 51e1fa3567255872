"""What TensorBoard shows of architectures: who uses which expert, and how alike heads are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mtrl.report.heat_map import heat_map
from mtrl.report.pictures import Pictures
from mtrl.training.log import TensorBoardLog, scalars


def update(usage: dict[str, list[float]], steps: int = 1) -> dict[str, Any]:
    numbers = dict.fromkeys(usage, 0.5)
    return {
        "kind": "update",
        "steps": steps,
        "experts": [{"usage": usage, "entropy": numbers, "dropped": numbers, "dead": 0}],
    }


def evaluation(*tasks: str, steps: int = 2, **more: Any) -> dict[str, Any]:
    scores = {task: {"return": 0.0, "score": 0.0} for task in tasks}
    return {"kind": "evaluation", "steps": steps, "score": 0.0, "tasks": scores, **more}


def test_use_by_task_is_the_mean_over_updates_since_the_last_evaluation() -> None:
    pictures = Pictures()
    assert not pictures.of(update({"A": [1.0, 0.0], "B": [0.0, 1.0]}))
    assert not pictures.of(update({"A": [0.5, 0.5]}))
    found = pictures.of(evaluation("A", "B", "C"))
    expected = heat_map(np.array([[0.75, 0.25], [0.0, 1.0], [np.nan, np.nan]]), ["A", "B", "C"], ["1", "2"])
    assert list(found) == ["experts_1/usage"] and np.array_equal(found["experts_1/usage"], expected)
    assert not pictures.of(evaluation("A", "B"))
    pictures.of(update({"A": [0.0, 1.0]}))
    again = pictures.of(evaluation("A"))["experts_1/usage"]
    assert np.array_equal(again, heat_map(np.array([[0.0, 1.0]]), ["A"], ["1", "2"]))


def test_every_pair_of_heads_is_in_the_picture() -> None:
    cosines = [[1.0, -0.5], [-0.5, 1.0]]
    found = Pictures().of(evaluation("A", "B", heads={"policy": cosines}))
    assert np.array_equal(found["heads/policy"], heat_map(np.array(cosines), ["A", "B"], ["A", "B"]))


@pytest.mark.parametrize(("tasks", "experts"), [(2, 3), (68, 32)])
def test_use_by_task_is_a_curve_each_where_there_are_few(tasks: int, experts: int) -> None:
    usage = {f"T{k}": np.roll(np.eye(experts)[0], k).tolist() for k in range(tasks)}
    found = scalars(update(usage))
    assert found["experts_1_usage/1"] == pytest.approx(np.mean([shares[0] for shares in usage.values()]))
    by_task = {tag: value for tag, value in found.items() if tag.startswith("experts_1_usage_")}
    assert len(by_task) == (6 if tasks == 2 else 0)
    if by_task:
        assert by_task["experts_1_usage_2/T1"] == 1.0 and by_task["experts_1_usage_2/T0"] == 0.0


def test_the_event_file_holds_the_pictures(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path, Pictures().of)
    log.write(update({"A": [1.0, 0.0]}))
    log.write(evaluation("A", "B", heads={"policy": [[1.0, 0.0], [0.0, 1.0]]}))
    log.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert sorted(events.Tags()["images"]) == ["experts_1/usage", "heads/policy"]


def test_colours_say_sign_and_size_and_what_is_not_known() -> None:
    picture = heat_map(np.array([[0.0, 1.0, -1.0, np.nan]]), ["a name"], ["1", "2", "3", "4"])
    middle = picture[6 + 18 + 3]  # above the numbers
    known = [tuple(middle[len(middle) - 6 - 46 * back + 4]) for back in (4, 3, 2, 1)]
    assert known == [(255, 255, 255), (0, 114, 178), (178, 24, 43), (222, 225, 230)]


def test_many_entries_have_no_numbers_and_take_less_room() -> None:
    names = [f"Task{k}" for k in range(68)]
    picture = heat_map(np.zeros((68, 32)), names, [str(k) for k in range(32)])
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and picture.shape[1] < 32 * 18 + 120
