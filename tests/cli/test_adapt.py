"""`run.py adapt` shows and keeps how a run adapts, suite by suite, and the report draws it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mtrl.training.adapt import adapt_run
from tests.cli.conftest import TINY, Call
from tests.cli.test_mistakes import assert_is_one_error, assert_is_one_mistake


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_what_is_measured_is_kept_by_suite_and_reported(call: Call, copied: Path) -> None:
    own = call("adapt", copied, "--trials", 4, "--attempts", 2, "--json")
    assert own.code == 0
    found = json.loads(own.out)
    (entry,) = found["tested"]["tasks"].values()
    assert found["suite"] == "popgym:RepeatFirstEasy" and len(entry["attempts"]) == 2 and entry["trials"] == 4
    other = call("adapt", copied, "--suite", "popgym:HigherLowerEasy", "--trials", 3, "--seed", 1)
    assert other.code == 1 and "cannot play 'popgym:HigherLowerEasy'" in other.err
    for trials in (5, 3):
        again = call("adapt", copied, "--trials", trials)
        assert again.code == 0 and "RepeatFirstEasy" in again.out and "attempt 1" in again.out
    kept = json.loads((copied / "adaptation.json").read_text())
    assert list(kept) == ["popgym:RepeatFirstEasy, attempts 2", "popgym:RepeatFirstEasy"]
    assert kept["popgym:RepeatFirstEasy"]["tested"]["tasks"]["RepeatFirstEasy"]["trials"] == 3
    assert not list(copied.glob("*.new")) and not any(one["greedy"] for one in kept.values())
    assert call("report", copied).code == 0
    page = (copied / "report.html").read_text()
    assert "Adaptation within a trial: popgym:RepeatFirstEasy" in page
    assert '<h2 id="adapted">Adaptation</h2>' in page and "<h3>popgym:RepeatFirstEasy, attempts 2</h3>" in page
    for figure in ("adaptation", "adaptation-2"):
        assert (copied / "report-figures" / f"{figure}.png").stat().st_size > 5_000


def test_results_that_differ_in_what_was_played_do_not_replace_each_other(
    call: Call, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.yaml").write_text("name: mine\ntasks: [popgym:RepeatFirstEasy]\n")
    for more in ((), ("--greedy",), ("--suite", "a/mine.yaml"), ("--suite", "b/mine.yaml", "--attempts", 2)):
        assert call("adapt", copied, "--trials", 3, *more).code == 0
    monkeypatch.chdir(tmp_path / "b")
    assert call("adapt", copied, "--trials", 3, "--suite", "mine.yaml", "--attempts", 2).code == 0  # once more
    kept = json.loads((copied / "adaptation.json").read_text())
    assert list(kept) == [
        "popgym:RepeatFirstEasy",
        "popgym:RepeatFirstEasy, greedy",
        f"mine ({tmp_path}/a/mine.yaml)",
        f"mine ({tmp_path}/b/mine.yaml), attempts 2",
    ]
    assert [one["greedy"] for one in kept.values()] == [False, True, False, False]


def test_a_runs_own_file_is_played_as_the_run_did_however_it_is_called(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("name: popgym:HigherLowerEasy\ntasks: [popgym:RepeatFirstEasy]\n")
    assert call("train", "own.yaml", "--out", "run", "--attempts", 2, *TINY).code == 0
    for suite in (None, "own.yaml", str(tmp_path / "own.yaml"), "popgym:RepeatFirstEasy"):
        assert call("adapt", "run", "--trials", 3, *(() if suite is None else ("--suite", suite))).code == 0
    kept = json.loads((tmp_path / "run" / "adaptation.json").read_text())
    assert {name: len(one["tested"]["tasks"]["RepeatFirstEasy"]["attempts"]) for name, one in kept.items()} == {
        "popgym:HigherLowerEasy (own.yaml)": 2,  # a name that is another suite's
        "popgym:RepeatFirstEasy": 1,
    }


def test_a_report_leaves_out_what_an_older_version_measured(call: Call, copied: Path) -> None:
    assert call("adapt", copied, "--trials", 3).code == 0
    kept = json.loads((copied / "adaptation.json").read_text())
    (now,) = kept.values()
    before = {key: value for key, value in now.items() if key != "greedy"}
    (copied / "adaptation.json").write_text(json.dumps({"before": before, **kept}))
    assert call("report", copied).code == 0
    page = (copied / "report.html").read_text()
    assert "Measured by an older version, and left out: before." in page and "<h3>before</h3>" not in page
    assert call("adapt", copied, "--trials", 4).code == 0
    assert set(json.loads((copied / "adaptation.json").read_text())) == {"before", *kept}


def test_what_another_command_kept_meanwhile_stays(call: Call, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: Any, **settings: Any) -> Any:
        found = adapt_run(*arguments, **settings)
        (copied / "adaptation.json").write_text(json.dumps({"another": found}))
        return found

    monkeypatch.setattr("mtrl.training.adapt.adapt_run", slow)
    assert call("adapt", copied, "--trials", 3).code == 0
    assert list(json.loads((copied / "adaptation.json").read_text())) == ["another", "popgym:RepeatFirstEasy"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("--trials 1", ["--trials of at least 2", "found 1"]),
        ("--attempts 0", ["--attempts of at least 1", "0"]),
        ("--suite popgim-27", ["--suite:", "unknown suite 'popgim-27'", "popgym-27"]),
    ],
)
def test_mistakes_are_told_before_anything_is_played(
    arguments: str, parts: list[str], call: Call, copied: Path
) -> None:
    assert_is_one_mistake(call("adapt", copied, *arguments.split()), *parts)


def test_a_folder_without_a_run_is_refused(call: Call, tmp_path: Path) -> None:
    assert_is_one_mistake(call("adapt", tmp_path / "none"), "there is no folder")


def test_a_damaged_file_is_named(call: Call, copied: Path) -> None:
    (copied / "adaptation.json").write_text("{")
    for command in ("report", "adapt"):  # before anything is played
        assert_is_one_error(call(command, copied), "adaptation.json")
    (copied / "adaptation.json").write_text('{"popgym-quick": []}')
    assert_is_one_error(call("adapt", copied), "adaptation.json", "delete the file")
