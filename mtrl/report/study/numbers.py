"""The numbers behind a table or a figure, as CSV: full precision, and an empty field where nothing is known."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtrl.study.statistics.estimate import Estimate

Field = str | float | int | None


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A table of plain values."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Field]]

    def write(self, path: Path) -> None:
        """As CSV in UTF-8."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows([_field(value) for value in row] for row in self.rows)


def bounds(estimate: Estimate | None) -> list[Field]:
    """Value, low and high; nothing where there is no estimate."""
    return [None] * 3 if estimate is None else [estimate.value, estimate.low, estimate.high]


def _field(value: Field) -> str | float | int:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return value
