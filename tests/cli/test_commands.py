"""The commands end to end on a tiny run, and the contracts of their JSON."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import run
from mtrl.commands import Train, parse

TINY = [
    *("--steps", "960", "--start-steps", "300", "--slots", "4", "--steps-per-update", "32", "--log-every", "1"),
    *("--width", "8", "--attention-heads", "2", "--layers", "1", "--context", "8", "--head-width", "8"),
    *("--sequences", "4", "--evaluate-trials", "2", "--evaluate-every", "480", "--checkpoint-every", "320"),
]


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that works prints on standard output."""
    assert run.main(arguments) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one task, with both kinds of gradients measured."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert run.main(["train", "popgym:RepeatFirstEasy", *TINY, "--measure-every", "5", "--out", str(out)]) == 0
    return out


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_suites_json_lists_suites_and_describes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "popgym-27" in printed(["suites", "--json"], capsys)
    described = json.loads(printed(["suites", "popgym-27", "--json"], capsys))
    assert len(described["tasks"]) == 27
    assert {"AutoencodeEasy", "MineSweeperEasy"} < {task["name"] for task in described["tasks"]}


def test_methods_json_is_an_object_of_lists(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(["methods", "--json"], capsys))
    assert all(isinstance(names, list) and names for names in found.values())
    assert {"mean", "pcgrad"} <= set(found["strategies"])
    assert {"none", "gradnorm", "popart"} <= set(found["rescalings"])
    assert {"regression", "two-hot", "hl-gauss"} <= set(found["critics"])
    assert set(found["actors"]) == {"filtered", "policy-gradient"}
    assert set(found["memories"]) == {"gru", "transformer"}


def test_every_name_that_methods_lists_can_be_trained(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(["methods", "--json"], capsys))
    flags = {"strategies": "--strategy", "rescalings": "--rescaling", "critics": "--critic", "actors": "--actor"}
    for kind, flag in flags.items():
        for name in found[kind]:
            assert isinstance(parse(["train", "popgym-quick", flag, name]), Train)


def test_the_flags_of_the_contract_are_understood() -> None:
    line = (
        "train popgym-quick --strategy pcgrad --rescaling none --critic two-hot --actor filtered --memory transformer "
        "--steps 300000 --seed 0 --out runs/x"
    )
    command = parse(line.split())
    assert isinstance(command, Train)
    config = command.config
    assert (config.conflict.strategy, config.conflict.rescaling, config.learning.critic) == (
        "pcgrad",
        "none",
        "two-hot",
    )
    assert (config.learning.actor, config.agent.memory, config.loop.steps) == ("filtered", "transformer", 300_000)
    assert command.folder == Path("runs/x")


def test_evaluate_json_has_a_score_and_every_task(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(["evaluate", str(folder), "--episodes", "3", "--json"], capsys))
    (task,) = found["tasks"].values()
    assert found["score"] == pytest.approx(task["score"])
    assert task["interval"][0] <= task["return"] <= task["interval"][1]
    assert task["trials"] == 3 and len(task["attempts"]) == 1
    assert math.isfinite(task["score"])
    again = json.loads(printed(["evaluate", str(folder), "--episodes", "3", "--json"], capsys))
    assert again == found


def test_evaluate_prints_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "RepeatFirstEasy" in printed(["evaluate", str(folder), "--episodes", "2"], capsys)


def test_report_writes_a_page_and_pictures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(["report", str(folder)], capsys)
    assert (folder / "report.html").is_file()
    assert "report.html" in out
    assert list((folder / "report-figures").glob("*.png"))


def test_a_run_records_what_it_did(folder: Path) -> None:
    kinds = {record["kind"] for record in records(folder)}
    assert kinds == {"start", "update", "collect", "conflict", "evaluation", "end"}
    assert json.loads((folder / "config.json").read_text())["loop"]["steps"] == 960
    assert list((folder / "tensorboard").iterdir())


def test_resuming_cuts_what_lies_beyond_the_checkpoint_and_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    short = ["train", "popgym:RepeatFirstEasy", *TINY, "--measure-every", "5", "--out", str(out)]
    assert run.main(short) == 0
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"kind":"update","steps":5000}\n{"kind":"upd')
    assert run.main(["train", "popgym:RepeatFirstEasy", "--resume", "--steps", "1280", "--out", str(out)]) == 0
    found = records(out)
    steps = [record["steps"] for record in found]
    assert steps == sorted(steps) and steps[-1] == 1280
    assert json.loads((out / "config.json").read_text())["loop"]["steps"] == 1280
    updates = [record["updates"] for record in found if record["kind"] == "update"]
    assert updates == sorted(set(updates))


def test_resuming_with_another_setting_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "popgym:RepeatFirstEasy", "--resume", "--out", str(folder), "--learning-rate", "0.5"]
    assert run.main(line) == 1
    err = capsys.readouterr().err
    assert "other settings: update.learning_rate" in err and "0.5" in err
