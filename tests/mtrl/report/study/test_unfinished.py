"""The report of a study in progress, or of one that lacks something: it is said, or left out, and nothing breaks."""

import re
from pathlib import Path

import pytest

from mtrl.report.study import write_study_report
from mtrl.report.study.figures.figure import groups
from tests.mtrl.report.study.synthetic import (
    TASKS,
    Grid,
    Record,
    bare,
    cells,
    failed,
    falling,
    flat,
    spread,
    write_study,
)
from tests.report.test_page import Reader

SMALL = Grid(methods=("mean", "two-hot"), seeds=(0, 1), tasks=TASKS[:2])


def report(folder: Path) -> tuple[str, set[str]]:
    """The page's words, and the names of its pictures."""
    files = write_study_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    words = re.findall(r"[\w.]+", re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL))
    assert not {"nan", "NaN", "None", "inf"} & set(words)
    return Reader(page).words(), {path.stem for path in files if path.suffix == ".png"}


def test_a_study_with_nothing_done_says_so(tmp_path: Path) -> None:
    words, pictures = report(write_study(tmp_path / "x", SMALL, []))
    assert "Nothing has been finished yet: all 4 cells are missing." in words
    assert "python run.py compare" in words and pictures == set()


def test_a_study_without_a_file_of_results_is_a_young_one(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "x", SMALL, [])
    (folder / "results.jsonl").unlink()
    assert "Nothing has been finished yet" in report(folder)[0]


def test_a_study_of_failures_alone_names_them_all(tmp_path: Path) -> None:
    records = [failed("plain", method, seed, f"{method} {seed} broke") for method in SMALL.methods for seed in (0, 1)]
    words, pictures = report(write_study(tmp_path / "x", SMALL, records))
    assert all(f"{method} {seed} broke" in words for method in SMALL.methods for seed in (0, 1))
    assert "4 failed" in words and pictures == set()


@pytest.mark.parametrize("count", [1, 4, 8, 9, 12])
def test_a_study_in_progress_is_reported_at_every_length(count: int, tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "two-hot"), seeds=(0, 1, 2), tasks=TASKS[:2], conditions=spread(1, 10))
    words, _ = report(write_study(tmp_path / "x", grid, bare(cells(grid, falling)[:count])))
    if count == 12:
        assert "All 12 cells are done." in words
    else:
        assert f"{count} of 12 cells are done and {12 - count} have not run. All numbers are preliminary." in words
    assert ("Score lost" in words or "No change told apart" in words) == (count >= 9)


def test_a_result_that_comes_later_replaces_the_earlier_one(tmp_path: Path) -> None:
    records = [failed("plain", "mean", 0), *bare(cells(SMALL, flat({})))]
    assert "All 4 cells are done." in report(write_study(tmp_path / "x", SMALL, records))[0]


def test_results_that_the_study_no_longer_asks_for_are_mentioned(tmp_path: Path) -> None:
    more = Grid(methods=("mean", "two-hot", "gone"), seeds=(0, 1), tasks=TASKS[:2])
    records = cells(more, flat({}))
    words, _ = report(write_study(tmp_path / "x", SMALL, bare(records)))
    assert "2 results are of cells that the study no longer asks for" in words
    assert "gone (plain, seed 0)" in words


def test_a_study_without_a_baseline_is_compared_with_nothing(tmp_path: Path) -> None:
    grid = Grid(methods=("a", "b"), seeds=(0, 1), tasks=TASKS[:2], baseline=None)
    words, pictures = report(write_study(tmp_path / "x", grid, bare(cells(grid, flat({})))))
    assert "baseline none" in words and "Better than" not in words
    assert "improvement" not in pictures and "sacrificed" not in pictures and "scores" in pictures


def test_records_without_diagnostics_have_no_such_figures(tmp_path: Path) -> None:
    records = bare(cells(SMALL, flat({})))
    for record in records:
        for name in ("parameters", "updates", "seconds", "peak_memory_mib", "learning_rate"):
            record[name] = None
    _, pictures = report(write_study(tmp_path / "x", SMALL, records))
    assert pictures == {"scores", "profiles", "improvement", "tasks"}


def test_records_with_some_of_the_keys_are_drawn_as_far_as_they_go(tmp_path: Path) -> None:
    records: list[Record] = cells(SMALL, flat({}))
    for record in records:
        record["learning"] = [{"steps": 1000}, {"steps": 2000, "target": {"HigherLowerEasy": {"mean": 0.5}}}]
        record["conflict"]["over_time"] = [{"steps": 1000, "conflict_rate": None, "norms": {"RepeatFirstEasy": 0.0}}]
        record["conflict"]["cosine"][0][1] = record["conflict"]["cosine"][1][0] = None
    _, pictures = report(write_study(tmp_path / "x", SMALL, records))
    assert "targets" in pictures and "imitated" not in pictures and "conflict" not in pictures
    assert "cosine" not in pictures


def test_a_mix_of_tasks_is_an_axis_without_a_scale(tmp_path: Path) -> None:
    mixes = [{"name": f"mix-{name}", "axis": "mix", "value": name, "settings": {}} for name in ("alike", "different")]
    grid = Grid(methods=("mean", "two-hot"), seeds=(0, 1), tasks=TASKS[:2], conditions=mixes)
    words, pictures = report(write_study(tmp_path / "x", grid, bare(cells(grid, flat({})))))
    assert "axis-mix" in pictures and "mix different" in words
    assert "Score kept" not in words and "Score lost" not in words


def test_more_methods_than_colours_share_charts_with_the_baseline(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", *(f"m{place:02d}" for place in range(13))), seeds=(0, 1), tasks=TASKS[:1])
    records = [{**record, "conflict": None, "learning": []} for record in cells(grid, flat({}), unscored=False)]
    words, _ = report(write_study(tmp_path / "x", grid, records))
    assert "over environment steps (1 of 2)" in words and "over environment steps (2 of 2)" in words


@pytest.mark.parametrize(("count", "sizes"), [(10, [10]), (11, [6, 6]), (14, [7, 8]), (28, [10, 10, 10])])
def test_charts_show_about_as_many_methods_each(count: int, sizes: list[int]) -> None:
    methods = [f"m{place:02d}" for place in range(count)]
    together = groups(methods, "m03")
    assert [len(group) for group in together] == sizes and all("m03" in group for group in together)
    assert sorted({method for group in together for method in group}) == methods


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    names = ("mean", "<script>alert(1)</script>")
    tasks = ("a&b\"c'", "x$y_{z}<i>")
    grid = Grid(methods=names, seeds=(0, 1), tasks=tasks, more={"suite": "<b>suite</b>", "command": "run & <go>"})
    folder = write_study(tmp_path / "<i>study", grid, cells(grid, flat({})))
    report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and "<i>" not in page.replace("<i>study", "") and "<b>suite" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "run &amp; &lt;go&gt;" in page
