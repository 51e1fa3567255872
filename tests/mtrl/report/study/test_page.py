"""The page of a study: complete in itself, well-formed, with every failure, and with the numbers of its CSV files."""

import csv
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import matplotlib.image
import pytest

from mtrl.report.study import write_study_report
from tests.mtrl.report.study.synthetic import (
    TASKS,
    Grid,
    Record,
    bare,
    cells,
    failed,
    falling,
    spread,
    write_study,
)
from tests.report.test_page import Reader

METHODS = ("mean", "pcgrad", "two-hot", "single-task", "diverging")
MESSAGE = "DivergenceError: <b>update 312</b> & the loss is nan"


def quality(method: str, condition: Record, task: str) -> float:
    return {"mean": 0.5, "pcgrad": 0.6, "two-hot": 0.8, "single-task": 0.7}.get(method, -2.0) + 0.1 * (
        TASKS.index(task) % 2
    )


class Written(NamedTuple):
    page: str
    files: list[Path]
    reader: Reader
    folder: Path

    def table(self, number: int = 0) -> dict[str, dict[str, str]]:
        """A sortable table: by the rows' names, then by the columns'."""
        found = re.findall(r'<table class="sortable">.*?</table>', self.page, flags=re.DOTALL)[number]
        head, *rows = Reader(found).rows
        return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}

    def csv(self, name: str) -> list[dict[str, str]]:
        with (self.folder / "report-figures" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def written(folder: Path) -> Written:
    files = write_study_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    return Written(page, files, Reader(page), folder)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Written:
    grid = Grid(methods=METHODS, seeds=(0, 1, 2, 3), tasks=TASKS[:2])
    left_out = [("plain", "pcgrad", 1), ("plain", "two-hot", 2)]
    records = [*cells(grid, quality, without=left_out), failed("plain", "pcgrad", 1, MESSAGE)]
    return written(write_study(tmp_path_factory.mktemp("studies") / "my-study", grid, records))


@pytest.fixture(scope="module")
def stressed(tmp_path_factory: pytest.TempPathFactory) -> Written:
    grid = Grid(methods=("mean", "two-hot", "diverging"), conditions=spread(1, 100), seeds=(0, 1, 2), tasks=TASKS[:2])
    return written(write_study(tmp_path_factory.mktemp("studies") / "stress", grid, cells(grid, falling)))


@pytest.fixture(params=["compared", "stressed"])
def either(request: pytest.FixtureRequest) -> Written:
    found: Written = request.getfixturevalue(request.param)
    return found


def test_the_page_loads_nothing_from_elsewhere(either: Written) -> None:
    for tag, attributes in either.reader.tags:
        assert tag not in ("link", "iframe", "object", "embed", "img"), tag
        assert tag != "script" or not attributes
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            target = attributes.get(name, "#")
            assert target.startswith(("#", "data:", "report-figures/")), (tag, attributes)
    assert all(target.startswith(("#", "data:")) for target in re.findall(r"url\(\s*['\"]?([^)'\"]*)", either.page))
    addresses = set(re.findall(r"https?://[^\s\"'<>]*", either.page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names of XML's, not loaded


def test_every_id_is_in_the_page_once_and_every_link_leads_somewhere(either: Written) -> None:
    ids = [attributes["id"] for _, attributes in either.reader.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [a["href"] for tag, a in either.reader.tags if tag == "a" and not a["href"].startswith("#")]
    assert links and all((either.folder / link).is_file() for link in links)
    assert {either.folder / link for link in links} == set(either.files)


def test_every_figure_is_a_picture_a_pdf_and_numbers(either: Written) -> None:
    pictures = [path for path in either.files if path.suffix == ".png"]
    assert len(pictures) > 10
    for path in pictures:
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert len(path.with_suffix(".csv").read_text().splitlines()) > 1
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) > 150 and pixels[..., :3].std() > 0.02


def test_no_number_of_python_stands_on_the_page(either: Written) -> None:
    words = re.findall(r"[\w.]+", re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", either.page, flags=re.DOTALL))
    assert not {"NaN", "None", "inf", "Infinity"} & set(words)
    assert words.count("nan") == either.page.count("the loss is nan")


def test_the_figures_that_the_study_allows_are_all_there(compared: Written, stressed: Written) -> None:
    of_all = {"scores", "curves", "profiles", "improvement", "tasks", "cosine", "conflict", "sacrificed"}
    of_all |= {"imitated", "norms", "targets"}
    names = {path.stem for path in compared.files if path.suffix == ".png"}
    assert names == of_all | {"transfer"}
    names = {path.stem for path in stressed.files if path.suffix == ".png"}
    by_condition = {f"{name}-spread-{value}" for name in of_all for value in (1, 100)}
    assert names == by_condition | {"axis-spread", "axis-spread-tasks", "axis-spread-factors"}


def test_what_was_asked_stands_on_the_page(compared: Written) -> None:
    words = compared.reader.words()
    for said in ("popgym-quick: my-study", "5 methods × 4 seeds", "60,000", "python run.py compare popgym-quick"):
        assert said in words
    assert "torch 9.9.9" in words and "What pcgrad is." in words and "conflict.strategy=pcgrad" in words


def test_of_what_make_the_study_is_stands_at_the_end_of_the_page(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "two-hot"), seeds=(0, 1), tasks=TASKS[:1], more={"commands": ["run a", "run b"]})
    records = bare(cells(grid, quality))
    for record in records:
        commit = "abc" if record["seed"] else "def with changes 12"
        record |= {
            "provenance": {"commit": commit, "common": "x"},
            "versions": {"numpy": "1.26", "popgym": "not installed"},
        }
    found = written(write_study(tmp_path / "x", grid, records))
    footer = found.page[found.page.index("<footer>") :]
    assert "run a\nrun b" in footer and "torch 9.9.9" in footer and "numpy 1.26" in footer and "popgym" not in footer
    assert "commit def with changes 12, abc" in footer
    assert "Cells are of different code: def with changes 12 (2 cells), abc (2 cells)." in found.reader.words()


def test_failed_and_missing_cells_are_on_the_page(compared: Written) -> None:
    words = compared.reader.words()
    assert "18 of 20 cells are done, 1 failed and 1 has not run" in words
    assert ["pcgrad", "plain", "1", MESSAGE] in compared.reader.rows
    assert "<b>update 312" not in compared.page
    assert ["pcgrad", "✓✗✓✓"] in compared.reader.rows and ["two-hot", "✓✓·✓"] in compared.reader.rows
    table = compared.table()
    assert table["pcgrad"]["seeds done"] == "3 of 4 1 failed" and table["two-hot"]["seeds done"] == "3 of 4 1 missing"


def test_the_csv_has_the_numbers_of_the_main_table(compared: Written) -> None:
    shown, rows = compared.table(), {row["method"]: row for row in compared.csv("table")}
    assert set(shown) == set(rows) == set(METHODS)
    for method, cells_ in shown.items():
        row = rows[method]
        for column, name in (
            ("IQM", "iqm"),
            ("mean", "mean"),
            ("median", "median"),
            ("optimality gap (low is good)", "optimality_gap"),
            ("difference to mean", "difference"),
        ):
            value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
            if cells_[column] == "–":
                assert value == low == high == ""
            else:
                assert _numbers(cells_[column]) == [round(float(v) + 0.0, 2) for v in (value, low, high)], (
                    method,
                    name,
                )
        assert float(row["time_ratio"]) == pytest.approx(float(cells_["time ratio"]), abs=0.005)
        assert float(row["updates_per_second"]) == pytest.approx(float(cells_["updates/s"]), rel=0.05)
        assert row["verdict"] in cells_["against mean (Holm)"]
        assert f"{int(row['parameters']):,}" == cells_["parameters"]
        assert row["learning_rate"] == cells_["learning rate"]
        assert f"{row['seeds_done']} of 4" in cells_["seeds done"]


def _numbers(text: str) -> list[float]:
    return [float(value) for value in re.findall(r"[-+]?\d+\.\d+", text.replace("−", "-"))]


def test_the_main_table_agrees_with_numbers_made_by_hand(compared: Written) -> None:
    """The mean of the scores in the results, and the difference of those seeds that both methods have."""
    lines = (compared.folder / "results.jsonl").read_text().splitlines()
    scores: dict[str, dict[int, float]] = {}
    for record in map(json.loads, lines):
        if record["status"] == "done":
            tasks = [entry["score"] for entry in record["evaluation"]["tasks"].values() if entry["score"] is not None]
            scores.setdefault(record["method"], {})[record["seed"]] = sum(tasks) / len(tasks)
    for row in compared.csv("table"):
        own, base = scores[row["method"]], scores["mean"]
        assert float(row["mean"]) == pytest.approx(sum(own.values()) / len(own))
        if row["method"] != "mean":
            pairs = [own[seed] - base[seed] for seed in own if seed in base]
            assert float(row["difference"]) == pytest.approx(sum(pairs) / len(pairs))
            assert int(row["pairs"]) == len(pairs)


def test_tables_can_be_sorted_by_numbers(compared: Written) -> None:
    found = re.findall(r'<table class="sortable">.*?</table>', compared.page, flags=re.DOTALL)[0]
    keys = [float(key) for key in re.findall(r'</th><td data-sort="([^"]*)">', found)]
    assert keys == pytest.approx([float(row["iqm"]) for row in compared.csv("table")])
    assert "table.sortable" in compared.page


def test_the_score_kept_is_that_of_the_ends(stressed: Written) -> None:
    kept = {row["method"]: row for row in stressed.csv("axis-spread-kept")}
    shown = stressed.table(2)
    for method, row in kept.items():
        assert (row["against"] == "") == (method == "mean")
        against = float(row["change"]) - float(kept["mean"]["change"])
        assert method == "mean" or float(row["against"]) == pytest.approx(against)
        assert method == "mean" or f"{against:+.2f}".replace("-", "−") in shown[method]["change minus that of mean"]
        assert float(row["share_kept"]) == pytest.approx(float(row["last"]) / float(row["first"]))
        assert float(row["change"]) == pytest.approx(float(row["last"]) - float(row["first"]))
        assert _numbers(shown[method]["share kept"])[0] == pytest.approx(float(row["share_kept"]), abs=0.0051)
    assert (
        "loses" in shown["mean"]["told apart (Holm)"] and "not distinguishable" in shown["two-hot"]["told apart (Holm)"]
    )


def test_the_axis_csv_has_every_condition_and_method(stressed: Written) -> None:
    rows = stressed.csv("axis-spread")
    assert {(row["spread"], row["method"]) for row in rows} == {
        (value, method) for value in ("1.0", "100.0") for method in ("mean", "two-hot", "diverging")
    }
    tables: Mapping[tuple[str, str], str] = {
        (row["condition"], row["method"]): row["mean"] for row in stressed.csv("table")
    }
    for row in rows:
        assert float(row["score"]) == pytest.approx(float(tables[f"spread-{float(row['spread']):g}", row["method"]]))
        assert float(row["low"]) < float(row["score"]) < float(row["high"])


def test_the_curve_ends_at_each_points_mean_over_seeds(compared: Written) -> None:
    rows = [row for row in compared.csv("curves") if row["method"] == "mean"]
    assert [int(float(row["steps"])) for row in rows] == [60_000 * k // 12 for k in range(1, 13)]
    assert all(row["seeds"] == "4" for row in rows)
    assert math.isclose(float(rows[-1]["updates"]), 60_000 // 64)


def test_the_same_study_gives_the_same_page(compared: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtrl.report.study.page.save_picture", lambda chart, paths, styles: None)  # beside the page
    copy = tmp_path / "my-study"
    copy.mkdir()
    for name in ("study.json", "results.jsonl"):
        (copy / name).write_bytes((compared.folder / name).read_bytes())
    write_study_report(copy)
    assert (copy / "report.html").read_text(encoding="utf-8") == compared.page
