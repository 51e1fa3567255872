"""The report of a complete run: one page that needs nothing else, and pictures."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import matplotlib.image
import pytest

from mtrl.presets import preset
from mtrl.report.page import write_report
from mtrl.report.records import load_run
from tasks.scores import load_reference
from tests.report.synthetic import COSINES, TASKS, records, write_run


def test_a_run_is_compared_with_what_trials_like_its_own_are_worth(tmp_path: Path) -> None:
    config = preset("dark-room")
    config = replace(config, play=replace(config.play, attempts=40, warmup_attempts=1))
    run = write_run(tmp_path / "run", records(), config=config)
    assert load_run(run).references["dark"] == load_reference("room:dark", attempts=40)
    short = replace(config, play=replace(config.play, attempts=4, warmup_attempts=None), suite="tabular-mdp")
    found = load_run(write_run(tmp_path / "short", records(), config=short)).references["tabular-10x5x10"]
    assert found is not None and found.best is None  # what ten attempts are worth says nothing of four
    assert found.random == load_reference("mdp:tabular-10x5x10", attempts=4).random  # type: ignore[union-attr]


VOID = {"meta", "br", "hr", "img", "link", "input", "col"}


class Reader(HTMLParser):
    """Tags, attributes, text, and the cells of every table; refuses tags that do not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def words(self) -> str:
        return " ".join(" ".join(data.split()) for tag, data in self.texts if tag != "style")


class Written(NamedTuple):
    page: str
    pictures: list[Path]
    reader: Reader


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Written:
    run = write_run(tmp_path_factory.mktemp("reports") / "my-run", records())
    pictures = write_report(run, run / "report.html")
    page = (run / "report.html").read_text(encoding="utf-8")
    return Written(page, pictures, Reader(page))


def test_the_page_loads_nothing_from_elsewhere(complete: Written) -> None:
    for tag, attributes in complete.reader.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "img"), tag
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    loaded = re.findall(r"url\(\s*['\"]?([^)'\"]*)", complete.page)
    assert all(target.startswith(("#", "data:")) for target in loaded)
    assert "@import" not in complete.page
    addresses = set(re.findall(r"https?://[^\s\"'<>]*", complete.page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names of XML's, not loaded


def test_what_the_figures_refer_to_is_in_the_page_once(complete: Written) -> None:
    ids = [attributes["id"] for _, attributes in complete.reader.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    referred = re.findall(r"url\(#([^)]*)\)|href=\"#([^\"]*)\"", complete.page)
    assert referred and {first or second for first, second in referred} <= set(ids)


def test_every_picture_can_be_read_and_shows_something(complete: Written) -> None:
    names = {path.name for path in complete.pictures}
    assert names == {f"{name}.png" for name in ("score", "returns", "conflict", "cosine", "losses", "metrics")}
    for path in complete.pictures:
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) > 200 and pixels[..., :3].std() > 0.02


def test_every_task_has_a_row_with_random_and_best_published(complete: Written) -> None:
    head = next(row for row in complete.reader.rows if row[0] == "task")
    rows = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in complete.reader.rows if row[0] in TASKS}
    assert list(rows) == TASKS
    for task, row in rows.items():
        reference = load_reference(f"popgym:{task}")
        assert reference is not None and reference.best is not None
        assert row["random"] == f"{reference.random:z.2f}".replace("-", "−")
        assert row["best"] == f"{reference.best:z.2f}".replace("-", "−")
    assert [row["return"] for row in rows.values()] == ["0.90", "−0.95", "0.00"]
    assert [row["score"] for row in rows.values()] == ["0.70", "0.80", "0.90"]
    assert [row["trials"] for row in rows.values()] == ["20", "21", "22"]
    said = [row["against random"].removeprefix("▲ ").removeprefix("▼ ") for row in rows.values()]
    assert [text.strip() for text in said] == ["above random", "below random", "not told apart from random"]


def test_the_conflict_matrix_shows_the_cosine_of_every_pair(complete: Written) -> None:
    (section,) = re.findall(r'<section id="cosine">.*?</section>', complete.page, flags=re.DOTALL)
    shown = [text.strip() for _, text in Reader(section).texts]
    for value in COSINES:
        # once above and once below the diagonal; the colour bar has ticks of its own, with one digit more or less
        assert shown.count(f"{value:.2f}".replace("-", "−")) >= 2, value
    for task in TASKS:
        assert shown.count(task) >= 2


def test_the_pair_most_in_conflict_is_named(complete: Written) -> None:
    words = complete.reader.words()
    assert f"The pair most in conflict: {TASKS[1]} and {TASKS[2]}, with a mean cosine of −0.75" in words
    assert "Over 4 measured updates 67% of the task pairs were in conflict" in words


def test_the_page_says_what_the_run_was_and_how_far_it_came(complete: Written) -> None:
    words = complete.reader.words()
    assert "popgym-quick: my-run" in words
    assert "400 environment steps and 4 updates in 1:05 of wall-clock; the run is complete" in words
    assert "torch 9.9.9" in words and "12,345 trained parameters" in words
    settings = {row[0]: row[1] for row in complete.reader.rows}
    assert (settings["conflict.strategy"], settings["collect.slots"]) == ("mean", "16")


def test_the_same_run_gives_the_same_page(complete: Written, tmp_path: Path) -> None:
    run = write_run(tmp_path / "my-run", records())
    write_report(run, run / "report.html")
    assert (run / "report.html").read_text(encoding="utf-8") == complete.page
