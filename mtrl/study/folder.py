"""A study's folder: what was asked (``study.json``) and what came out (``results.jsonl``, a line a cell)."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtrl import in_use
from mtrl.in_use import held
from mtrl.study.study import FILE, Cell, Choice, Study, StudyError, extended, from_json, hashable, to_json

Result = dict[str, Any]

RESULTS = "results.jsonl"
TUNING = "tuning.jsonl"


class StudyFolder:
    """Where a study is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other writers out, from before anything is written; whoever holds the folder by this object already may
        ask again.

        Raises:
            InUseError: somebody else holds it.
            StudyError: the folder holds something else than a study.
        """
        if self._held:
            yield
            return
        self._check_kind()
        self.path.mkdir(parents=True, exist_ok=True)
        with held(self.path):
            self._held = True
            try:
                yield
            finally:
                self._held = False

    def open(self, study: Study, *, command: str = "") -> Study:
        """Begin the study, or add this one's methods, conditions and seeds to the one that is there.

        Raises:
            StudyError: the folder holds something else, or a study whose cells could not be compared with this one's.
            InUseError: somebody else writes into it; what is there stays as it is.
        """
        with self.held():
            return self._open(study, command)

    def _open(self, study: Study, command: str) -> Study:
        study = self.extended(study)
        commands = [*self._stored().get("commands", []), command] if command else self._stored().get("commands", [])
        _replace(
            self.path / FILE,
            json.dumps(
                {
                    **to_json(study),
                    "command": command or self._stored().get("command", ""),
                    "commands": list(dict.fromkeys(commands)),
                },
                indent=1,
            )
            + "\n",
        )
        return study

    def _check_kind(self) -> None:
        if (self.path / FILE).is_file() or not self.path.is_dir():
            return
        if any(entry.name != in_use.FILE for entry in self.path.iterdir()):
            raise StudyError(f"{self.path} is not empty and holds no study: name another folder with --out")

    def extended(self, study: Study) -> Study:
        """The study with what the folder has beside it; raises as `open`."""
        if not (self.path / FILE).is_file():
            return study
        return extended(self.read(), study, begun=bool(self.results()))

    def read(self) -> Study:
        """The study as it was asked for.

        Raises:
            StudyError: there is none.
        """
        stored = self._stored()
        if not stored:
            raise StudyError(f"{self.path} is no study: it has no {FILE}")
        return from_json(stored)

    def results(self, name: str = RESULTS) -> list[Result]:
        """The newest result of every cell, in the order of their first ones. A half-written last line is left out.

        Raises:
            StudyError: a line in the middle is damaged.
        """
        file = self.path / name
        lines = file.read_bytes().split(b"\n") if file.is_file() else []
        found: dict[tuple[Any, ...], Result] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                result = json.loads(line)
                choice = choice_of(result) if name == TUNING else None
                found[result["condition"], result["method"], result["seed"], choice] = result
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):
                    break
                raise StudyError(f"{file}, line {number}: expected a cell's result, found {line[:60]!r}") from error
        return list(found.values())

    def add(self, result: Result, name: str = RESULTS) -> None:
        """Append a cell's result; what a process that died left of a line goes."""
        with (self.path / name).open("a+b") as out:
            out.seek(0)
            out.truncate(out.read().rfind(b"\n") + 1)
            out.write(json.dumps(result, separators=(",", ":")).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())

    def missing(self, study: Study, *, retry_failed: bool = False) -> list[Cell]:
        """Cells without a result; on request also those that failed. With what a search has found for them."""
        settled = {
            (r["condition"], r["method"], r["seed"])
            for r in self.results()
            if r["status"] == "done" or not retry_failed
        }
        found = best_choices(study, self.results(TUNING))
        return [
            replace(cell, choice=found.get(cell.method, ()))
            for cell in study.cells()
            if (cell.condition, cell.method, cell.seed) not in settled
        ]

    def untuned(self, study: Study, *, retry_failed: bool = False) -> list[Cell]:
        """Runs of the search that are still to be made; on request also those that failed."""
        made = {(r["method"], choice_of(r)) for r in self.results(TUNING) if r["status"] == "done" or not retry_failed}
        return [cell for cell in study.tuning_cells() if (cell.method, cell.choice) not in made]

    def check_search(self, study: Study) -> None:
        """Refuse to go on to the cells of a method for which the search has found nothing.

        Raises:
            StudyError: all runs of the search of a method have failed.
        """
        results = self.results(TUNING)
        ended: dict[str, set[str]] = {}
        for result in results:
            ended.setdefault(result["method"], set()).add(result["status"])
        failed = [method.name for method in study.methods if ended.get(method.name) == {"failed"}]
        if failed:
            last = {result["method"]: result["error"] for result in results}
            raise StudyError(
                f"search: expected a run that ends for every method, found none for {', '.join(failed)} "
                f"({last[failed[0]]}): try again with --retry-failed, or search other values in another folder"
            )

    def failures(self) -> list[str]:
        """Every cell and run of the search that failed, with its error, for people."""
        return [
            f"{Cell(r['condition'], r['method'], r['seed'], choice_of(r) if name == TUNING else ())}: {r['error']}"
            for name in (TUNING, RESULTS)
            for r in self.results(name)
            if r["status"] == "failed"
        ]

    def _stored(self) -> dict[str, Any]:
        held = self.path / FILE
        if not held.is_file():
            return {}
        try:
            stored = json.loads(held.read_text())
        except ValueError as error:
            raise StudyError(f"{held} is damaged: {error}") from error
        if not isinstance(stored, dict):
            raise StudyError(f"{held}: expected a JSON object, found {type(stored).__name__}")
        return stored


def _replace(file: Path, text: str) -> None:
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text)
    fresh.replace(file)


def choice_of(result: Mapping[str, Any]) -> Choice:
    """What the search tried in a result's run."""
    choice = result["choice"]
    return tuple(zip(choice, hashable(choice.values()), strict=True))


def best_choices(study: Study, results: Iterable[Result]) -> dict[str, Choice]:
    """By method, the choice whose run scored best; of methods all of whose runs are there.

    A run that failed, or whose tasks have no score, loses to every other; of equals the first counts. Methods all of
    whose runs failed have none.
    """
    scores: dict[tuple[str, Choice], float] = {}
    done: set[tuple[str, Choice]] = set()
    for result in results:
        if result["status"] == "done":
            done.add((result["method"], choice_of(result)))
        score = result["evaluation"]["score"] if result["status"] == "done" else None
        scores[result["method"], choice_of(result)] = float("-inf") if score is None else score
    found: dict[str, Choice] = {}
    for method in study.methods:
        choices = study.choices(method)
        if all((method.name, choice) in scores for choice in choices) and any(
            (method.name, c) in done for c in choices
        ):
            found[method.name] = max(choices, key=lambda choice: scores[method.name, choice])  # used at once
    return found
