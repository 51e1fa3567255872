"""The report of whole runs, of runs in progress, and of runs that lack something."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mtrl.config import to_json
from mtrl.presets import preset
from mtrl.report.page import write_report
from mtrl.report.records import load_run

TASKS = ["RepeatFirstEasy", "RepeatPreviousEasy", "HigherLowerEasy"]
PNG = b"\x89PNG\r\n\x1a\n"


def evaluation(tasks: list[str], steps: int) -> dict[str, Any]:
    entry = {
        "return": 0.5,
        "interval": [0.4, 0.6],
        "score": 0.7,
        "score_interval": [0.6, 0.8],
        "attempts": [0.5],
        "trials": 20,
    }
    return {
        "kind": "evaluation",
        "steps": steps,
        "updates": 9,
        "seconds": 2.0,
        "score": 0.7,
        "tasks": dict.fromkeys(tasks, entry),
    }


def whole(tasks: list[str]) -> list[dict[str, Any]]:
    count = len(tasks)
    found: list[dict[str, Any]] = [
        {
            "kind": "start",
            "steps": 0,
            "updates": 0,
            "seconds": 0.0,
            "suite": "popgym-quick",
            "tasks": tasks,
            "versions": {"torch": "2"},
            "parameters": 12345,
        }
    ]
    for update in range(4):
        now = {"steps": 100 * update + 100, "updates": update, "seconds": 0.5 * update}
        losses = {kind: dict.fromkeys(tasks, 1.0 / (update + 1)) for kind in ("loss", "actor_loss", "critic_loss")}
        metrics = {"share_imitated": 0.4, "value_mean": 0.1, "grad_norm": 1.0, "entropy": 1.2}
        found.append({"kind": "update", **now, **losses, "metrics": metrics})
        found.append(
            {"kind": "collect", **now, "return": dict.fromkeys(tasks, 0.1 * update), "trials": dict.fromkeys(tasks, 3)}
        )
        cosine = [[1.0 if i == j else -0.25 for j in range(count)] for i in range(count)]
        found.append(
            {
                "kind": "conflict",
                **now,
                "tasks": tasks,
                "cosine": cosine,
                "norms": [1.0] * count,
                "weights": [1 / count] * count,
                "conflict_rate": 1.0,
                "norm_spread": 2.0,
                "effective_tasks": 2.5,
            }
        )
        found.append(evaluation(tasks, now["steps"]))
    return [*found, {"kind": "end", "steps": 400, "updates": 4, "seconds": 2.0}]


def folder(path: Path, records: list[dict[str, Any]], *, tail: str = "") -> Path:
    path.mkdir()
    (path / "config.json").write_text(to_json(preset("popgym-quick")))
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (path / "metrics.jsonl").write_text(lines + tail)
    return path


def report(run: Path) -> tuple[str, list[Path]]:
    pictures = write_report(run, run / "report.html")
    return (run / "report.html").read_text(), pictures


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    page, _ = report(folder(tmp_path / "run", whole(TASKS)))
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", page)
    assert not re.findall(r"@import|url\((?!['\"]?(?:data:|#))", page)
    assert "<script src" not in page


def test_every_picture_is_a_png(tmp_path: Path) -> None:
    _, pictures = report(folder(tmp_path / "run", whole(TASKS)))
    assert len(pictures) >= 5
    assert all(path.read_bytes().startswith(PNG) for path in pictures)


def test_every_task_stands_beside_random_and_best(tmp_path: Path) -> None:
    page, _ = report(folder(tmp_path / "run", whole(TASKS)))
    rows = re.findall(r"<tr.*?</tr>", page, flags=re.DOTALL)
    for task in TASKS:
        (row,) = (row for row in rows if task in row and "random" in row)
        numbers = re.findall(r"-?−?\d+\.\d+", row)
        assert len(numbers) >= 4, row
    assert "above random" in page


def test_the_pairs_that_fight_are_named(tmp_path: Path) -> None:
    page, pictures = report(folder(tmp_path / "run", whole(TASKS)))
    assert any("cosine" in path.name for path in pictures)
    assert "0.25" in page


@pytest.mark.parametrize(
    "kept",
    [
        {"start"},
        {"start", "update"},
        {"start", "update", "collect", "evaluation", "end"},
        {"start", "update", "collect", "conflict"},
        set(),
    ],
    ids=["just begun", "losses alone", "no conflict measured", "not evaluated yet", "nothing at all"],
)
def test_a_run_that_lacks_something_is_reported_without_it(kept: set[str], tmp_path: Path) -> None:
    page, _ = report(folder(tmp_path / "run", [record for record in whole(TASKS) if record["kind"] in kept]))
    assert "<html" in page
    assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split()


def test_a_run_with_one_task_has_no_pairs(tmp_path: Path) -> None:
    page, _ = report(folder(tmp_path / "run", whole(TASKS[:1])))
    assert TASKS[0] in page


def test_a_half_written_last_line_is_left_out_and_a_damaged_one_before_it_is_an_error(tmp_path: Path) -> None:
    assert load_run(folder(tmp_path / "a", whole(TASKS), tail='{"kind": "upda')).finished
    run = folder(tmp_path / "b", whole(TASKS))
    lines = (run / "metrics.jsonl").read_text().splitlines()
    lines[2] = lines[2][:20]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl.*line 3|line 3"):
        load_run(run)


def test_names_are_escaped(tmp_path: Path) -> None:
    page, _ = report(folder(tmp_path / "run", whole(["<b>x</b>", "a&b"])))
    assert "<b>x</b>" not in page
    assert "a&amp;b" in page


def test_the_newest_evaluation_counts(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", whole(TASKS))
    later = evaluation(TASKS, 400)
    later["tasks"] = {task: {**entry, "trials": 777} for task, entry in later["tasks"].items()}
    (run / "evaluation.json").write_text(json.dumps(later))
    page, _ = report(run)
    assert "777" in page
