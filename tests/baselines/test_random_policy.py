"""The random policy's figures can be made again, and are what the package ships."""

import dataclasses
import json
from pathlib import Path

import pytest

from baselines.random_policy import main, measure
from tasks.registry import load_suite
from tasks.scores import load_reference


def test_a_tasks_figures_do_not_depend_on_the_rest_of_the_suite() -> None:
    suite = load_suite("popgym-quick")
    together = dict(measure(suite.subset(["HigherLowerEasy", "RepeatFirstEasy"]), trials=5, seed=3))
    alone = dict(measure(suite.subset(["RepeatFirstEasy"]), trials=5, seed=3))
    assert together["popgym:RepeatFirstEasy"] == alone["popgym:RepeatFirstEasy"]
    other = dict(measure(suite.subset(["RepeatFirstEasy"]), trials=5, seed=4))
    assert other != alone


def test_continuous_actions_are_uniform_too() -> None:
    """Gymnasium's own pendulum with torques from -2 to 2, and the shipped figure."""
    (found,) = dict(measure(load_suite("gym:Pendulum-v1"), trials=60, seed=1)).values()
    reference = load_reference("gym:Pendulum-v1")
    assert reference is not None and found.steps == 200
    assert abs(found.mean - reference.random) < 2 * (found.interval[1] - found.mean)


def test_a_fresh_measurement_agrees_with_the_shipped_one() -> None:
    for task_id, result in measure(
        load_suite("popgym-27").subset(["CountRecallEasy", "MineSweeperEasy"]), trials=100, seed=1
    ):
        reference = load_reference(task_id)
        assert reference is not None
        assert abs(result.mean - reference.random) < 2 * (
            result.interval[1] - result.mean
        )  # about four standard errors


def test_the_command_prints_json_and_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "random.json"
    main(["popgym:HigherLowerEasy", "--trials", "3", "--seed", "2", "--out", str(out), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text())
    assert printed["trials"] == 3 and printed["seed"] == 2 and printed["versions"]["popgym"]
    entry = printed["tasks"]["popgym:HigherLowerEasy"]
    assert entry["interval"][0] <= entry["mean"] <= entry["interval"][1] and entry["steps"] == 51


def test_a_task_in_several_suites_is_measured_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "random.json"
    names = ["popgym:HigherLowerEasy", "popgym:RepeatFirstEasy", "popgym:HigherLowerEasy"]
    main([*names, "--attempts", "2", "--trials", "3", "--out", str(out)])
    assert len(capsys.readouterr().out.splitlines()) == 2
    written = json.loads(out.read_text())
    assert list(written["tasks"]) == names[:2]
    assert written["tasks"]["popgym:HigherLowerEasy"]["steps"] == 2 * 51
    assert written["command"] == f"python -m baselines.random_policy {' '.join(names)} --attempts 2 --trials 3 --seed 0"


@pytest.mark.parametrize(
    ("arguments", "says"), [(["popgym-2"], "did you mean"), (["popgym-27", "--trials", "1"], "at least 2")]
)
def test_a_mistake_on_the_command_line_is_explained(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert says in capsys.readouterr().err


def test_the_shipped_figures_are_reproduced_to_the_last_digit() -> None:
    ((task_id, result),) = measure(load_suite("popgym-27").subset(["MineSweeperEasy"]), trials=1000, seed=0)
    reference = load_reference(task_id)
    assert reference is not None
    assert (result.mean, result.interval) == (reference.random, reference.random_interval)


def test_held_out_tasks_are_measured_too() -> None:
    suite = load_suite("babyai-68")
    few = dataclasses.replace(suite, tasks=suite.tasks[:1], held_out=suite.held_out[:1])
    assert set(dict(measure(few, trials=2, seed=0))) == {few.tasks[0].id, few.held_out[0].id}


def test_the_shipped_figures_of_babyai_are_reproduced_to_the_last_digit() -> None:
    ((task_id, result),) = measure(load_suite("babyai-68").subset(["GoToObjS4"]), trials=200, seed=0)
    reference = load_reference(task_id, attempts=2)
    assert reference is not None
    assert (result.mean, result.interval) == (reference.random, reference.random_interval)


def test_a_folder_to_write_to_is_refused_before_anything_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["popgym-27", "--trials", "1000000", "--out", str(tmp_path)])
    assert f"expected a file to write to, found the folder {tmp_path}" in capsys.readouterr().err
