"""The commands on suite files: check, preview, description, speed, and a run."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import run
from mtrl.commands import Train, parse
from tests.cli.conftest import TINY, Call

GOOD = """
name: pair
description: A pair.
invalid_actions: mask
tasks:
- popgym:RepeatFirstEasy
- {id: gym:CartPole-v1, name: pole, reward_scale: 0.5, max_steps: 500}
"""
BAD = "tasks:\n- popgym:RepeatFirstEazy\n- id: gym:CartPole-v1\n  attempts: 0\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "pair.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    return path


def test_check_says_that_a_file_is_fine(call: Call, good: Path) -> None:
    answer = call("suites", "check", good)
    assert (answer.code, answer.out, answer.err) == (0, f"{good} is fine: 2 tasks\n", "")


def test_check_names_every_problem_with_its_line(call: Call, bad: Path) -> None:
    answer = call("suites", "check", bad)
    assert (answer.code, answer.out) == (2, "")
    first, second, last = answer.err.splitlines()
    assert first.startswith(f"{bad}:2: ") and "RepeatFirstEasy" in first
    assert second.startswith(f"{bad}:4: attempts: expected a whole number of at least 1, found 0; ")
    assert last == f"run.py: {bad} has 2 problems"


def test_check_speaks_json(call: Call, good: Path, bad: Path) -> None:
    answer = call("suites", "check", good, "--json")
    assert json.loads(answer.out) == {
        "file": str(good),
        "ok": True,
        "tasks": ["RepeatFirstEasy", "pole"],
        "problems": [],
    }
    answer = call("suites", "check", bad, "--json")
    found = json.loads(answer.out)
    assert (answer.code, found["ok"]) == (2, False)
    assert [problem["line"] for problem in found["problems"]] == [2, 4]
    assert all(set(problem) == {"file", "line", "problem", "remedy"} for problem in found["problems"])


@pytest.mark.parametrize("command", ["train {}", "suites {}", "suites preview {} --out x"])
def test_other_commands_refuse_a_wrong_file_with_all_its_problems(
    command: str, call: Call, bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "carry_out", lambda command: pytest.fail(f"was carried out: {command}"))
    answer = call(*command.format(bad).split())
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"run.py: {bad} has 2 problems:\n  {bad}:2: ") and "Traceback" not in answer.err


def test_a_suite_shows_its_tasks_spaces_padding_protocol_scores_and_speed(call: Call, good: Path) -> None:
    found = json.loads(call("suites", good, "--speed", "--json").out)
    first, pole = found["tasks"]
    assert (first["observation"], pole["observation"]) == ({"vector": [4]}, {"vector": [4]})
    assert (first["actions"], pole["actions"], found["num_actions"]) == (4, 2, 4)
    assert found["padding"] == 0 and found["sampling"] == "uniform" and found["continuous"] is False
    assert (pole["reward_scale"], pole["max_steps"], pole["split"]) == (0.5, 500, "train")
    assert first["random"] == pytest.approx(-0.5, abs=0.05) and pole["random"] == pytest.approx(22, abs=2)
    assert first["steps_per_second"] > 100 and pole["steps_per_second"] > 100
    answer = call("suites", good)
    assert answer.code == 0
    for word in ("pole", "vector 4", "0% of the simulators' numbers are padding", "max steps", "0.5"):
        assert word in answer.out
    assert "steps/s" not in answer.out


def test_preview_draws_every_task_and_writes_the_random_returns(call: Call, good: Path, tmp_path: Path) -> None:
    out = tmp_path / "preview"
    answer = call("suites", "preview", good, "--out", out, "--trials", 4)
    assert answer.code == 0
    assert answer.out.split() == [str(out / "preview.png"), str(out / "scores.json")]
    found = json.loads((out / "scores.json").read_text())
    assert set(found["tasks"]) == {"RepeatFirstEasy", "pole"} and found["trials"] == 4
    first, pole = found["tasks"].values()
    assert -1 <= first["return"] <= 1 and first["steps"] == 51
    # A pole pays 1 a step, so its return is its length; the scale of the trained reward does not show.
    assert pole["return"] == pytest.approx(pole["steps"], abs=0.06) and 8 <= pole["steps"] <= 40
    assert pole["interval"][0] <= pole["return"] <= pole["interval"][1]
    with Image.open(out / "preview.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert picture.width > 700 and picture.height > 200
    assert len(np.unique(pixels, axis=0)) > 30
    again = tmp_path / "again"
    call("suites", "preview", good, "--out", again, "--trials", 4)
    assert (again / "preview.png").read_bytes() == (out / "preview.png").read_bytes()


def test_preview_does_not_write_over_a_file(call: Call, good: Path) -> None:
    answer = call("suites", "preview", good, "--out", good)
    assert answer.code == 2 and "is a file" in answer.err and good.read_text() == GOOD


def test_a_run_on_a_file_is_trained_and_evaluated(call: Call, good: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert call("train", good, *TINY, "--out", out).code == 0
    answer = call("evaluate", out, "--episodes", 2, "--json")
    assert set(json.loads(answer.out)["tasks"]) == {"RepeatFirstEasy", "pole"}


def test_a_third_partys_tasks_are_trained_beside_ours(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "suites.md").read_text()
    start = text.index("```python\n# corridors/tasks.py") + len("```python\n")
    (tmp_path / "their_corridors.py").write_text(text[start : text.index("```", start)])
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "both.yaml"
    path.write_text(
        "invalid_actions: mask\n"
        "tasks:\n"
        "- {make: their_corridors:Hallway, name: hall, options: {length: 3}, max_steps: 30}\n"
        "- popgym:RepeatFirstEasy\n"
    )
    out = tmp_path / "run"
    assert call("train", path, *TINY, "--out", out).code == 0
    found = json.loads(call("evaluate", out, "--episodes", 4, "--json").out)["tasks"]
    assert 0 <= found["hall"]["return"] <= 1 and found["hall"]["score"] is None


def test_the_default_folder_of_a_run_is_named_after_the_file(good: Path) -> None:
    command = parse(["train", str(good)])
    assert isinstance(command, Train) and str(command.folder) == "runs/pair-mean-s0"
