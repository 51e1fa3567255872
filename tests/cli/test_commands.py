"""The commands end to end on a tiny run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import run
from tests.cli.conftest import Call


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_records_what_it_did(trained: Path) -> None:
    found = records(trained)
    kinds = [record["kind"] for record in found]
    assert set(kinds) == {"start", "update", "collect", "conflict", "evaluation", "end"}
    assert kinds.count("start") == kinds.count("end") == 1
    assert found[0]["kind"] == "start" and found[0]["tasks"] == ["RepeatFirstEasy"]
    assert found[-1]["kind"] == "end" and found[-1]["steps"] == 960
    steps = [record["steps"] for record in found]
    assert steps == sorted(steps)
    assert [record["steps"] for record in found if record["kind"] == "evaluation"] == [480, 960]


def test_a_runs_folder_holds_settings_events_and_checkpoints_without_pickles(trained: Path) -> None:
    settings = json.loads((trained / "config.json").read_text())
    assert (settings["loop"]["steps"], settings["agent"]["width"], settings["agent"]["context"]) == (960, 8, 8)
    assert list((trained / "tensorboard").glob("events.*"))
    names = {path.suffix for path in (trained / "checkpoints").rglob("*") if path.is_file()}
    assert names == {".json", ".safetensors", ".npz"}


def test_evaluate_prints_a_table_and_keeps_the_result(call: Call, trained: Path, tmp_path: Path) -> None:
    out = shutil.copytree(trained, tmp_path / "run")
    answer = call("evaluate", out, "--episodes", 2, "--greedy")
    assert answer.code == 0
    result = json.loads((out / "evaluation.json").read_text())
    assert "RepeatFirstEasy" in answer.out and f"{result['tasks']['RepeatFirstEasy']['return']:z.2f}" in answer.out
    assert "after 960 steps" in answer.out
    assert [path.name for path in out.glob("evaluation*")] == ["evaluation.json"]


def test_report_writes_a_page_and_pictures_and_says_where(call: Call, trained: Path, tmp_path: Path) -> None:
    out = shutil.copytree(trained, tmp_path / "run")
    answer = call("report", out)
    assert answer.code == 0
    assert str(out / "report.html") in answer.out and "<h1>" in (out / "report.html").read_text()
    pictures = {path.stem for path in (out / "report-figures").glob("*.png")}
    assert {"score", "returns", "losses", "metrics"} == pictures  # one task has nobody to fight with
    assert f"{len(pictures)} figures" in answer.out


def test_report_goes_where_it_is_asked_to(call: Call, trained: Path, tmp_path: Path) -> None:
    before = set(trained.iterdir())
    assert call("report", trained, "--out", tmp_path / "new" / "page.html").code == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"page.html", "page-figures"}
    assert set(trained.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("suites",), ["popgym-27", "popgym-quick", "27"]),
        (("suites", "popgym-quick"), ["RepeatFirstEasy", "−0.50", "warm-up"]),
        (("methods",), ["pcgrad", "two-hot", "gru", "alpha 1.5"]),
    ],
)
def test_lists_are_tables_that_are_not_cut(arguments: tuple[str, ...], words: list[str], call: Call) -> None:
    answer = call(*arguments)
    assert answer.code == 0 and answer.err == ""
    for word in words:
        assert word.replace("−", "-") in answer.out
    assert "…" not in answer.out


def test_a_fault_of_the_program_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise RuntimeError("a fault")

    monkeypatch.setattr(run, "carry_out", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        run.main(["methods"])


@pytest.mark.parametrize("wanted", [True, False])
def test_an_error_at_work_shows_where_it_arose_only_if_asked(
    wanted: bool, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(run, "carry_out", fail)
    monkeypatch.setenv("MTRL_TRACEBACK", "1" if wanted else "")
    if wanted:
        with pytest.raises(OSError, match="disk full"):
            run.main(["methods"])
    else:
        answer = call("methods")
        assert (answer.code, answer.out) == (1, "") and answer.err.startswith("run.py: disk full\n")


@pytest.mark.parametrize(
    ("arguments", "first"),
    [("compare popgym-quick --dry-run --out none", "cells of 200,000 steps"), ("train --help", "usage: run.py train")],
)
def test_a_reader_that_has_seen_enough_is_no_error(arguments: str, first: str) -> None:
    command = f"{sys.executable} run.py {arguments} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert first in done.stdout and done.stderr == ""


def test_trials_that_are_longer_than_the_context_are_pointed_out(call: Call, tmp_path: Path) -> None:
    short = "--steps 200 --slots 2 --steps-per-update 2 --rollout-length 20 --start-steps 20 --evaluate-trials 2"
    answer = call("train", "hallway-sign", "--attempts", 10, *short.split(), "--out", f"{tmp_path}/run")
    assert answer.code == 0 and "note: a trial of sign has up to 120 steps" in answer.err
