"""`compare` and `stress`: what is asked for, what is refused, and a whole small study."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mtrl.commands import parse
from mtrl.study.commands import Compare, Stress
from mtrl.study.file import load_study
from mtrl.study.study import StudyError, extended
from tests.cli.conftest import Call
from tests.mtrl.study.builders import TINY

SCALED = "scales-RepeatFirstEasy-100-RepeatPreviousEasy-0.1"
SET = ["--set", *(f"{place}={value}" for place, value in TINY.items())]


def asked(*arguments: str) -> Any:
    command = parse(arguments)
    assert isinstance(command, Compare)
    return command.asked


def test_a_comparison_is_methods_times_seeds_on_one_suite() -> None:
    study = asked("compare", "popgym-quick", "--methods", "mean,pcgrad+two-hot", "--seeds", "3", "--steps", "50000")
    assert [m.name for m in study.methods] == ["mean", "pcgrad+two-hot"] and study.seeds == (0, 1, 2)
    assert [c.name for c in study.conditions] == ["plain"] and study.steps == 50_000
    assert asked("compare", "popgym-quick", "--seeds", "4,7").seeds == (4, 7)
    tuned = asked("compare", "popgym-quick", "--search", "learning_rate=3e-4,1e-3", "width=32,64", "--set", "clip=2e-1")
    assert tuned.search == {"update.learning_rate": (3e-4, 1e-3), "agent.width": (32, 64)}
    assert tuned.settings == {"update.clip": 0.2} and len(list(tuned.tuning_cells())) == 4 * len(tuned.methods)
    assert asked("compare", "popgym-quick").steps == 200_000  # the preset's


def test_a_stress_test_has_a_condition_for_every_value() -> None:
    study = asked(
        *("stress", "popgym-quick", "--spread", "1,100", "--frequency", "10", "--tasks", "2", "--width", "32"),
        *("--scales", "RepeatFirstEasy=100,RepeatPreviousEasy=0.1", "--mix", "pair=RepeatFirstEasy,HigherLowerEasy"),
    )
    names = [condition.name for condition in study.conditions]
    assert names == ["spread-1", "spread-100", "frequency-10", "tasks-2", "width-32", "mix-pair", "unscaled", SCALED]
    assert study.conditions[-1].settings == {
        "play.reward_scales": {"RepeatFirstEasy": 100.0, "RepeatPreviousEasy": 0.1}
    }
    assert study.conditions[-3].settings == {"play.only": ("RepeatFirstEasy", "HigherLowerEasy")}
    default = asked("stress", "popgym-quick").conditions
    assert [c.value for c in default] == [1.0, 10.0, 100.0, 1000.0] and {c.axis for c in default} == {"spread"}


def test_scaled_tasks_are_conditions_of_their_own_beside_the_unscaled_one() -> None:
    study = asked(
        "stress", "popgym-quick", "--scales", "RepeatFirstEasy=100", "RepeatFirstEasy=100,HigherLowerEasy=0.1"
    )
    first, second = "scales-RepeatFirstEasy-100", "scales-RepeatFirstEasy-100-HigherLowerEasy-0.1"
    assert [condition.name for condition in study.conditions] == ["unscaled", first, second]
    assert {condition.axis for condition in study.conditions} == {"scales"}
    assert study.conditions[0].settings == {}
    later = asked("stress", "popgym-quick", "--scales", "RepeatFirstEasy=10")
    assert len(extended(study, later).conditions) == 4  # the same folder takes others


def test_the_command_can_be_said_again() -> None:
    said = ["stress", "popgym-quick", "--spread", "1,10", "--set", "width=32", "popart=false", "--methods", "mean"]
    command = parse(said)
    assert isinstance(command, Stress)
    again = parse(command.words().split()[2:])
    assert again == command
    assert command.asked.settings == {"agent.width": 32, "learning.popart": False}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compare", "popgym-quick", "--methods", "mean,pcgrd"], "unknown method 'pcgrd'; did you mean pcgrad"),
        (["compare", "popgym-quik"], "unknown suite 'popgym-quik'; did you mean popgym-quick"),
        (["compare", "popgym-quick", "--seeds", "0,0"], "seeds: found twice: 0"),
        (["compare", "popgym-quick", "--seeds", "0"], "expected how many"),
        (["compare", "popgym-quick", "--set", "widht=3"], "unknown setting 'widht'; did you mean agent.width"),
        (["compare", "popgym-quick", "--set", "width"], "--set: expected name=value, found 'width'"),
        (["compare", "popgym-quick", "--steps", "10", "--set", "start_steps=500"], "must exceed start_steps 500"),
        (["compare", "popgym-quick", "--baseline", "popart", "--methods", "mean"], "the baseline 'popart' is none of"),
        (["stress", "popgym-quick", "--scales", "RepeatFrst=2"], "has no task 'RepeatFrst'; did you mean"),
        (["stress", "popgym-quick", "--scales", ","], "scales: expected tasks with their factors, found {}"),
        (["stress", "popgym-quick", "--tasks", "9"], "tasks: there are 5, found 9"),
        (["stress", "popgym-quick", "--spread", "0.1"], "spread: expected ratios of at least 1, found 0.1"),
        (["stress", "popgym-quick", "--spread", "1,x"], "spread: expected a number, found 'x'"),
        (["compare", "popgym-quick", "--workers", "0"], "--workers: expected at least 1, found 0"),
        (["stress", "popgym-quick", "--mix", "a=RepeatFirstEasy", "a=HigherLowerEasy"], "--mix: a is given twice"),
        (["stress", "popgym-quick", "--mix", "alone"], "--mix: expected name=value, found 'alone'"),
    ],
)
def test_mistakes_end_with_one_message_before_anything_runs(
    arguments: list[str], says: str, call: Call, tmp_path: Path
) -> None:
    answer = call(*arguments, "--out", tmp_path / "x")
    assert answer.code == 2 and says in answer.message and not (tmp_path / "x").exists()


def test_a_small_study_runs_is_complete_and_grows(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "x"
    common = ["compare", "popgym:RepeatFirstEasy", "--steps", 1600, "--evaluate-trials", 2, "--out", out, *SET]
    here = ["--executor", "here", "--seeds", 1]
    assert "2 cells of 1,600 steps" in call(*common, *here, "--methods", "mean,two-hot", "--dry-run").out
    assert not out.exists()
    first = call(*common, *here, "--methods", "mean,two-hot")
    assert first.code == 0 and "plain, two-hot, seed 0: score" in first.out and "run.py report" in first.out
    assert "0 cells" in call(*common, *here, "--methods", "mean,two-hot", "--dry-run").out
    second = call(*common, *here, "--methods", "mean,pcgrad")
    assert second.code == 0 and "pcgrad" in second.out and "mean, seed" not in second.out
    results = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [r["method"] for r in results] == ["mean", "two-hot", "pcgrad"]
    stored = json.loads((out / "study.json").read_text())
    assert len(stored["commands"]) == 2 and [m["name"] for m in stored["methods"]] == ["mean", "two-hot", "pcgrad"]
    refused = call(*["compare", "popgym:RepeatFirstEasy", "--steps", 3200, "--out", out, *SET, *here])
    assert refused.code == 1 and "not 3200: cells could not be compared" in refused.message


STUDY = """
suite: popgym-quick
steps: 50000
seeds: [1, 2]
methods:
  - mean
  - {name: slow, like: pcgrad, settings: {learning_rate: 0.0001}}
conditions:
  spread: [1, 10]
  mix: {pair: [RepeatFirstEasy, HigherLowerEasy]}
settings: {entropy_weight: 0.01}
search: {learning_rate: [1e-3, 0.01], entropy-weight: [0, 0.1]}
"""


def test_a_study_file_says_the_same_and_has_methods_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    study = asked("compare", str(file))
    slow = study.method("slow").settings
    assert slow["conflict.strategy"] == "pcgrad" and slow["update.learning_rate"] == 0.0001
    assert [c.name for c in study.conditions] == ["spread-1", "spread-10", "mix-pair"]
    assert study.settings == {"learning.entropy_weight": 0.01}
    assert study.search == {"update.learning_rate": (0.001, 0.01), "learning.entropy_weight": (0, 0.1)}
    assert study.seeds == (1, 2) and study.steps == 50_000


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["compare", "FILE", "--seeds", "9", "--methods", "mean", "--steps", "5"], "--methods, --seeds, --steps"),
        (["compare", "FILE", "--seeds", "5"], "--seeds"),  # the default, but the file may say another number
        (["compare", "FILE", "--evaluate-trials", "100", "--set", "width=3"], "--evaluate-trials, --set"),
        (["stress", "FILE", "--spread", "1,10"], "--spread"),
    ],
)
def test_flags_beside_a_study_file_are_refused_by_name(
    arguments: list[str], named: str, call: Call, tmp_path: Path
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    words = [str(file) if word == "FILE" else word for word in arguments]
    answer = call(*words, "--dry-run", "--out", tmp_path / "x")
    assert answer.code == 2 and f"{file} is a whole study, found {named} beside it" in answer.message


def test_where_a_study_file_runs_may_be_said_beside_it(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    words = ["--out", tmp_path / "x", "--executor", "here", "--workers", "1", "--retry-failed", "--dry-run"]
    assert "12 cells of 50,000 steps" in call("compare", file, *words).out


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("steps: 50000\n", "", "steps is missing"),
        ("seeds:", "sedes:", "unknown key 'sedes'; did you mean seeds"),
        ("like: pcgrad", "like: pcgrd", "unknown method 'pcgrd'"),
        ("spread:", "spraed:", "unknown axis 'spraed'; did you mean spread"),
        ("{name: slow, like", "{nam: slow, like", "a method: expected a name, or name, like"),
        ("learning_rate:", "learning_rat:", "unknown setting 'learning_rat'"),
        ("steps: 50000", "steps: many", "invalid literal"),
        ("suite: popgym-quick", "suite: [", "cannot be read"),
    ],
)
def test_mistakes_in_a_study_file_are_named(old: str, new: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.replace(old, new))
    with pytest.raises(StudyError, match=says) as found:
        load_study(file)
    assert str(file) in str(found.value)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_study_that_is_ended_leaves_no_process_behind(sign: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "study"
    command = [
        sys.executable,
        "run.py",
        "compare",
        "popgym:RepeatFirstEasy",
        "--methods",
        "mean,pcgrad",
        "--seeds",
        "1",
    ]
    study = subprocess.Popen(
        [*command, "--steps", "400000", "--workers", "2", "--out", str(out)], stdout=subprocess.DEVNULL
    )
    try:
        while len(list(out.glob("cells/*/*/*/run/metrics.jsonl"))) < 2:
            assert study.poll() is None
            time.sleep(0.1)
    finally:
        study.send_signal(sign)
        study.wait()
    for _ in range(100):
        left = subprocess.run(["pgrep", "-f", str(out)], capture_output=True, text=True, check=False).stdout.split()
        if not left:
            break
        time.sleep(0.1)
    assert not left
