"""The contracts of --json: nothing but JSON on standard output, with the names that programs rely on."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mtrl.commands import Train, parse
from tests.cli.conftest import Call

ROOT = Path(__file__).parents[2]
FLAGS = {
    "strategies": ("--strategy", "conflict", "strategy"),
    "rescalings": ("--rescaling", "conflict", "rescaling"),
    "critics": ("--critic", "learning", "critic"),
    "actors": ("--actor", "learning", "actor"),
    "memories": ("--memory", "agent", "memory"),
    "target_ensembles": ("--target-ensemble", "learning", "target_ensemble"),
    "heads": ("--heads", "sharing", "heads"),
    "conditionings": ("--conditioning", "sharing", "conditioning"),
    "experts": ("--experts", "experts", "experts"),
    "invalid_actions": ("--invalid-actions", "play", "invalid_actions"),
}
NEEDS = {("heads", "group"): ("--head-groups", "RepeatFirstEasy", "mine")}
"""What must be said beside a name."""


def spoken(call: Call, *arguments: object) -> Any:
    """The JSON that a command prints."""
    answer = call(*arguments, "--json")
    assert answer.code == 0
    return strict(answer.out)


def strict(text: str) -> Any:
    """JSON without NaN and infinity, which other readers refuse."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_suites_json_counts_the_tasks_of_every_suite(call: Call) -> None:
    found = spoken(call, "suites")
    counts = {suite["name"]: suite["tasks"] for suite in found["suites"]}
    assert counts.items() >= {"popgym-27": 27, "popgym-quick": 5, "classic-control": 3}.items()
    assert all(suite["description"] for suite in found["suites"])


@pytest.mark.parametrize(
    ("name", "count", "member"),
    [
        ("popgym-27", 27, "MineSweeperEasy"),
        ("popgym-quick", 5, "RepeatPreviousEasy"),
        ("popgym:CountRecallHard", 1, "CountRecallHard"),
    ],
)
def test_suites_json_of_one_suite_lists_its_tasks_by_name(name: str, count: int, member: str, call: Call) -> None:
    found = spoken(call, "suites", name)
    assert found["name"] == name
    names = [task["name"] for task in found["tasks"]]
    assert len(set(names)) == len(names) == count and member in names
    assert all(1 <= task["actions"] <= found["num_actions"] for task in found["tasks"])
    assert all(task["best"] is None or task["random"] < task["best"] for task in found["tasks"])


def test_methods_json_is_an_object_of_lists_of_names(call: Call) -> None:
    found = spoken(call, "methods")
    assert set(found) == {"methods", "parts", *FLAGS}
    assert {"mean", "pcgrad", "pcgrad+two-hot", "single-task"} <= set(found["methods"])
    for names in found.values():
        assert names and len(set(names)) == len(names) and all(isinstance(name, str) for name in names)
    assert {"mean", "pcgrad"} <= set(found["strategies"])
    assert {"none", "gradnorm", "popart"} <= set(found["rescalings"])
    assert {"regression", "two-hot", "hl-gauss"} <= set(found["critics"])
    assert set(found["actors"]) == {"filtered", "policy-gradient", "ppo"}
    assert {"gru", "transformer", "linear-attention"} == set(found["memories"])


@pytest.mark.parametrize("kind", FLAGS)
def test_every_name_that_methods_lists_can_be_chosen(kind: str, call: Call) -> None:
    flag, group, field = FLAGS[kind]
    for name in spoken(call, "methods")[kind]:
        command = parse(["train", "popgym-quick", flag, name, *NEEDS.get((kind, name), ())])
        assert isinstance(command, Train)
        assert getattr(getattr(command.config, group), field) == name


def test_evaluate_json_has_a_score_and_the_return_score_and_interval_of_every_task(call: Call, trained: Path) -> None:
    found = spoken(call, "evaluate", trained, "--episodes", 3)
    assert set(found["tasks"]) == {"RepeatFirstEasy"}
    task = found["tasks"]["RepeatFirstEasy"]
    assert found["score"] == pytest.approx(task["score"])
    assert task["interval"][0] <= task["return"] <= task["interval"][1]
    assert task["score_interval"][0] <= task["score"] <= task["score_interval"][1]
    assert -1 <= task["return"] <= 1 and math.isfinite(task["score"])
    assert (task["trials"], len(task["attempts"]), found["steps"]) == (3, 1, 960)
    assert json.loads((trained / "evaluation.json").read_text()) == found
    assert spoken(call, "evaluate", trained, "--episodes", 3) == found
    assert spoken(call, "evaluate", trained, "--episodes", 3, "--seed", 1)["tasks"] != found["tasks"]


def test_one_episode_has_no_interval(call: Call, trained: Path) -> None:
    task = spoken(call, "evaluate", trained, "--episodes", 1)["tasks"]["RepeatFirstEasy"]
    assert task["interval"] is None and task["score_interval"] is None


def test_a_fresh_process_prints_nothing_but_json(trained: Path) -> None:
    # What simulators print when they are first imported shows in no other test.
    for arguments in (["suites", "popgym-quick"], ["evaluate", str(trained), "--episodes", "1"]):
        done = subprocess.run(
            [sys.executable, "run.py", *arguments, "--json"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert strict(done.stdout)["tasks"]
