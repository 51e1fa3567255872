"""What a terminal shows of a study: cells done, scores so far, time left; plain lines where there is no terminal."""

import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mtrl.study.folder import StudyFolder
from mtrl.study.result import Result
from mtrl.study.runner import Begun, Ended, Event
from mtrl.study.study import Cell, Study
from mtrl.training.log import clock

_TAIL = 4096


class StudyTable:
    """Consumes the events of `run_study`.

    Args:
        parallel: cells at a time, for the time left.
        console: None: standard output.
    """

    def __init__(self, study: Study, folder: StudyFolder, *, parallel: int, console: Console | None = None) -> None:
        self.study, self.folder, self.parallel = study, folder, max(1, parallel)
        self.console = console or Console(highlight=False)
        self.results: dict[tuple[str, str, int], Result] = {
            (r["condition"], r["method"], r["seed"]): r for r in folder.results()
        }
        self.waiting: list[Cell] = []
        self.phase = "cells"
        self.total = self.ended = 0
        self.begun = time.monotonic()

    def show(self, events: Iterable[Event]) -> None:
        """Follow the events to their end."""
        if not self.console.is_terminal:
            for event in events:
                self._take(event)
                if isinstance(event, Ended):
                    self.console.print(self._line(event), soft_wrap=True, markup=False)
            return
        with Live(get_renderable=self._display, console=self.console, refresh_per_second=1):
            for event in events:
                self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Begun):
            self.phase, self.waiting = event.phase, list(event.cells)
            self.total, self.ended, self.begun = len(event.cells), 0, time.monotonic()
            return
        self.waiting.remove(event.cell)
        self.ended += 1
        if self.phase == "cells":
            self.results[event.cell.condition, event.cell.method, event.cell.seed] = event.result

    def _left(self) -> str:
        if not self.total:
            return "nothing is missing"
        what = "runs of the search" if self.phase == "tuning" else "cells"
        said = f"{self.ended} of {self.total} missing {what} done, {clock(time.monotonic() - self.begun)}"
        # What is running counts by its share, so that the time left is known before the first cell has ended.
        done = self.ended + sum(self._share(cell) for cell in self.waiting)
        if done < 0.01 * self.parallel:
            return said
        return f"{said}, left {clock((time.monotonic() - self.begun) * (self.total - done) / done)}"

    def _line(self, event: Ended) -> str:
        result = event.result
        if result["status"] == "failed":
            return f"{event.cell}: failed: {result['error']}; {self._left()}"
        score = result["evaluation"]["score"]
        shown = "no score" if score is None else f"score {score:.2f}"
        return f"{event.cell}: {shown} in {clock(result['seconds'])}; {self._left()}"

    def _display(self) -> Group:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        table.add_column("method")
        for condition in self.study.conditions:
            table.add_column(condition.name, justify="right")
        for method in self.study.methods:
            table.add_row(method.name, *(self._cells(method.name, c.name) for c in self.study.conditions))
        return Group(Text(f"{self.folder.path}: {self._left()}"), table)

    def _cells(self, method: str, condition: str) -> Text:
        """Mean score so far, and a sign for every seed: done, failed, running (tenths), waiting."""
        signs, scores = [], []
        for seed in self.study.seeds:
            result = self.results.get((condition, method, seed))
            if result is None:
                share = max(
                    (
                        self._share(c)
                        for c in self.waiting
                        if (c.condition, c.method, c.seed) == (condition, method, seed)
                    ),
                    default=0.0,
                )
                signs.append(str(min(9, int(10 * share))) if share else "·")
            elif result["status"] == "failed":
                signs.append("✗")
            else:
                signs.append("✓")
                scores.append(result["evaluation"]["score"])
        known = [score for score in scores if score is not None]
        mean = f"{np.mean(known):.2f} " if known else ""
        return Text(mean + "".join(signs), style="red" if "✗" in signs else "")

    def _share(self, cell: Cell) -> float:
        """How much of a cell's steps is done."""
        place = self.folder.path / cell.folder
        steps = sum(_last_step(file) for file in place.glob("*/metrics.jsonl"))
        return min(1.0, steps / self.study.steps)


def _last_step(file: Path) -> int:
    with file.open("rb") as records:
        records.seek(0, 2)
        records.seek(max(0, records.tell() - _TAIL))
        lines = records.read().split(b"\n")
    for line in reversed(lines[1:-1]):
        try:
            return int(json.loads(line)["steps"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0
