"""Every mistake on the command line ends with code 2 and one message that says what was expected and found."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import run
from mtrl.config import to_json
from mtrl.presets import preset
from tests.cli.conftest import SUITE, Answer, Call

TRAIN = "train popgym-quick "
MISTAKES = [
    # what was typed, what was expected, what was found
    (
        "",
        "Expected one of {train, evaluate, adapt, compare, stress, suites, methods, report, play}",
        "Missing subcommand",
    ),
    ("bogus", "train, evaluate, adapt, compare, stress, suites, methods, report", "Unrecognized options: bogus"),
    ("train", "A suite, or one task", "Missing"),
    ("train popgym-quik", "did you mean popgym-quick", "unknown suite 'popgym-quik'"),
    ("train Bogus", "known are: popgym-27, popgym-quick", "unknown suite 'Bogus'"),
    ("train popgym:RepeatFirstEazy", "did you mean RepeatFirstEasy", "unknown popgym task 'RepeatFirstEazy'"),
    ("train popgyn:RepeatFirstEasy", "did you mean popgym", "'popgyn'"),
    ("train --strategy pcgrad", "A suite, or one task", "Missing"),
    (TRAIN + "more", "run.py train --help", "Unrecognized options: more"),
    (TRAIN + "--strategy pcgradd", "'pcgrad'", "invalid choice 'pcgradd'"),
    (TRAIN + "--rescaling popartt", "'popart'", "invalid choice 'popartt'"),
    (TRAIN + "--critic twohot", "'two-hot'", "invalid choice 'twohot'"),
    (TRAIN + "--actor trpo", "'filtered', 'policy-gradient'", "invalid choice 'trpo'"),
    (TRAIN + "--memory lstm", "'transformer', 'linear-attention', 'gru'", "invalid choice 'lstm'"),
    (TRAIN + "--no-such-flag 1", "run.py train --help", "Unrecognized options: --no-such-flag"),
    (TRAIN + "--stratgy pcgrad", "Perhaps you meant: --strategy", "--stratgy"),
    (TRAIN + "--steps", "Expected 1 value", "argument '--steps'"),
    (TRAIN + "--steps many", "expected a whole number such as 300000", "'many'"),
    (TRAIN + "--steps 1e5", "expected a whole number such as 300000", "'1e5'"),
    (TRAIN + "--learning-rate fast", "FLOAT", "'fast'"),
    (TRAIN + "--learning-rate nan", "--learning-rate: expected a number", "'nan'"),
    (TRAIN + "--discounts 0.5 nan", "--discounts", "'nan'"),
    (TRAIN + "--seed 99999999999999999999", "--seed: expected a whole number of 64 bits", "99999999999999999999"),
    (TRAIN + "--weight-decay NaN", "--weight-decay: expected a number", "'NaN'"),
    (TRAIN + "--steps -5", "steps: expected at least 1", "found -5"),
    (TRAIN + "--seed -1", "seed: expected at least 0", "found -1"),
    (TRAIN + "--context -1", "context: expected a whole number of at least 1", "found -1"),
    (TRAIN + "--learning-rate -0.1", "expected a number above 0", "found -0.1"),
    (TRAIN + "--warmup-attempts -1", "warmup_attempts >= 0", "-1"),
    (TRAIN + "--explore-from 2", "expected shares in [0, 1]", "found 2.0"),
    (TRAIN + "--width 7", "expected an even number", "found 7"),
    (TRAIN + "--steps 300", "must exceed start_steps 5000", "steps 300"),
    (TRAIN + "--steps-per-update 63", "not a multiple of slots 16", "steps_per_update 63"),
    (TRAIN + "--acting-discount 0.7", "among the discounts (0.5, 0.9)", "0.7"),
    (TRAIN + "--tasks-per-update 9 --sequences 3", "at least as many sequences", "tasks_per_update 9"),
    (TRAIN + "--device gpu", "expected cpu, cuda", "found 'gpu'"),
    (TRAIN + "--strategy pcgrad --strategy-options norm 1", "valid options: norm_match", "no option 'norm'"),
    (TRAIN + "--rescaling-options alpha 1", "none has no option", "'alpha'"),
    (TRAIN + "--rescaling gradnorm --rescaling-options alpah 1", "valid options: alpha", "'alpah'"),
    (TRAIN + "--rescaling gradnorm --rescaling-options alpha -1", "at least 0", "-1"),
    (TRAIN + "--rescaling gradnorm --rescaling-options alpha much", "alpha is a number", "'much'"),
    (TRAIN + "--rescaling gradnorm --rescaling-options alpha nan", "expected a number for alpha", "'nan'"),
    (TRAIN + "--rescaling gradnorm --rescaling-options alpha", "expected names and values in turn", "'alpha'"),
    (TRAIN + "--critic-options sigma 1", "valid options: bins", "two-hot has no option 'sigma'"),
    (TRAIN + "--reward-scales RepeatFirst 10", "did you mean RepeatFirstEasy", "no task 'RepeatFirst'"),
    (TRAIN + "--reward-scales RepeatFirstEasy ten", "expected a number for RepeatFirstEasy", "'ten'"),
    (TRAIN + "--reward-scales RepeatFirstEasy 0", "finite number above 0", "0"),
    (TRAIN + "--resume", "no config.json", "runs/popgym-quick-mean-s0 holds no run"),
    (TRAIN + "--resume --out no-such", "no config.json", "no-such holds no run"),
    ("evaluate", "Folder of the run", "Missing"),
    ("evaluate no-such", "", "there is no folder no-such"),
    ("evaluate no-such --episodes 0", "--episodes of at least 1", "found 0"),
    ("evaluate no-such --seed -1", "--seed of at least 0", "-1"),
    ("evaluate no-such --episodes few", "expected a whole number", "'few'"),
    ("report no-such", "", "there is no folder no-such"),
    ("report no-such --out", "Expected 1 value", "'--out'"),
    ("suites popgym-28", "did you mean popgym-27", "'popgym-28'"),
    ("suites popgym:Nothing --json", "known are: ", "'Nothing'"),
    ("suites --speed", "expected a suite", "--speed"),
    ("suites check", "The suite file", "Missing"),
    ("suites check no-such.yaml", "run.py suites NAME", "there is no file no-such.yaml"),
    ("suites preview popgym-28 --out x", "did you mean popgym-27", "'popgym-28'"),
    ("suites preview popgym-quick", "Folder for preview.png", "Missing"),
    ("suites preview popgym-quick --out x --trials 0", "--trials of at least 1", "found 0"),
    ("methods --jsn", "--json", "--jsn"),
]


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command may be carried out: a mistake that is not seen would train for minutes."""
    monkeypatch.setattr(run, "carry_out", lambda command: pytest.fail(f"was carried out: {command}"))


def assert_is_one_mistake(answer: Answer, *parts: str) -> None:
    """Code 2, nothing on standard output, and one line or one frame on standard error with all these parts."""
    assert answer.code == 2, answer
    assert answer.out == ""
    assert "Traceback" not in answer.err
    line = answer.err.startswith("run.py: ") and answer.err.count("\n") == 1
    framed = "run.py: " not in answer.err and answer.err.count("For full helptext") == 1
    assert line or framed, answer.err
    for part in parts:
        assert part in answer.message, answer.message


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(("typed", "expected", "found"), MISTAKES, ids=lambda part: str(part)[:60])
def test_a_mistake_names_what_was_expected_and_found_and_leaves_nothing(
    typed: str, expected: str, found: str, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_is_one_mistake(call(*typed.split()), expected, found)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("idle")
def test_a_folder_with_something_in_it_is_not_written_over(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert_is_one_mistake(call("train", "popgym-quick", "--out", tmp_path), "is not empty", "--resume", "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.usefixtures("idle")
def test_a_run_is_not_begun_where_there_is_one(call: Call, trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    assert_is_one_mistake(call("train", SUITE, "--out", trained), "is not empty", "--resume", "--out")
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


@pytest.mark.usefixtures("idle")
def test_a_file_is_no_folder_for_a_run(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert_is_one_mistake(call("train", "popgym-quick", "--out", tmp_path / "file"), "--out", "is a file")


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_a_folder_that_holds_no_run_is_refused_and_runs_nearby_are_named(
    command: str, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "run-1" / "config.json").write_text(to_json(preset("popgym-quick")))
    (tmp_path / "empty").mkdir()
    assert_is_one_mistake(call(command, tmp_path / "empty"), "is no run: it has no config.json", "did you mean")
    assert_is_one_mistake(call(command, tmp_path / "run-2"), "there is no folder", f"did you mean {tmp_path / 'run-1'}")


@pytest.mark.usefixtures("idle")
def test_a_run_is_resumed_on_its_own_suite_alone(call: Call, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(to_json(preset("popgym-quick")))
    answer = call("train", SUITE, "--resume", "--out", tmp_path)
    assert_is_one_mistake(answer, "is a run on popgym-quick", f"not on {SUITE}")


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("command", ["evaluate", "report", "train popgym-quick --resume --out"])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"suite": "popgym-quick", "loop": {"epochs": 3}}, "unknown settings ['loop.epochs']"),
        ({"suite": "popgym-quick", "agent": {"width": 0}}, "width: expected a whole number of at least 1, found 0"),
        ([1, 2], "expected a JSON object with a run's settings, found list"),
    ],
    ids=["another version's", "out of range", "no object"],
)
def test_settings_that_cannot_be_a_runs_are_refused(
    settings: Any, message: str, command: str, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(settings))
    answer = call(*command.split(), tmp_path)
    assert_is_one_mistake(answer, "config.json cannot be read", message)


@pytest.mark.usefixtures("idle")
def test_settings_that_are_cut_are_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(to_json(preset("popgym-quick"))[:200])
    assert_is_one_mistake(call("report", tmp_path), "config.json cannot be read")


# What only shows at work, with torch loaded, ends with code 1.


def assert_is_one_error(answer: Answer, *parts: str) -> None:
    """Code 1, nothing on standard output, one message and where to look further."""
    assert answer.code == 1, answer
    assert answer.out == ""
    first, second = answer.err.splitlines()
    assert first.startswith("run.py: ") and "MTRL_TRACEBACK=1" in second
    for part in parts:
        assert part in first


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


@pytest.mark.parametrize("command", ["evaluate", f"train {SUITE} --resume --steps 1280 --out"])
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ('{"epoch": 3, "model": []}', "is no checkpoint of this toolkit, or a damaged one: state.json"),
        ('{"format": 99}', "expected checkpoint format 1, found 99"),
    ],
    ids=["another program's", "another version's"],
)
def test_a_foreign_checkpoint_is_refused(state: str, message: str, command: str, call: Call, copied: Path) -> None:
    for folder in (copied / "checkpoints").glob("step-*"):
        (folder / "state.json").write_text(state)
    records = (copied / "metrics.jsonl").read_bytes()
    assert_is_one_error(call(*command.split(), copied), message)
    assert (copied / "metrics.jsonl").read_bytes() == records


def test_the_checkpoint_of_a_run_with_other_settings_is_refused(call: Call, copied: Path) -> None:
    settings = json.loads((copied / "config.json").read_text())
    settings["agent"]["width"] = 16
    (copied / "config.json").write_text(json.dumps(settings))
    answer = call("train", SUITE, "--resume", "--out", copied)
    assert_is_one_error(answer, "other settings: agent.width (there 8, here 16)")


def test_resuming_with_another_setting_is_refused(call: Call, trained: Path) -> None:
    answer = call("train", SUITE, "--resume", "--out", trained, "--learning-rate", "0.5")
    assert_is_one_error(answer, "other settings: update.learning_rate (there 0.001, here 0.5)")


def test_a_run_without_a_checkpoint_cannot_be_evaluated(call: Call, copied: Path) -> None:
    shutil.rmtree(copied / "checkpoints")
    assert_is_one_error(call("evaluate", copied), "has no checkpoint yet")


def test_records_that_are_damaged_cannot_be_reported(call: Call, copied: Path) -> None:
    lines = (copied / "metrics.jsonl").read_text().splitlines()
    (copied / "metrics.jsonl").write_text("\n".join([lines[0], lines[1][:30], *lines[2:]]) + "\n")
    assert_is_one_error(call("report", copied), "metrics.jsonl, line 2: expected a JSON object")


@pytest.mark.parametrize("content", ["", '{"kind": "evaluation", "steps"', "[]", "{}", '{"steps": 3, "tasks": 4}'])
def test_an_evaluation_that_is_damaged_is_named(content: str, call: Call, copied: Path) -> None:
    (copied / "evaluation.json").write_text(content)
    assert_is_one_error(call("report", copied), "evaluation.json", "expected")
