"""A study's folder as data: what was asked for, and every cell that is done or has failed.

Whatever is missing, because the study is young or still goes on, is simply missing here.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mtrl.report.records import Record, json_lines

STUDY = "study.json"
"""The file that makes a folder a study."""
RESULTS = "results.jsonl"
TUNING = "tuning.jsonl"
VERSION = 2

_PLAIN = ("steps", "evaluate_trials", "command", "commands", "versions", "search")
"""What is taken from the file as it stands, if it is there."""
State = Literal["done", "failed", "missing"]
Key = tuple[str, str, int]
"""Condition, method, seed."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A row of the grid."""

    name: str
    summary: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    alone: bool = False
    """Whether it has an agent for every task."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A column of the grid: what all methods were put under."""

    name: str
    axis: str | None = None
    """What varies between conditions, e.g. "spread"; None in a plain comparison."""
    value: float | str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """For a heading."""
        if self.axis is None or self.value is None:
            return self.name
        return f"{self.axis} {self.label}"

    @property
    def label(self) -> str:
        """The value in few characters."""
        return f"{self.value:g}" if isinstance(self.value, (int, float)) else str(self.value)


@dataclass(frozen=True, kw_only=True)
class Study:
    """All that a study's report is made from."""

    name: str
    """The folder's name."""
    suite: str
    methods: list[Method]
    conditions: list[Condition]
    seeds: list[int]
    baseline: str | None = None
    steps: int | None = None
    evaluate_trials: int | None = None
    command: str = ""
    commands: list[str] = field(default_factory=list)
    """All that asked for something of it, in their order."""
    versions: dict[str, str] = field(default_factory=dict)
    cells: dict[Key, Record] = field(default_factory=dict)
    """The newest result of each cell of the grid that has one."""
    search: dict[str, list[Any]] = field(default_factory=dict)
    """What was searched for every method: settings by their place, with the values that were tried."""
    tried: list[Record] = field(default_factory=list)
    """The runs of the search."""
    strays: list[Key] = field(default_factory=list)
    """Results of cells that the study no longer asks for."""

    @property
    def method_names(self) -> list[str]:
        """In the study's order."""
        return [method.name for method in self.methods]

    @property
    def keys(self) -> list[Key]:
        """Every cell of the grid."""
        return [
            (condition.name, method.name, seed)
            for condition in self.conditions
            for method in self.methods
            for seed in self.seeds
        ]

    def condition(self, name: str) -> Condition:
        """A condition by its name."""
        return next(condition for condition in self.conditions if condition.name == name)

    def state(self, key: Key) -> State:
        """What has become of a cell."""
        record = self.cells.get(key)
        if record is None:
            return "missing"
        return "done" if record["status"] == "done" else "failed"

    def count(self, state: State) -> int:
        """How many cells are in that state."""
        return sum(self.state(key) == state for key in self.keys)

    def done(self, condition: str, method: str) -> dict[int, Record]:
        """The results of a method under a condition, by seed."""
        keys = [(condition, method, seed) for seed in self.seeds]
        return {key[2]: self.cells[key] for key in keys if self.state(key) == "done"}

    def failed(self, condition: str, method: str) -> list[int]:
        """The seeds of a method that failed under a condition."""
        return [seed for seed in self.seeds if self.state((condition, method, seed)) == "failed"]


def load_study(folder: Path) -> Study:
    """Read a study's folder; a half-written last result is left out.

    Raises:
        ValueError: it is no study's folder, or a file in it is damaged.
    """
    asked = _asked(folder / STUDY)
    study = Study(name=folder.resolve().name, **asked)
    cells: dict[Key, Record] = {}
    for number, record in json_lines(folder / RESULTS):
        cells[_key(record, f"{folder / RESULTS}, line {number}")] = record
    grid = set(study.keys)
    return Study(
        name=study.name,
        cells={key: record for key, record in cells.items() if key in grid},
        strays=[key for key in cells if key not in grid],
        tried=_tried(folder / TUNING, asked["methods"]),
        **asked,
    )


def _tried(path: Path, methods: list[Method]) -> list[Record]:
    """The newest result of every run of the search, method by method."""
    found: dict[tuple[str, str], Record] = {}
    for number, record in json_lines(path):
        _key(record, f"{path}, line {number}")
        found[record["method"], json.dumps(record.get("choice", {}))] = record
    return [record for method in methods for record in found.values() if record["method"] == method.name]


def _asked(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.parent} is no study: {path.name} cannot be read ({error})") from error
    if not isinstance(found, dict) or found.get("version") != VERSION:
        version = found.get("version") if isinstance(found, dict) else type(found).__name__
        raise ValueError(
            f"{path}: expected a study of version {VERSION}, found {version!r}; was it written by another version?"
        )
    try:
        methods = [Method(**_fields(entry, "name", "summary", "settings", "alone")) for entry in found["methods"]]
        asked: dict[str, Any] = {
            "suite": str(found["suite"]),
            "methods": methods,
            "conditions": [
                Condition(**_fields(entry, "name", "axis", "value", "settings")) for entry in found["conditions"]
            ],
            "seeds": [int(seed) for seed in found["seeds"]],
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected suite, methods, conditions and seeds as a study writes them, found a file "
            f"without or with other ones ({error!r})"
        ) from error
    asked |= {name: found[name] for name in _PLAIN if found.get(name)}
    baseline = found.get("baseline")
    names = [method.name for method in methods]
    if baseline is not None and baseline not in names:
        raise ValueError(f"{path}: expected a baseline among the methods {names}, found {baseline!r}")
    return asked | {"baseline": baseline}


def _fields(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    return {"name": str(entry["name"])} | {name: entry[name] for name in names[1:] if entry.get(name) is not None}


def _key(record: Record, where: str) -> Key:
    try:
        key = (str(record["condition"]), str(record["method"]), int(record["seed"]))
        if record["status"] == "done":
            record["evaluation"]["tasks"].items()
        elif record["status"] != "failed":
            raise ValueError(f"status {record['status']!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{where}: expected condition, method, seed, status (done or failed) and, where it is done, an "
            f"evaluation; found something else ({error!r})"
        ) from error
    return key
