"""Pictures of a run's records for TensorBoard: which task uses which expert, and how alike the tasks' heads are."""

from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from mtrl.report.heat_map import heat_map

Record = dict[str, Any]
Picture = UInt8[NDArray[np.uint8], "height width 3"]


class Pictures:
    """Made at every evaluation, of the updates since the one before."""

    def __init__(self) -> None:
        self._experts: list[list[Record]] = []

    def of(self, record: Record) -> dict[str, Picture]:
        """Pictures under TensorBoard's tags; none of a record that is no evaluation."""
        if record["kind"] == "update" and "experts" in record:
            self._experts.append(record["experts"])
        if record["kind"] != "evaluation":
            return {}
        tasks = list(record["tasks"])
        found = {
            f"heads/{name}": heat_map(np.array(cosines, dtype=np.float64), tasks, tasks)
            for name, cosines in record.get("heads", {}).items()
        }
        for place, uses in enumerate(zip(*self._experts, strict=True), start=1):
            usage = _mean_usage([use["usage"] for use in uses], tasks)
            names = [str(expert) for expert in range(1, usage.shape[1] + 1)]
            found[f"experts_{place}/usage"] = heat_map(usage, tasks, names)
        self._experts = []
        return found


def _mean_usage(records: list[dict[str, list[float]]], tasks: list[str]) -> NDArray[np.float64]:
    """[task, expert] share of weight, mean over records; NaN for a task that none of them has."""
    experts = max(len(shares) for record in records for shares in record.values())
    nothing = np.full((1, experts), np.nan)
    having = [[record[task] for record in records if task in record] for task in tasks]
    return np.concatenate([np.mean(rows, axis=0, keepdims=True) if rows else nothing for rows in having])
