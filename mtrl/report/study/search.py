"""The search for each method's settings: what was tried, what it scored and cost, and what was taken."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mtrl.report.records import Record
from mtrl.report.study.folder import Study
from mtrl.report.study.numbers import Field, Numbers
from mtrl.report.study.scores import finite
from mtrl.report.study.tables import Cell, sortable
from mtrl.report.words import number


def search(study: Study, link: str) -> str:
    """A folded table, one row a run; nothing where nothing was searched."""
    if not study.tried:
        return ""
    rows: list[tuple[str, list[Cell]]] = [
        (
            record["method"],
            [
                *((_said(record["choice"].get(place)), _key(record["choice"].get(place))) for place in study.search),
                _scored(record),
                (number(_minutes(record)) if math.isfinite(_minutes(record)) else "–", _minutes(record)),
                ("✓", 1) if _taken(study, record) else ("", 0),
            ],
        )
        for record in study.tried
    ]
    head = ["method", *(place.rpartition(".")[2].replace("_", " ") for place in study.search)]
    table = sortable([*head, "score", "minutes", "taken"], rows)
    return (
        f'<details id="search"><summary>Search of settings</summary><p>{escape(_cost(study))}</p>{table}'
        '<p class="note">One run each, under the first condition, with a seed that no cell has. '
        f"{_instances(study)} {link}</p></details>"
    )


def search_numbers(study: Study) -> Numbers:
    """The same as CSV."""
    return Numbers(
        columns=["method", *study.search, "score", "seconds", "taken", "error"],
        rows=[
            [
                record["method"],
                *(_key(record["choice"].get(place)) for place in study.search),
                _score(record),
                finite(record.get("seconds")),
                int(_taken(study, record)),
                record.get("error"),
            ]
            for record in study.tried
        ],
    )


def _cost(study: Study) -> str:
    spent = sum(seconds for record in study.tried if math.isfinite(seconds := finite(record.get("seconds")))) / 3600
    settings = " and ".join(place.rpartition(".")[2].replace("_", " ") for place in study.search)
    return (
        f"Each method got the values of {settings} that scored best in a search of equal size: {len(study.tried)} runs "
        f"so far, {number(spent)} hours in all, which the wall-clock in the tables does not hold."
    )


def _instances(study: Study) -> str:
    """Whether the runs were evaluated on instances of their own."""
    same = [record for record in study.tried if record["status"] == "done" and not record.get("evaluation_seed")]
    if not same:
        return "They are evaluated on held-out instances that no cell is evaluated on."
    return (
        f"{len(same)} of them were evaluated on the instances that the cells are evaluated on, as earlier versions "
        "did: what was taken may do a little too well there."
    )


def _taken(study: Study, record: Record) -> bool:
    """Whether some cell of the method ran with these settings."""
    cells: Sequence[Mapping[str, Any]] = list(study.cells.values())
    return any(cell["method"] == record["method"] and cell.get("choice") == record["choice"] for cell in cells)


def _scored(record: Record) -> Cell:
    if record["status"] != "done":
        return f'failed <small title="{escape(str(record.get("error")))}">✗</small>', None
    score = _score(record)
    return (number(score) if math.isfinite(score) else "–"), score


def _score(record: Record) -> float:
    return finite(record["evaluation"]["score"]) if record["status"] == "done" else math.nan


def _minutes(record: Record) -> float:
    return finite(record.get("seconds")) / 60


def _said(value: Any) -> str:
    return "its own" if value is None else escape(f"{value:g}" if isinstance(value, float) else str(value))


def _key(value: Any) -> Field:
    return value if isinstance(value, (int, float)) or value is None else str(value)
