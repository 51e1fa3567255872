"""What becomes of a run's records: a JSON-lines file, TensorBoard, a progress display.

Each is a consumer that stands outside the loop; a run with none of them trains just the same. Imports no torch until
TensorBoard is used.
"""

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Record = dict[str, Any]


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
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab")

    def write(self, record: Record) -> None:
        """Append the record; one of kind "resume" is not written but cuts the file back.

        Raises:
            ValueError: the file lacks records that the checkpoint had seen.
        """
        if record["kind"] == "resume":
            self._cut(record["records"])
            return
        self._file.write(json.dumps(finite(record), separators=(",", ":"), allow_nan=False).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Flush to disk and close."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _cut(self, records: int) -> None:
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
        self._file.truncate(end)


class TensorBoardLog:
    """Scalars for TensorBoard over environment steps, by task; the event file is begun with the first record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: SummaryWriter | None = None

    def write(self, record: Record) -> None:
        """Write the record's numbers."""
        values = scalars(record)
        if not values:
            return
        if self._writer is None:
            self._writer = self._open(record["steps"])
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, record["steps"])
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
        for group in ("loss", "actor_loss", "critic_loss", "metrics"):
            found |= {f"{group}/{name}": value for name, value in record.get(group, {}).items()}
    elif kind == "collect":
        found |= {f"training_return/{task}": value for task, value in record["return"].items()}
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
