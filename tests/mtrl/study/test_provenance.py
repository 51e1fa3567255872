"""Of what make results are: what they say, and what is said where they do not belong together."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mtrl.study import provenance as module
from mtrl.study.methods import find_method
from mtrl.study.provenance import commit, common, differences, foreign, provenance
from mtrl.study.study import Cell
from tests.mtrl.study.builders import TINY, study


def result(seed: int, **more: Any) -> dict[str, Any]:
    told = {"commit": "abc", "common": "123", **more.pop("provenance", {})}
    return {"status": "done", "seed": seed, "versions": {"torch": "2.9"}, "provenance": told, **more}


@pytest.fixture
def fresh() -> Any:
    """Nothing is remembered of the commit."""
    commit.cache_clear()
    yield
    commit.cache_clear()


def test_what_a_study_varies_does_not_count_and_what_it_shares_does() -> None:
    one, grown = study("mean"), study("mean", "two-hot", seeds=(3, 4, 5))
    assert common(one) == common(grown)
    assert common(one) != common(study("mean", steps=3200))
    assert common(one) != common(study("mean", settings={**TINY, "agent.width": 16}))
    two = [provenance(grown, Cell("plain", method, 3))["configuration"] for method in ("mean", "two-hot")]
    assert two[0] != two[1] and two[0] == provenance(grown, Cell("plain", "mean", 3))["configuration"]
    alone = study("single-task", methods=(find_method("single-task"),))
    assert provenance(alone, Cell("plain", "single-task", 0))["configuration"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"provenance": {"commit": "def"}}, "Cells are of different code: abc (2 cells), def (1 cell)."),
        ({"provenance": {"commit": ""}}, "Cells are of different code: abc (2 cells), unknown (1 cell)."),
        ({"provenance": {"common": "456"}}, "the preset or the settings of all cells have changed"),
        ({"versions": {"torch": "3.0"}}, "Cells ran with different versions of torch: 2.9 (2 cells), 3.0 (1 cell)."),
        ({"provenance": None}, "1 of 3 cells do not say of which code they are."),
    ],
)
def test_cells_of_different_make_are_told(other: dict[str, Any], said: str) -> None:
    last = {**result(2), **other} if other.get("provenance", 0) is None else result(2, **other)
    (found,) = differences([result(0), result(1), last, {"status": "failed"}])
    assert said in found
    assert not differences([result(0), result(1)])
    assert not differences([{"status": "done"}, {"status": "done"}])  # of before results said so


def test_a_study_that_goes_on_with_other_code_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = study("mean")
    monkeypatch.setattr(module, "commit", lambda: "def")
    (code,) = foreign(asked, [result(0, provenance={"common": common(asked)})])
    assert code == "This code is of commit def, the study's cells so far are of abc."
    monkeypatch.setattr(module, "commit", lambda: "abc")
    (configuration,) = foreign(asked, [result(0)])
    assert "have changed since" in configuration
    assert not foreign(asked, []) and not foreign(asked, [{"status": "done"}])


def test_without_git_the_commit_is_unknown_and_nothing_fails(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: Any, **options: Any) -> Any:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", missing)
    assert commit() == ""


def test_code_in_the_repository_of_something_else_has_no_commit(
    fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    assert commit() == ""
