"""The report of a run in progress, and of runs that lack something: it is said, or left out, and nothing breaks."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

from mtrl.report.page import write_report
from mtrl.report.records import load_run
from tests.report.synthetic import END, TASKS, Record, evaluation, records, write_evaluation, write_run

ALL = {"score", "returns", "conflict", "cosine", "losses", "metrics"}


def report(run: Path) -> tuple[str, set[str]]:
    """The page, and the names of its pictures."""
    pictures = write_report(run, run / "report.html")
    page = (run / "report.html").read_text(encoding="utf-8")
    drawn = set(re.findall(r'<(?:section|details) id="(\w+)"', page)) - {"settings"}
    assert {path.stem for path in pictures} == drawn
    words = re.findall(r"[\w.]+", re.sub(r"<style.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL))
    # the settings show what JSON holds, null included
    assert not {"nan", "NaN", "None", "inf"} & set(words)
    return page, {path.stem for path in pictures}


def kinds(*kept: str) -> list[Record]:
    return [record for record in records() if record["kind"] in kept]


@pytest.mark.parametrize(
    ("kept", "drawn", "said"),
    [
        ((), set(), "no records yet"),
        (("start",), set(), "So far 0 environment steps"),
        (("start", "update"), {"losses", "metrics"}, "all numbers are preliminary"),
        (("start", "update", "collect", "conflict"), ALL - {"score"}, "It has not been evaluated yet"),
        (("start", "update", "collect", "evaluation"), ALL - {"conflict", "cosine"}, "conflict was not measured"),
        (("start", "conflict", "end"), {"conflict", "cosine"}, "the run is complete"),
        (("start", "evaluation", "end"), {"score", "returns"}, "After 400 steps"),
        (("update", "evaluation"), {"losses", "metrics", "score", "returns"}, "So far 400"),
    ],
    ids=lambda value: ",".join(sorted(value)) or "nothing" if isinstance(value, (tuple, set)) else "",
)
def test_what_is_not_there_is_not_drawn_and_is_said(
    kept: tuple[str, ...], drawn: set[str], said: str, tmp_path: Path
) -> None:
    page, pictures = report(write_run(tmp_path / "run", kinds(*kept)))
    assert pictures == drawn
    assert said in page
    assert ('id="tasks"' in page) == ("evaluation" in kept)


def test_a_run_in_progress_is_reported_at_every_length(tmp_path: Path) -> None:
    for count in range(len(records())):
        data = load_run(write_run(tmp_path / str(count), records()[:count]))
        assert not data.finished
    assert load_run(write_run(tmp_path / "whole", records())).finished


def test_a_folder_with_settings_alone_is_a_young_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    (run / "metrics.jsonl").unlink(missing_ok=True)
    page, pictures = report(run)
    assert "no records yet" in page and pictures == set()


def test_one_task_has_nobody_to_fight_with(tmp_path: Path) -> None:
    page, pictures = report(write_run(tmp_path / "run", records(TASKS[:1])))
    assert pictures == ALL - {"conflict", "cosine"}
    assert "of task pairs in conflict" not in page
    assert "normalised score is 0.70" in page


@pytest.mark.parametrize("tail", ['{"kind": "upda', '{"kind":"update"', "\x00\x00\x00", '{"a": "\u00e4'[:-1]])
def test_a_last_line_that_is_cut_is_left_out(tail: str, tmp_path: Path) -> None:
    whole = load_run(write_run(tmp_path / "whole" / "run", records()))
    assert load_run(write_run(tmp_path / "cut" / "run", records(), tail=tail)) == whole


@pytest.mark.parametrize("line", ['{"kind": "upda', "[1, 2]", '{"steps": 3}'])
def test_a_line_that_is_damaged_before_the_end_is_named(line: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", records())
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join([*lines[:2], line, *lines[3:]]) + "\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 3: expected a JSON object"):
        load_run(run)


def test_numbers_that_are_not_finite_are_gaps(tmp_path: Path) -> None:
    found = records()
    for record in found[:9]:
        if record["kind"] == "update":
            record["actor_loss"] = dict.fromkeys(TASKS, math.nan)
            record["metrics"] = dict.fromkeys(record["metrics"], math.inf)
        elif record["kind"] == "conflict":
            record["norm_spread"], record["effective_tasks"] = math.inf, math.nan
            record["cosine"][0][1] = record["cosine"][1][0] = math.nan
    run = write_run(tmp_path / "run", found)
    assert "NaN" not in (run / "metrics.jsonl").read_text()
    _, pictures = report(run)
    assert pictures == ALL


def test_a_run_whose_gradients_were_never_finite_says_no_number(tmp_path: Path) -> None:
    found = records()
    for record in found:
        if record["kind"] == "conflict":
            record |= dict.fromkeys(("norm_spread", "effective_tasks", "conflict_rate"), math.nan)
            record["cosine"] = [[math.nan] * 3 for _ in range(3)]
    page, pictures = report(write_run(tmp_path / "run", found))
    assert "cosine" not in pictures
    assert "0% of the task pairs" not in page


def test_intervals_and_scores_that_are_unknown_are_dashes(tmp_path: Path) -> None:
    unknown: dict[str, Any] = {"interval": None, "score": None, "score_interval": None, "trials": 1}
    single = evaluation(["NewTask"], 400)
    single["tasks"]["NewTask"] |= unknown
    single["score"] = None
    found = [r for r in records(["NewTask"]) if r["kind"] != "evaluation"]
    page, pictures = report(write_run(tmp_path / "run", [*found[:-1], single, found[-1]]))
    (row,) = re.findall(r"<tr><th>NewTask</th>(.*?)</tr>", page)
    assert re.findall(r"<td>([^<]*)</td>", row)[:6] == ["0.90", "–", "–", "–", "–", "–"]
    assert "no normalised score" in page
    assert "score" not in pictures and "returns" in pictures


def test_updates_with_some_of_the_tasks_still_make_one_matrix(tmp_path: Path) -> None:
    found = records()
    pairs = [[0, 1], [1, 2], [0, 1], [1, 2]]
    for record, (i, j) in zip([r for r in found if r["kind"] == "conflict"], pairs, strict=True):
        whole = record["cosine"]
        record["tasks"] = [TASKS[i], TASKS[j]]
        record["cosine"] = [[1.0, whole[i][j]], [whole[i][j], 1.0]]
        record["norms"] = record["weights"] = [1.0, 1.0]
    page, pictures = report(write_run(tmp_path / "run", found))
    assert "cosine" in pictures
    (section,) = re.findall(r'<section id="cosine">.*?</section>', page, flags=re.DOTALL)
    assert section.count("−0.75</text>") >= 2
    assert "0.50</text>" not in re.sub(r"−0\.50</text>", "", section)  # the first and the third were never together


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", 'a&b"c', "x$y_{z}'"]
    page, pictures = report(write_run(tmp_path / "<i>run</i>", records(names)))
    assert pictures == ALL
    assert "<script" not in page and "<i>" not in page and "a&b" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "x$y_{z}" in page


def test_more_tasks_than_colours_are_told_apart(tmp_path: Path) -> None:
    names = [f"Task{number}" for number in range(8)]
    found = [record for record in records(names) if record["kind"] in ("start", "update", "end")]
    page, _ = report(write_run(tmp_path / "run", found))
    keys = re.findall(r'stroke="(#\w+)" stroke-dasharray="([^"]*)"/></svg> (Task\d)', page)
    assert [name for _, _, name in keys] == names
    assert len({(colour, dashes) for colour, dashes, _ in keys}) == len(names)


def test_attempts_stand_apart_where_there_are_several(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [record for record in records() if record["kind"] in ("start", "end")])
    result = evaluation(TASKS, 400)
    for entry in result["tasks"].values():
        entry["attempts"] = [-0.5, 0.25]
    write_evaluation(run, result)
    page, _ = report(run)
    assert page.count("−0.50 → 0.25") == len(TASKS)


@pytest.mark.parametrize(
    ("steps", "trials", "counts"),
    [(400, 777, True), (500, 2, True), (400, 2, False), (300, 777, False)],
    ids=["same steps, more trials", "later", "same steps, fewer trials", "earlier"],
)
def test_the_newest_evaluation_counts(steps: int, trials: int, counts: bool, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [*records()[:-1], dict(END)])
    write_evaluation(run, evaluation(TASKS, steps, trials=trials))
    found = load_run(run).evaluation
    assert found is not None
    assert (found.get("episodes") == 100) == counts
    assert found["tasks"][TASKS[0]]["trials"] == (trials if counts else 20)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"steps": 3, "score": 1, "tasks": {"a": {}}}'])
def test_an_evaluation_that_is_damaged_is_named(content: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", records())
    (run / "evaluation.json").write_text(content)
    with pytest.raises(ValueError, match=r"evaluation\.json: expected the result of run\.py evaluate"):
        load_run(run)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_without_settings_is_no_run(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json"):
        load_run(tmp_path)
