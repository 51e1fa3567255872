"""A run that was stopped goes on as if it had not been, and its records hold no step twice."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mtrl.training.log import ProgressLog
from tests.cli.conftest import SUITE, TINY, Call

STOPPED_AT, CHECKPOINT = 800, 640


def records(folder: Path) -> list[dict[str, Any]]:
    """The records without what differs from run to run."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def newest(folder: Path) -> str:
    return max(path.name for path in (folder / "checkpoints").glob("step-*"))


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Ctrl-C at the first record of so many steps, after it was written."""

    def write(_: ProgressLog, record: dict[str, Any]) -> None:
        if record["kind"] != "resume" and record["steps"] >= at:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLog, "write", write)


@pytest.fixture
def stopped(call: Call, tmp_path: Path) -> Path:
    """A run that was stopped between two checkpoints."""
    out = tmp_path / "stopped"
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, STOPPED_AT)
        assert call("train", SUITE, *TINY, "--out", out).code == 130
    assert newest(out) == f"step-{CHECKPOINT:012d}"
    assert records(out)[-1]["steps"] == STOPPED_AT
    return out


@pytest.mark.parametrize("tail", ["", '{"kind":"update","steps":832,"upda', "\x00\x00\x00"])
def test_a_run_stopped_after_its_checkpoint_and_resumed_has_the_records_of_an_uninterrupted_one(
    tail: str, call: Call, stopped: Path, trained: Path
) -> None:
    with (stopped / "metrics.jsonl").open("a") as file:
        file.write(tail)  # what a killed process leaves half-written
    assert call("train", SUITE, "--resume", "--out", stopped).code == 0
    assert records(stopped) == records(trained)
    assert newest(stopped) == newest(trained)
    assert (stopped / "config.json").read_text() == (trained / "config.json").read_text()


def test_no_step_appears_twice_however_often_a_run_is_stopped(
    call: Call, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    for resume, at in (([], 330), (["--resume"], 600), (["--resume"], 810), (["--resume"], 10_000)):
        interrupt(monkeypatch, at)
        call("train", SUITE, *TINY, "--out", out, *resume)
    assert records(out) == records(trained)


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(
    call: Call, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, 0)
        answer = call("train", SUITE, *TINY, "--out", tmp_path / "run")
    assert answer.code == 130 and "from the start" in answer.err
    assert call("train", SUITE, "--resume", "--out", tmp_path / "run").code == 0
    assert records(tmp_path / "run") == records(trained)


def test_a_finished_run_is_made_longer_with_the_settings_it_was_begun_with(
    call: Call, trained: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(trained, tmp_path / "run")
    answer = call("train", SUITE, "--resume", "--steps", 1280, "--out", out)
    assert answer.code == 0 and "1,280/1,280" in answer.out
    found = records(out)
    before = records(trained)[:-1]
    assert found[: len(before)] == before
    assert [record["kind"] for record in found].count("end") == 1 and found[-1]["kind"] == "end"
    updates = [record["updates"] for record in found if record["kind"] == "update"]
    assert updates == sorted(set(updates)) and found[-1]["steps"] == 1280
    settings = json.loads((out / "config.json").read_text())
    assert (settings["loop"]["steps"], settings["agent"]["width"]) == (1280, 8)


def test_resuming_a_finished_run_changes_nothing(call: Call, trained: Path, tmp_path: Path) -> None:
    out = shutil.copytree(trained, tmp_path / "run")
    assert call("train", SUITE, "--resume", "--out", out).code == 0
    assert records(out) == records(trained)


def test_records_that_the_checkpoint_had_seen_must_be_there(call: Call, stopped: Path) -> None:
    lines = (stopped / "metrics.jsonl").read_text().splitlines(keepends=True)
    (stopped / "metrics.jsonl").write_text("".join(lines[:4]))
    answer = call("train", SUITE, "--resume", "--out", stopped)
    assert answer.code == 1
    assert "metrics.jsonl has 4 records, but the checkpoint had seen" in answer.err
    assert (stopped / "metrics.jsonl").read_text() == "".join(lines[:4])


def test_whoever_stops_a_run_is_told_how_to_go_on(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "my run"
    interrupt(monkeypatch, STOPPED_AT)
    answer = call("train", SUITE, *TINY, "--out", out)
    assert answer.code == 130 and "Traceback" not in answer.err
    assert f"checkpoint at step {CHECKPOINT}" in answer.err
    assert f"python run.py train {SUITE} --out '{out}' --resume" in answer.err


def test_a_run_stopped_before_it_began_leaves_nothing_and_promises_nothing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mtrl.training.loop.train", stop)
    answer = call("train", SUITE, *TINY, "--out", tmp_path / "run")
    assert answer.code == 130
    assert "--resume" not in answer.err
    assert not (tmp_path / "run").exists()
