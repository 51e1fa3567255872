"""One writer at a time in a run's folder and in a study's."""

import subprocess
import sys
from pathlib import Path

import pytest

from mtrl import in_use
from mtrl.in_use import InUseError, held
from mtrl.study.executors.here import Here
from mtrl.study.folder import StudyFolder
from mtrl.study.runner import run_study
from mtrl.study.study import StudyError
from mtrl.training.loop import train
from tests.mtrl.builders import small_run
from tests.mtrl.study.builders import study

HOLD = """
import sys, time
from pathlib import Path
from mtrl.in_use import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_held_by_one_process_and_free_when_it_dies(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(InUseError, match=f"{tmp_path} is in use: another process writes into it"), held(tmp_path):
            pass
        other.kill()
    with held(tmp_path):
        pass


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: object) -> None:
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(in_use.FileLock, "acquire", refuse)
    entered = False
    with held(tmp_path), held(tmp_path):
        entered = True
    assert entered


def test_a_run_that_goes_on_is_not_resumed_by_another(tmp_path: Path) -> None:
    records = train(small_run(), tmp_path / "run")
    next(records)
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(InUseError):
        next(iter(train(small_run(), tmp_path / "run", resume=True)))
    assert (tmp_path / "run" / "config.json").read_bytes() == before
    assert next(records)  # the first one goes on
    records.close()  # type: ignore[attr-defined]
    assert next(iter(train(small_run(), tmp_path / "run", resume=True)))["kind"] == "resume"


def test_a_study_that_runs_is_not_altered_by_another(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    events = run_study(folder.open(study()), folder, Here())
    next(events)
    before = (tmp_path / "study.json").read_bytes()
    with pytest.raises(InUseError):
        StudyFolder(tmp_path).open(study("two-hot"), command="another")
    assert (tmp_path / "study.json").read_bytes() == before
    events.close()
    with folder.held():  # as between opening and running
        folder.open(study())
        with pytest.raises(InUseError):
            StudyFolder(tmp_path).open(study("two-hot"))
    assert len(StudyFolder(tmp_path).open(study("two-hot")).methods) == 3


def test_a_folder_of_something_else_is_not_even_locked(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(StudyError, match="is not empty and holds no study"):
        StudyFolder(tmp_path).open(study())
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_study_that_runs_is_not_run_by_another(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    asked = folder.open(study())
    events = run_study(asked, folder, Here())
    next(events)
    with pytest.raises(InUseError):
        next(run_study(asked, StudyFolder(tmp_path), Here()))
    events.close()
    next(again := run_study(asked, folder, Here()))
    again.close()
