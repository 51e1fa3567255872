"""What becomes of a run's records: a JSON-lines file, TensorBoard, a progress display.

Each is a consumer that stands outside the loop; a run with none of them trains just the same. Imports no torch until
TensorBoard is used.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch.utils.tensorboard import SummaryWriter

    Draw = Callable[[dict[str, Any]], Mapping[str, NDArray[np.uint8]]]

Record = dict[str, Any]
_FEW_SHARES = 64
"""Tasks times experts up to which each share is a curve in TensorBoard; beyond, there is the picture."""


class Log(Protocol):
    """A consumer of records."""

    def write(self, record: Record) -> None:
        """Take one record, in the order in which the loop yields them."""

    def close(self) -> None:
        """No more will come; also called after an error."""


def consume(records: Iterable[Record], logs: Sequence[Log]) -> Record | None:
    """Hand every record to every log, close the logs whatever happens, and return the last record."""
    last = None
    try:
        for last in records:
            for log in logs:
                log.write(last)
    finally:
        for log in logs:
            log.close()
    return last


class JsonlLog:
    """One JSON object a line, each handed to the operating system before the next record is asked for.

    So a checkpoint never knows of a record that the file lacks, and a resumed run can cut the file back to what its
    checkpoint knew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None  # begun with the first record: a run that never started leaves nothing

    def write(self, record: Record) -> None:
        """Append the record; one of kind "resume" is not written but cuts the file back.

        Raises:
            ValueError: the file lacks records that the checkpoint had seen.
        """
        if record["kind"] == "resume":
            self._cut(record["records"])
            return
        file = self._opened()
        file.write(json.dumps(finite(record), separators=(",", ":"), allow_nan=False).encode() + b"\n")
        file.flush()

    def close(self) -> None:
        """Flush to disk and close."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
        return self._file

    def _cut(self, records: int) -> None:
        kept = self._opened()
        end = whole = 0
        with self.path.open("rb") as file:
            for line in file:
                if whole == records or not line.endswith(b"\n"):
                    break
                end, whole = end + len(line), whole + 1
        if whole < records:
            raise ValueError(
                f"{self.path} has {whole} records, but the checkpoint had seen {records}: was the file cut or "
                "replaced? "
                "Without them the run's curves would have a hole."
            )
        kept.truncate(end)


class TensorBoardLog:
    """Scalars for TensorBoard over environment steps, by task; the event file is begun with the first record.

    Args:
        pictures: what draws pictures [height, width, 3] of the records, under their tags; None: there are none.
    """

    def __init__(
        self, folder: Path, pictures: "Callable[[Record], Mapping[str, NDArray[np.uint8]]] | None" = None
    ) -> None:
        self.folder, self._pictures = folder, pictures
        self._writer: SummaryWriter | None = None

    def write(self, record: Record) -> None:
        """Write the record's numbers, and what they come to in pictures."""
        values, pictures = scalars(record), {} if self._pictures is None else self._pictures(record)
        if not values:
            return
        if self._writer is None:
            self._writer = self._open(record["steps"])
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, record["steps"])
        for tag, picture in pictures.items():
            self._writer.add_image(tag, picture, record["steps"], dataformats="HWC")
        if record["kind"] == "evaluation":
            self._writer.flush()

    def close(self) -> None:
        """Flush and close."""
        if self._writer is not None:
            self._writer.close()

    def _open(self, steps: int) -> "SummaryWriter":
        from torch.utils.tensorboard import SummaryWriter

        # What an interrupted run drew beyond its checkpoint is withdrawn.
        return SummaryWriter(str(self.folder), purge_step=steps)


def scalars(record: Record) -> dict[str, float]:
    """The numbers of a record under TensorBoard's tags, e.g. ``critic_loss/RepeatFirstEasy``; numbers that are not
    finite are left out."""
    kind = record["kind"]
    found: dict[str, float | None] = {}
    if kind == "update":
        for group in ("loss", "actor_loss", "critic_loss", "imitated", "metrics"):
            found |= {f"{group}/{name}": value for name, value in record.get(group, {}).items()}
        for task, target in record.get("target", {}).items():
            found |= {f"target_{name}/{task}": value for name, value in target.items()}
        for place, use in enumerate(record.get("experts", []), start=1):
            found[f"experts_{place}/dead"] = use["dead"]
            for name in ("entropy", "dropped"):
                found |= {f"experts_{place}_{name}/{task}": value for task, value in use[name].items()}
            usage = use["usage"]
            by_expert = list(zip(*usage.values(), strict=True))
            found |= {f"experts_{place}_usage/{e}": sum(shares) / len(shares) for e, shares in enumerate(by_expert, 1)}
            if len(usage) * len(by_expert) <= _FEW_SHARES:
                for task, shares in usage.items():
                    found |= {f"experts_{place}_usage_{e}/{task}": share for e, share in enumerate(shares, 1)}
    elif kind == "collect":
        for name, tag in (("return", "training_return"), ("length", "trial_length"), ("share", "task_share")):
            found |= {f"{tag}/{task}": value for task, value in record.get(name, {}).items()}
    elif kind == "conflict":
        found |= {f"conflict/{name}": record[name] for name in ("conflict_rate", "norm_spread", "effective_tasks")}
        for name in ("norms", "weights"):
            found |= {
                f"gradient_{name}/{task}": value for task, value in zip(record["tasks"], record[name], strict=True)
            }
    elif kind == "evaluation":
        found["evaluation/score"] = record["score"]
        for task, entry in record["tasks"].items():
            found |= {f"evaluation_return/{task}": entry["return"], f"evaluation_score/{task}": entry["score"]}
        for name, cosines in record.get("heads", {}).items():
            apart = [c for i, row in enumerate(cosines) for j, c in enumerate(row) if i != j]
            found |= {f"heads/{name}_similarity": sum(apart) / len(apart)} if apart else {}
        for task, entry in record.get("held_out", {}).get("tasks", {}).items():
            found |= {f"held_out_return/{task}": entry["return"], f"held_out_score/{task}": entry["score"]}
    return {tag: float(value) for tag, value in found.items() if value is not None and math.isfinite(value)}


def finite(value: Any) -> Any:
    """The same tree with None where a number is NaN or infinite, which JSON cannot say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return value


def taken_over(pretrained: Record) -> str:
    """What a run took over from another one, in words."""
    afresh = [name for name in pretrained["afresh"] if not name.startswith("target_critic.")]
    said = f"pretrained: {len(pretrained['taken'])} tensors from {pretrained['run']} ({pretrained['steps']:,} steps)"
    said += f"; frozen: {', '.join(pretrained['frozen'])}" if pretrained["frozen"] else ""
    return said + (f"; afresh, and learning: {', '.join(afresh)}" if afresh else "")


class ProgressLog:
    """Steps, updates, speed, time left and scores: a live display in a terminal, plain lines elsewhere."""

    def __init__(self, total_steps: int, console: Console | None = None, *, every_seconds: float = 10.0) -> None:
        """Set up the display, which appears with the first record.

        Args:
            total_steps: environment steps of the whole run.
            console: where to print; None: standard output.
            every_seconds: between two plain lines, by the run's own clock.
        """
        self.state = Progress(total_steps)
        self.console = console or Console(highlight=False)
        self.every_seconds = every_seconds
        self._printed = -math.inf
        self._live: Live | None = None

    def write(self, record: Record) -> None:
        """Show what the record changed."""
        self.state.update(record)
        kind = record["kind"]
        if kind == "resume":
            return
        if kind == "start" and "pretrained" in record:
            self.console.print(taken_over(record["pretrained"]), soft_wrap=True, markup=False)
        if self.console.is_terminal:
            if self._live is None:
                self._live = Live(console=self.console, refresh_per_second=4, transient=False)
                self._live.start()
            self._live.update(self._display())
        elif kind in ("start", "evaluation", "fault", "end") or record["seconds"] - self._printed >= self.every_seconds:
            self._printed = record["seconds"]
            self.console.print(self.state.line(record), soft_wrap=True, markup=False)

    def close(self) -> None:
        """Leave the last state on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _display(self) -> Group:
        state = self.state
        bar = ProgressBar(total=state.total_steps, completed=min(state.steps, state.total_steps), width=40)
        head = Table.grid(padding=(0, 2))
        head.add_row(bar, state.line(None))
        table = Table("task", box=None, padding=(0, 2), header_style="dim")
        for name in ("in training", "evaluated", "score"):
            table.add_column(name, justify="right")
        for task in state.tasks:
            evaluated = state.evaluated.get(task, {})
            table.add_row(
                Text(task),
                _number(state.returns.get(task)),
                _number(evaluated.get("return")),
                _number(evaluated.get("score")),
            )
        return Group(head, table)


class Progress:
    """What is known so far of a run, from its records."""

    def __init__(self, total_steps: int) -> None:
        self.total_steps = total_steps
        self.steps = self.updates = 0
        self.seconds = 0.0
        self.score: float | None = None
        self.tasks: list[str] = []
        self.returns: dict[str, float] = {}
        self.evaluated: dict[str, dict[str, Any]] = {}
        self._first: tuple[int, float] | None = None

    def update(self, record: Record) -> None:
        """Take one record."""
        kind = record["kind"]
        if kind == "resume":
            return
        self.steps, self.updates, self.seconds = record["steps"], record["updates"], record["seconds"]
        if self._first is None:
            self._first = (self.steps, self.seconds)
        if kind == "start":
            self.tasks = list(record["tasks"])
        elif kind == "collect":
            self.returns |= record["return"]
        elif kind == "evaluation":
            self.score, self.evaluated = record["score"], record["tasks"]
        self.tasks += [task for task in (*self.returns, *self.evaluated) if task not in self.tasks]

    @property
    def steps_per_second(self) -> float | None:
        """Environment steps a second since this process's first record; None: too early to say."""
        if self._first is None or self.seconds <= self._first[1] or self.steps <= self._first[0]:
            return None
        return (self.steps - self._first[0]) / (self.seconds - self._first[1])

    @property
    def seconds_left(self) -> float | None:
        """Time that the remaining steps will take at that speed."""
        speed = self.steps_per_second
        return None if speed is None else max(0, self.total_steps - self.steps) / speed

    def line(self, record: Record | None) -> str:
        """The state in one line; after an evaluation with the returns that it found."""
        parts = [
            f"steps {self.steps:,}/{self.total_steps:,}",
            f"updates {self.updates:,}",
            f"elapsed {clock(self.seconds)}",
        ]
        if self.steps_per_second is not None and self.seconds_left is not None:
            parts.append(f"{self.steps_per_second:,.0f} steps/s")
            parts.append(f"left {clock(self.seconds_left)}")
        if self.score is not None:
            parts.append(f"score {self.score:.2f}")
        if record is not None and record["kind"] == "evaluation":
            returns = "  ".join(f"{task} {_number(entry['return'])}" for task, entry in record["tasks"].items())
            return f"{'  '.join(parts)}\n  evaluated: {returns}"
        if record is not None and record["kind"] == "fault":
            return "\n  ".join(["  ".join(parts), *(f"trial dropped: {message}" for message in record["messages"])])
        return "  ".join(parts)


def clock(seconds: float) -> str:
    """A duration as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:z.2f}"
