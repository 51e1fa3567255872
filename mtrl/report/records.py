"""A run's folder as data: settings, records by kind, and the returns that scores are measured against.

Whatever is missing, because the run is young, was interrupted or still goes on, is simply empty here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.registry import load_suite
from tasks.scores import Reference, reference_of

Record = dict[str, Any]

ADAPTATION = "adaptation.json"
"""File in a run's folder: suite, with the attempts of a trial where they were asked for -> the newest result of
`run.py adapt` on it."""
EVALUATION = "evaluation.json"
"""File in a run's folder with the result of the newest `run.py evaluate`."""


@dataclass(frozen=True, kw_only=True)
class RunData:
    """All that a report is made from."""

    name: str
    """The folder's name."""
    settings: dict[str, Any]
    """The resolved configuration tree."""
    tasks: list[str]
    """Names in the suite's order."""
    references: dict[str, Reference | None] = field(default_factory=dict)
    """By task name; None: nothing is known of the task."""
    start: Record = field(default_factory=dict)
    updates: list[Record] = field(default_factory=list)
    collected: list[Record] = field(default_factory=list)
    conflicts: list[Record] = field(default_factory=list)
    evaluations: list[Record] = field(default_factory=list)
    evaluation: Record | None = None
    """The newest: of a later `run.py evaluate`, or the last one of training."""
    adaptation: dict[str, Record] = field(default_factory=dict)
    """Suite -> the newest result of `run.py adapt` on it."""
    outdated: tuple[str, ...] = ()
    """Suites on which an older version measured adaptation, with other words for it."""
    last: Record = field(default_factory=dict)
    """The last record of all, whose steps, updates and seconds say how far the run is."""

    @property
    def all_tasks(self) -> list[str]:
        """The run's tasks, then those of the suites to which it was made to adapt."""
        others = (
            task
            for found in self.adaptation.values()
            for part in found.values()
            if isinstance(part, dict)
            for task in part.get("tasks", ())
        )
        return list(dict.fromkeys([*self.tasks, *others]))

    @property
    def finished(self) -> bool:
        """Whether training reached its end."""
        return bool(self.last) and self.last["kind"] == "end"


def load_run(folder: Path) -> RunData:
    """Read a run's folder; a half-written last line is left out.

    Raises:
        ValueError: it is no run's folder, or a line in the middle of its records is damaged.
    """
    settings = _object(folder / "config.json")
    records = _records(folder / "metrics.jsonl")
    kinds: dict[str, list[Record]] = {}
    for record in records:
        kinds.setdefault(record["kind"], []).append(record)
    evaluations = kinds.get("evaluation", [])
    tasks, adaptation = _tasks(kinds), load_adaptation(folder / ADAPTATION)
    return RunData(
        name=folder.resolve().name,
        settings=settings,
        tasks=tasks,
        references=_references(settings, tasks),
        start=kinds.get("start", [{}])[0],
        updates=kinds.get("update", []),
        collected=kinds.get("collect", []),
        conflicts=kinds.get("conflict", []),
        evaluations=evaluations,
        evaluation=_newest(folder / EVALUATION, evaluations),
        adaptation={suite: found for suite, found in adaptation.items() if "greedy" in found},
        outdated=tuple(suite for suite, found in adaptation.items() if "greedy" not in found),
        last=records[-1] if records else {},
    )


def load_adaptation(path: Path) -> dict[str, Record]:
    """What `run.py adapt` found on each suite; nothing without a file.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        found = json.loads(path.read_text()) if path.is_file() else {}
        if not isinstance(found, dict) or not all(isinstance(one, dict) and "tested" in one for one in found.values()):
            raise ValueError(f"it holds {type(found).__name__}")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: expected what run.py adapt found, found something else ({error}); delete the file"
        ) from error
    return found


def json_lines(path: Path) -> Iterator[tuple[int, Record]]:
    """The objects of a file with one JSON object a line, each with its line's number; none without a file.

    A half-written last line is left out.

    Raises:
        ValueError: a line before the last is no JSON object.
    """
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line) if line.strip() else None
        except ValueError as error:
            # What follows the last line break is being written at this moment, or was when the process died.
            if number == len(lines):
                break
            raise ValueError(f"{path}, line {number}: expected a JSON object, found {line[:60]!r}") from error
        if record is not None:
            if not isinstance(record, dict):
                raise ValueError(f"{path}, line {number}: expected a JSON object, found {line[:60]!r}")
            yield number, record


def _records(path: Path) -> list[Record]:
    found: list[Record] = []
    for number, record in json_lines(path):
        if "kind" not in record:
            raise ValueError(
                f'{path}, line {number}: expected a JSON object with a "kind", found {json.dumps(record)[:60]}'
            )
        found.append(record)
    return found


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.parent} is no run: {path.name} cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(found).__name__}")
    return found


def _tasks(kinds: dict[str, list[Record]]) -> list[str]:
    if "start" in kinds:
        return list(kinds["start"][0]["tasks"])
    named = [
        *(task for record in kinds.get("evaluation", []) for task in record["tasks"]),
        *(task for record in kinds.get("update", []) for task in record["loss"]),
    ]
    return list(dict.fromkeys(named))


def _references(settings: dict[str, Any], tasks: list[str]) -> dict[str, Reference | None]:
    """For trials as the run plays them."""
    try:
        suite = load_suite(settings.get("suite", ""), **settings.get("play", {}))
        known = {task.name: reference_of(task) for task in suite.all_tasks}
    except (ValueError, ImportError, OSError):
        known = {}
    return dict.fromkeys(tasks) | known


def _newest(path: Path, evaluations: list[Record]) -> Record | None:
    found = [_evaluation(path)] if path.is_file() else []
    # Of two at the same step the one that played more trials says more.
    return max((*evaluations[-1:], *found), key=lambda record: (record["steps"], _trials(record)), default=None)


def _evaluation(path: Path) -> Record:
    try:
        found: Record = json.loads(path.read_text())
        found["steps"], found["score"], _trials(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected the result of run.py evaluate, found something else ({error!r}); "
            "evaluate the run again, or delete the file"
        ) from error
    return found


def _trials(evaluation: Record) -> int:
    return sum(int(entry["trials"]) for entry in evaluation["tasks"].values())
