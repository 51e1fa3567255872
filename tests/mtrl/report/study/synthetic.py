"""Study folders as the study runner writes them, with made-up numbers whose differences are known."""

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtrl.report.study.folder import Study, load_study

Record = dict[str, Any]

TASKS = ("RepeatFirstEasy", "HigherLowerEasy", "CartPoleEasy", "BanditEasy")
UNSCORED = "my:NewTask"
"""A task for which no reference is known."""


ALONE = ("single-task", "single-task+two-hot")


def settings_of(method: str) -> Record:
    """A strategy and critics: of methods with the same critics one is the other's twin on a single task."""
    return {
        "conflict.strategy": "pcgrad" if method == "pcgrad" else "mean",
        "learning.critic": "two-hot" if "two-hot" in method else "regression",
    }


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What a study asks for."""

    methods: Sequence[str] = ("mean", "pcgrad", "two-hot", "single-task")
    conditions: Sequence[Record] = ({"name": "plain", "axis": None, "value": None, "settings": {}},)
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    tasks: Sequence[str] = TASKS
    steps: int = 60_000
    baseline: str | None = "mean"
    more: Mapping[str, Any] = field(default_factory=dict)

    def study(self) -> Record:
        """The contents of study.json."""
        methods = [
            {"name": name, "summary": f"What {name} is.", "settings": settings_of(name), "alone": name in ALONE}
            for name in self.methods
        ]
        return {
            "version": 2,
            "suite": "popgym-quick",
            "steps": self.steps,
            "evaluate_trials": 100,
            "methods": methods,
            "conditions": list(self.conditions),
            "seeds": list(self.seeds),
            "baseline": self.baseline,
            "command": f"python run.py compare popgym-quick --methods {','.join(self.methods)} --seeds 5",
            "versions": {"torch": "9.9.9", "python": "3.12.1"},
            **self.more,
        }


def spread(*values: float) -> list[Record]:
    """Conditions of a stress test."""
    return [{"name": f"spread-{v:g}", "axis": "spread", "value": float(v), "settings": {}} for v in values]


Quality = Callable[[str, Record, str], float]
"""From method, condition and task to the score at the end of training, before the noise of a seed."""


def cell(
    grid: Grid,
    condition: Record,
    method: str,
    seed: int,
    quality: Quality,
    *,
    noise: float = 0.03,
    unscored: bool = True,
) -> Record:
    """One finished run."""
    dice = random.Random(f"{condition['name']} {method} {seed}")
    # What a seed does to all methods alike, so that pairing by seed matters.
    shared = random.Random(seed).gauss(0.0, 2 * noise)
    final = {task: quality(method, condition, task) + shared + dice.gauss(0.0, noise) for task in grid.tasks}
    entries: Record = {
        task: {
            "return": 2 * score - 1,
            "interval": [2 * score - 1.1, 2 * score - 0.9],
            "score": score,
            "score_interval": [score - 0.05, score + 0.05],
            "attempts": [2 * score - 1],
            "trials": 100,
        }
        for task, score in final.items()
    }
    if unscored:
        value = 10.0 + dice.gauss(0.0, 1.0)
        unknown = {"interval": [value - 1, value + 1], "score": None, "score_interval": None}
        entries[UNSCORED] = {"return": value, **unknown, "attempts": [value], "trials": 100}
    seconds = {"mean": 80.0, "pcgrad": 100.0}.get(method, 90.0) * dice.uniform(0.95, 1.05)
    return {
        "condition": condition["name"],
        "method": method,
        "seed": seed,
        "status": "done",
        "error": None,
        "parameters": 123_456 if method != "single-task" else 123_456 * len(grid.tasks),
        "steps": grid.steps,
        "updates": grid.steps // 64,
        "seconds": seconds,
        "peak_memory_mib": 600.0 + 20 * seed,
        "learning_rate": 0.001 if method != "two-hot" else 0.0003,
        "evaluation": {"score": sum(final.values()) / len(final), "tasks": entries},
        "curve": _curve(grid, final, seconds, dice, unscored=unscored),
        "conflict": None if method == "single-task" else _conflict(grid, condition, dice),
        "learning": _learning(grid, condition, method, dice),
    }


def failed(condition: str, method: str, seed: int, error: str = "DivergenceError: the loss is not finite") -> Record:
    """A run that broke off."""
    return {"condition": condition, "method": method, "seed": seed, "status": "failed", "error": error}


def _curve(
    grid: Grid, final: Mapping[str, float], seconds: float, dice: random.Random, *, unscored: bool
) -> list[Record]:
    points = []
    for k in range(1, 13):
        share = k / 12
        reached = {task: s * (1 - math.exp(-4 * share)) + dice.gauss(0, 0.02) for task, s in final.items()}
        tasks = {**reached, **({UNSCORED: 10.0 * share} if unscored else {})}
        now = {"steps": int(grid.steps * share), "updates": int(grid.steps * share) // 64, "seconds": seconds * share}
        points.append({**now, "score": sum(reached.values()) / len(reached), "tasks": tasks})
    return points


def _conflict(grid: Grid, condition: Record, dice: random.Random) -> Record:
    count = len(grid.tasks)
    # Even tasks agree with each other, so do odd ones; even and odd are opposed.
    cosine = [[1.0] * count for _ in range(count)]
    for i in range(count):
        for j in range(i):
            cosine[i][j] = cosine[j][i] = (0.4 if (i - j) % 2 == 0 else -0.3) + dice.gauss(0, 0.03)
    factor = condition["value"] if isinstance(condition["value"], float) else 1.0
    over_time = [
        {
            "steps": int(grid.steps * k / 60),
            "conflict_rate": min(1.0, max(0.0, 0.4 - 0.002 * k + dice.gauss(0, 0.05))),
            "norm_spread": 2.0 * factor**0.8 * math.exp(dice.gauss(0, 0.2)),
            "effective_tasks": 1 + (count - 1) / factor**0.3 * dice.uniform(0.8, 1.0),
            "norms": {
                task: factor ** (i / max(count - 1, 1)) * math.exp(dice.gauss(0, 0.2) - k / 60)
                for i, task in enumerate(grid.tasks)
            },
        }
        for k in range(1, 61)
    ]
    return {"tasks": list(grid.tasks), "cosine": cosine, "over_time": over_time}


def _learning(grid: Grid, condition: Record, method: str, dice: random.Random) -> list[Record]:
    factor = condition["value"] if isinstance(condition["value"], float) else 1.0
    records = []
    for k in range(1, 31):
        scale = {task: factor ** (i / max(len(grid.tasks) - 1, 1)) for i, task in enumerate(grid.tasks)}
        target = {
            task: {"mean": 0.3 * s * k / 30, "std": 0.3 * s, "low": -0.5 * s, "high": s * (0.5 + 0.5 * k / 30)}
            for task, s in scale.items()
        }
        record: Record = {
            "steps": int(grid.steps * k / 30),
            "entropy": 1.5 - k / 60,
            "grad_norm": 2.0,
            "target": target,
        }
        if method in ("two-hot", "filtered"):
            record["share_imitated"] = 0.6 - 0.005 * k + dice.gauss(0, 0.02)
        records.append(record)
    return records


def cells(
    grid: Grid,
    quality: Quality,
    *,
    noise: float = 0.03,
    unscored: bool = True,
    without: Iterable[tuple[str, str, int]] = (),
) -> list[Record]:
    """Every cell of the grid, besides those of `without` (condition, method, seed)."""
    left_out = set(without)
    return [
        cell(grid, condition, method, seed, quality, noise=noise, unscored=unscored)
        for condition in grid.conditions
        for method in grid.methods
        for seed in grid.seeds
        if (condition["name"], method, seed) not in left_out
    ]


def bare(records: Iterable[Record]) -> list[Record]:
    """The same runs with their scores alone."""
    return [{**record, "conflict": None, "learning": [], "curve": []} for record in records]


def write_study(folder: Path, grid: Grid, records: Iterable[Record], *, tail: str = "") -> Path:
    """The folder; `tail` stands behind the last whole line of the results."""
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(grid.study(), indent=1))
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    (folder / "results.jsonl").write_text(lines + tail)
    return folder


def flat(values: Mapping[str, float]) -> Quality:
    """The same score on every task and under every condition."""
    return lambda method, condition, task: values.get(method, 0.5)


def falling(method: str, condition: Record, task: str) -> float:
    """Two-hot keeps its score as the spread grows, the others lose it at different rates; one task is worth more."""
    rate = {"mean": 0.18, "pcgrad": 0.12, "popart": 0.03, "two-hot": 0.0, "diverging": 1.2}.get(method, 0.15)
    value = condition["value"] if isinstance(condition["value"], float) else 1.0
    level = {"mean": 0.7, "pcgrad": 0.72, "two-hot": 0.75, "popart": 0.68}.get(method, 0.65)
    offset = {"RepeatFirstEasy": 0.2, "HigherLowerEasy": 0.1, "CartPoleEasy": -0.05, "BanditEasy": -0.25}.get(task, 0.0)
    lost = rate * math.log10(value) * (1.5 if task == "BanditEasy" else 1.0)
    return level + offset - lost


Scored = Callable[[str, str, int, str], float]


def study_of(folder: Path, grid: Grid, score: Scored) -> Study:
    """A study with exactly these scores by condition, method, seed and task."""
    records = cells(grid, flat({}), unscored=False)
    for record in records:
        for task, entry in record["evaluation"]["tasks"].items():
            entry["score"] = score(record["condition"], record["method"], record["seed"], task)
            entry["score_interval"] = None  # as if every score were known exactly
    return load_study(write_study(folder, grid, records))
