"""What remains of a cell: scores, curves, costs and diagnostics as one JSON object, made from its runs' records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtrl.report.records import Record, RunData, load_run

Result = dict[str, Any]

_POINTS = 24
"""Updates of a run whose diagnostics are kept."""


def result_of(run: Path, evaluation: Mapping[str, Any]) -> Result:
    """The result of one finished run.

    Args:
        run: its folder.
        evaluation: the final one, as `mtrl.training.evaluate.evaluate` returns it.
    """
    data = load_run(run)
    return {
        "parameters": data.start["parameters"],
        "steps": data.last["steps"],
        "updates": data.last["updates"],
        "seconds": data.last["seconds"],
        "learning_rate": data.settings["update"]["learning_rate"],
        "evaluation": {"score": evaluation["score"], "tasks": dict(evaluation["tasks"])},
        **({"held_out": evaluation["held_out"]} if "held_out" in evaluation else {}),
        "curve": rounded([_point(record) for record in data.evaluations]),
        "conflict": rounded(_conflict(data)),
        "learning": rounded([_learning(record) for record in thinned(data.updates)]),
        "versions": data.start["versions"],
    }


def joined(results: Sequence[Result]) -> Result:
    """One result of the runs of a cell with an agent for every task: their tasks together, their costs summed, the
    largest memory, no gradients that could conflict. Curves are over the steps of all agents."""
    if len(results) == 1:
        return results[0]
    tasks = {name: entry for result in results for name, entry in result["evaluation"]["tasks"].items()}
    return {
        **{name: sum(result[name] for result in results) for name in ("parameters", "steps", "updates")},
        "seconds": round(sum(result["seconds"] for result in results), 3),
        "processor_seconds": _sum([result["processor_seconds"] for result in results]),
        "learning_rate": results[0]["learning_rate"],
        "evaluation": {"score": _mean([entry["score"] for entry in tasks.values()]), "tasks": tasks},
        "curve": [_together(points) for points in zip(*(result["curve"] for result in results), strict=False)],
        "conflict": None,
        "learning": [],
        "versions": results[0]["versions"],
    }


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if len(known) == len(values) else None


def _together(points: Sequence[Record]) -> Record:
    return {
        **{name: sum(point[name] for point in points) for name in ("steps", "updates", "seconds")},
        "score": _mean([point["score"] for point in points]),
        "tasks": {task: value for point in points for task, value in point["tasks"].items()},
    }


def without_diagnostics(result: Result) -> Result:
    """What remains of a run of the search: its score and its cost."""
    return {key: value for key, value in result.items() if key not in ("curve", "conflict", "learning")}


def thinned(records: Sequence[Record]) -> list[Record]:
    """At most `_POINTS` of them, evenly, the last included: results are kept with the code of a paper."""
    step = -(-len(records) // _POINTS) if records else 1
    return list(records[::-1][::step][::-1])


def rounded(value: Any) -> Any:
    """The same tree with numbers of 5 digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    return [rounded(entry) for entry in value] if isinstance(value, list) else value


def _point(record: Record) -> Record:
    tasks = {
        task: entry["return"] if entry["score"] is None else entry["score"] for task, entry in record["tasks"].items()
    }
    return {**{name: record[name] for name in ("steps", "updates", "seconds", "score")}, "tasks": tasks}


def _learning(record: Record) -> Record:
    metrics = record.get("metrics", {})
    kept = {name: metrics[name] for name in ("share_imitated", "entropy", "grad_norm") if name in metrics}
    return {"steps": record["steps"], **kept, **{key: record[key] for key in ("imitated", "target") if key in record}}


def _conflict(data: RunData) -> Result | None:
    """Cosines averaged over the measurements that had both tasks, and the measures over time."""
    if not data.conflicts:
        return None
    place = {task: i for i, task in enumerate(data.tasks)}
    total, count = np.zeros((len(place), len(place))), np.zeros((len(place), len(place)))
    for record in data.conflicts:
        rows = [place[task] for task in record["tasks"]]
        cosine = np.array(record["cosine"], np.float64)
        there = np.isfinite(cosine)
        total[np.ix_(rows, rows)] += np.where(there, cosine, 0.0)
        count[np.ix_(rows, rows)] += there
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    measures = ("steps", "conflict_rate", "norm_spread", "effective_tasks")
    return {
        "tasks": data.tasks,
        "cosine": [[None if np.isnan(c) else round(float(c), 4) for c in row] for row in mean],
        "over_time": [
            {
                **{name: record[name] for name in measures},
                "norms": dict(zip(record["tasks"], record["norms"], strict=True)),
            }
            for record in data.conflicts
        ],
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
