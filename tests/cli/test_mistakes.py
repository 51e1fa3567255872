"""Every mistake on the command line ends with code 2 and one message that says what was expected and found."""

import json
import re
from pathlib import Path

import pytest

import run

MISTAKES = [
    (["train", "popgym-quik"], r"popgym-quick"),
    (["train", "popgym:RepeatFirstEazy"], r"did you mean .*RepeatFirstEasy"),
    (["train", "popgym-quick", "--strategy", "pcgradd"], r"pcgrad"),
    (["train", "popgym-quick", "--no-such-flag", "1"], r"no-such-flag"),
    (["train", "popgym-quick", "--steps", "many"], r"many"),
    (["train", "popgym-quick", "--context", "-1"], r"context: expected .* at least 1, found -1"),
    (["train", "popgym-quick", "--steps", "300"], r"steps 300 must exceed start_steps 5000"),
    (["train", "popgym-quick", "--steps-per-update", "63"], r"63 is not a multiple of slots 16"),
    (["train", "popgym-quick", "--acting-discount", "0.7"], r"0\.7 is not among the discounts"),
    (["train", "popgym-quick", "--rescaling-options", "alpha", "1"], r"none has no option 'alpha'"),
    (["train", "popgym-quick", "--rescaling", "gradnorm", "--rescaling-options", "alpha", "-1"], r"alpha.*at least 0"),
    (["train", "popgym-quick", "--reward-scales", "Bogus", "10"], r"Bogus"),
    (["train", "popgym-quick", "--tasks-per-update", "9", "--sequences", "3"], r"tasks_per_update 9 needs at least"),
    (["train", "popgym-quick", "--device", "bogus"], r"expected cpu, cuda.*found 'bogus'"),
    (["train", "popgym-quick", "--resume", "--out", "no-such"], r"no-such holds no run"),
    (["evaluate", "no-such"], r"there is no folder no-such"),
    (["report", "no-such"], r"there is no folder no-such"),
    (["evaluate", "no-such", "--episodes", "0"], r"--episodes of at least 1"),
    (["suites", "popgym-28"], r"popgym-27"),
    (["bogus"], r"bogus"),
]


def outcome(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, and what was printed."""
    try:
        code = run.main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda value: " ".join(value)[:60])
def test_a_mistake_says_what_was_expected(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = outcome(arguments, capsys)
    assert code == 2
    assert out == ""
    assert re.search(message, " ".join(err.replace("│", " ").split()))
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_not_written_over(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    code, _, err = outcome(["train", "popgym-quick", "--out", str(tmp_path)], capsys)
    assert code == 2
    assert "is not empty" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_a_folder_that_holds_no_run_is_refused(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = outcome([command, str(tmp_path)], capsys)
    assert code == 2
    assert "is no run: it has no config.json" in err


def test_settings_of_another_version_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"suite": "popgym-quick", "loop": {"epochs": 3}}))
    code, _, err = outcome(["report", str(tmp_path)], capsys)
    assert code == 2
    assert "loop.epochs" in err and "another version" in err
