"""Run folders as the training loop writes them, with made-up numbers."""

import json
from pathlib import Path
from typing import Any

from mtrl.config import RunConfig, to_json
from mtrl.presets import preset
from mtrl.training.log import JsonlLog

Record = dict[str, Any]

TASKS = ["RepeatFirstEasy", "RepeatPreviousEasy", "HigherLowerEasy"]
COSINES = [-0.25, 0.5, -0.75]
"""Of the pairs first-second, first-third, second-third, at every measurement."""
UPDATES = 4
END = {"kind": "end", "steps": 100 * UPDATES, "updates": UPDATES, "seconds": 65.0}


def cosines(count: int) -> list[list[float]]:
    """The matrix of `COSINES`, beyond three tasks repeated."""
    matrix = [[float(i == j) for j in range(count)] for i in range(count)]
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    for place, (i, j) in enumerate(pairs):
        matrix[i][j] = matrix[j][i] = COSINES[place % 3]
    return matrix


def evaluation(tasks: list[str], steps: int, *, trials: int = 20) -> Record:
    """The first task far above random, the second far below, the third like it; scores 0.7, 0.8, 0.9, ..."""
    entries = {}
    for place, task in enumerate(tasks):
        middle = (0.9, -0.95, 0.0)[place % 3]
        half = (0.05, 0.02, 0.5)[place % 3]
        score = 0.7 + place / 10
        entries[task] = {
            "return": middle,
            "interval": [middle - half, middle + half],
            "score": score,
            "score_interval": [score - 0.3, score + 0.3],
            "attempts": [middle],
            "trials": trials + place,
        }
    score = sum(entry["score"] for entry in entries.values()) / len(entries)
    now = {"steps": steps, "updates": steps // 100, "seconds": steps / 10}
    return {"kind": "evaluation", **now, "score": score, "tasks": entries}


def conflict(tasks: list[str], now: Record) -> Record:
    count = len(tasks)
    measures = {"conflict_rate": 2 / 3, "norm_spread": 3.0, "effective_tasks": 2.5}
    if count == 1:
        measures = {"conflict_rate": 0.0, "norm_spread": 1.0, "effective_tasks": 1.0}
    weights = [1 / count] * count
    arrays = {"cosine": cosines(count), "norms": [1.0] * count, "weights": weights}
    return {"kind": "conflict", **now, "tasks": tasks, **arrays, **measures}


def records(tasks: list[str] = TASKS) -> list[Record]:
    """A complete run."""
    start = {"kind": "start", "steps": 0, "updates": 0, "seconds": 0.0, "suite": "popgym-quick", "tasks": tasks}
    found: list[Record] = [{**start, "versions": {"torch": "9.9.9"}, "parameters": 12345}]
    for update in range(UPDATES):
        now = {"steps": 100 * update + 100, "updates": update + 1, "seconds": 10.0 * update + 10}
        losses = {kind: dict.fromkeys(tasks, 1 / (update + 1)) for kind in ("loss", "actor_loss", "critic_loss")}
        returns = {"return": dict.fromkeys(tasks, 0.1 * update), "trials": dict.fromkeys(tasks, 3)}
        found += [
            {"kind": "update", **now, **losses, "metrics": {"grad_norm": 1.0, "entropy": 1.2}},
            {"kind": "collect", **now, **returns},
            conflict(tasks, now),
            evaluation(tasks, now["steps"]),
        ]
    return [*found, dict(END)]


def write_run(path: Path, entries: list[Record], *, tail: str = "", config: RunConfig | None = None) -> Path:
    """A run's folder; `tail` is what stands behind the last whole record."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(to_json(config or preset("popgym-quick")))
    log = JsonlLog(path / "metrics.jsonl")
    for entry in entries:
        log.write(entry)
    log.close()
    if tail:
        with (path / "metrics.jsonl").open("a") as file:
            file.write(tail)
    return path


def write_evaluation(run: Path, result: Record) -> None:
    (run / "evaluation.json").write_text(json.dumps({"run": str(run), "seed": 0, "episodes": 100, **result}))
