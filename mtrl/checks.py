"""What can be refused before anything heavy is loaded: suites, runs and folders that are not there, or are taken."""

import difflib
import os
from dataclasses import asdict
from pathlib import Path

from mtrl.commands import (
    Adapt,
    CheckSuite,
    Command,
    Evaluate,
    MistakeError,
    Play,
    PreviewSuite,
    Report,
    Suites,
    Train,
    mistakes,
    read_settings,
)
from mtrl.config import RunConfig
from mtrl.report.video.formats import check_format
from mtrl.study.commands import Compare
from mtrl.study.study import check_study
from tasks.registry import load_suite, nearest


def check(command: Command) -> None:
    """Refuse what cannot work, before anything heavy is loaded.

    Raises:
        MistakeError: no such suite or task, no such run, or a folder that is taken.
    """
    if isinstance(command, Train):
        with mistakes():
            load_suite(command.suite, **asdict(command.config.play))
        if command.folder.exists() and not command.folder.is_dir():
            raise MistakeError(f"--out: {command.folder} is a file")
        if (
            not (command.resume or command.dry_run)
            and rank() == 0
            and command.folder.is_dir()
            and any(command.folder.iterdir())
        ):
            raise MistakeError(f"{command.folder} is not empty: go on with --resume, or name another folder with --out")
    elif isinstance(command, Compare):  # or Stress
        with mistakes():
            check_study(command.asked)
        if command.workers is not None and command.workers < 1:
            raise MistakeError(f"--workers: expected at least 1, found {command.workers}")
        if command.folder.exists() and not command.folder.is_dir():
            raise MistakeError(f"--out: {command.folder} is a file")
    elif isinstance(command, Suites | PreviewSuite):
        if command.name is not None:
            with mistakes():
                load_suite(command.name)
        if isinstance(command, PreviewSuite) and command.out.exists() and not command.out.is_dir():
            raise MistakeError(f"--out: {command.out} is a file")
    elif isinstance(command, CheckSuite):
        if not command.file.is_file():
            raise MistakeError(f"there is no file {command.file}; `run.py suites NAME` shows a built-in suite")
    elif isinstance(command, (Evaluate, Adapt, Report, Play)):
        if not command.run.is_dir():
            raise MistakeError(f"there is no folder {command.run}{_nearby(command.run)}")
        if isinstance(command, Report) and command.of_study:
            return
        if not (command.run / "config.json").is_file():
            nor_study = ", and no study: it has no study.json" if isinstance(command, Report) else ""
            raise MistakeError(f"{command.run} is no run: it has no config.json{nor_study}{_nearby(command.run)}")
        settings = read_settings(command.run / "config.json")
        if isinstance(command, Play):
            _check_play(command, settings)
        if isinstance(command, Adapt):
            with mistakes("--suite: "):
                load_suite(command.suite or settings.suite)


def _check_play(command: Play, settings: RunConfig) -> None:
    with mistakes("--out: "):
        check_format(command.out)
    if not any((command.run / "checkpoints").glob("step-*")):
        raise MistakeError(f"{command.run} has no checkpoint yet: let it train longer")
    with mistakes():
        names = [task.name for task in load_suite(settings.suite, **asdict(settings.play)).all_tasks]
    if command.task is None and len(names) > 1:
        raise MistakeError(f"--task: expected one of {', '.join(names)}")
    if command.task is not None and command.task not in names:
        raise MistakeError(f"--task: {settings.suite} has no task {command.task!r}; {nearest(command.task, names)}")


def rank() -> int:
    """This process's number among those that `torchrun` has started."""
    return int(os.environ.get("RANK", "0"))


def _nearby(run: Path) -> str:
    runs = sorted(str(found.parent) for found in run.parent.glob("*/config.json"))
    near = difflib.get_close_matches(str(run), runs, n=3, cutoff=0.6) or runs[:3]
    return f"; did you mean {' or '.join(near)}?" if near else ""
