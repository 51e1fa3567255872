"""`run.py play` films what it is asked to, and says what is wrong before it plays."""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import run
from mtrl.config import to_json
from mtrl.presets import preset
from tests.cli.conftest import Call
from tests.cli.test_mistakes import assert_is_one_error, assert_is_one_mistake


def test_a_film_is_written_and_its_trials_are_those_of_an_evaluation(call: Call, trained: Path, tmp_path: Path) -> None:
    answer = call("play", trained, "--out", tmp_path / "films" / "a.mp4", "--trials", 2, "--seed", 3, "--fps", 20)
    assert answer.code == 0 and answer.err == ""
    first, *trials = answer.out.splitlines()
    assert first == str(tmp_path / "films" / "a.mp4")
    returns, steps = zip(*((float(line.split()[3]), int(line.split()[5])) for line in trials), strict=True)
    with av.open(str(tmp_path / "films" / "a.mp4")) as film:
        count = sum(1 for _ in film.decode(video=0))
        assert film.streams.video[0].average_rate == 20
    assert count == sum(steps) + 2 * (1 + 30)  # each trial's last state stays for a second and a half more
    copied = shutil.copytree(trained, tmp_path / "run")
    scored = json.loads(call("evaluate", copied, "--episodes", 2, "--seed", 3, "--json").out)
    assert np.mean(returns) == pytest.approx(scored["tasks"]["RepeatFirstEasy"]["return"], abs=0.01)


@pytest.mark.parametrize("suffix", [".gif", ".PNG"])
def test_a_film_is_of_the_kind_that_its_name_says(suffix: str, call: Call, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / f"film{suffix}"
    before = set(trained.rglob("*"))
    assert call("play", trained, "--out", out, "--task", "RepeatFirstEasy", "--greedy").code == 0
    with Image.open(out) as film:
        assert film.format == suffix[1:].upper()
    assert set(trained.rglob("*")) == before and list(tmp_path.iterdir()) == [out]


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A folder that looks like a run on several tasks."""
    (tmp_path / "run" / "checkpoints" / "step-000000000100").mkdir(parents=True)
    (tmp_path / "run" / "config.json").write_text(to_json(preset("babyai-68")))
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("--out a.gif", ["--task: expected one of GoToRedBallGrey", "FindObjS6"]),
        ("--out a.gif --task GoToObjj", ["no task 'GoToObjj'", "did you mean GoToObj"]),
        ("--out a.avi --task GoToObj", ["--out: expected a file that ends in .mp4, .gif or .png", "a.avi"]),
        ("--out film --task GoToObj", ["--out: expected a file that ends in", "film"]),
        ("--task GoToObj", ["--out", "The film: .mp4"]),
        ("--out a.gif --task GoToObj --trials 0", ["--trials from 1 to 100", "found 0"]),
        ("--out a.gif --task GoToObj --trials 101", ["--trials from 1 to 100", "found 101"]),
        ("--out a.gif --task GoToObj --seed -1", ["--seed of at least 0", "-1"]),
        ("--out a.gif --task GoToObj --fps 0", ["--fps above 0 and up to 50", "found 0"]),
        ("--out a.gif --task GoToObj --fps nan", ["--fps", "nan"]),
    ],
)
def test_a_mistake_is_named_before_anything_is_played(
    arguments: str, parts: list[str], several: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "carry_out", lambda command: pytest.fail(f"was carried out: {command}"))
    monkeypatch.chdir(several.parent)
    assert_is_one_mistake(call("play", several, *arguments.split()), *parts)
    assert [path.name for path in several.parent.iterdir()] == ["run"]


def test_a_task_held_out_may_be_filmed(several: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(run, "carry_out", lambda command: asked.append(command) or 0)
    assert call("play", several, "--task", "FindObjS6", "--out", "a.gif").code == 0
    assert asked[0].task == "FindObjS6"


def test_a_run_without_a_checkpoint_cannot_be_filmed(several: Path, call: Call) -> None:
    shutil.rmtree(several / "checkpoints")
    answer = call("play", several, "--task", "GoToObj", "--out", "a.gif")
    assert_is_one_mistake(answer, "has no checkpoint yet")


def test_what_is_no_run_cannot_be_filmed(call: Call, several: Path) -> None:
    assert_is_one_mistake(call("play", several / "x", "--out", "a.gif"), "there is no folder")
    assert_is_one_mistake(call("play", several / "checkpoints", "--out", "a.gif"), "is no run")


def test_a_missing_writer_says_what_to_install(several: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtrl.report.video.formats.find_spec", lambda name: None)
    answer = call("play", several, "--task", "GoToObj", "--out", "a.mp4")
    assert_is_one_mistake(answer, "pip install 'gradient-conflict[video]'", ".gif and .png do without")


def test_a_damaged_checkpoint_is_an_error_and_leaves_no_film(several: Path, call: Call, tmp_path: Path) -> None:
    (several / "checkpoints" / "step-000000000100" / "state.json").write_text("{}")
    answer = call("play", several, "--task", "GoToObj", "--out", tmp_path / "a.gif")
    assert_is_one_error(answer, "checkpoint")
    assert not (tmp_path / "a.gif").exists()
