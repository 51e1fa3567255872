"""Normalised scores: 0 is the random policy, 1 a task's best known result.

For POPGym that is the best published return of an agent trained on the task alone, for BabyAI that of minigrid's bot.

Source: Grigsby et al. 2024, "AMAGO-2: Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with Transformers"
(the scale); Morad et al. 2023, "POPGym: Benchmarking Partially Observable Reinforcement Learning" (the best results).
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Two returns of the paid attempts that a score is measured against."""

    random: float
    """Mean return of the random policy, measured by ``python -m baselines.random_policy``."""
    random_interval: tuple[float, float]
    """95% interval of that mean."""
    best: float | None
    """Best return, published or of a scripted expert; None: unknown."""
    source: str
    """Where the best return comes from; empty if there is none."""


def load_reference(task_id: str) -> Reference | None:
    """What is known of a task (``popgym:AutoencodeEasy``); None if its random policy has never been measured."""
    source = task_id.partition(":")[0]
    measured = _data(f"{source}_random.json").get("tasks", {}).get(task_id)
    if measured is None:
        return None
    published = _data(f"{source}_best.json")
    best = published.get("tasks", {}).get(task_id)
    low, high = measured["interval"]
    return Reference(
        random=measured["mean"],
        random_interval=(low, high),
        best=best,
        source=published["source"] if best is not None else "",
    )


def normalised(return_: float, reference: Reference | None) -> float | None:
    """``(return - random) / (best - random)``; None where no best return is known."""
    if reference is None or reference.best is None:
        return None
    return (return_ - reference.random) / (reference.best - reference.random)


@cache
def _data(name: str) -> dict[str, Any]:
    file = files("tasks").joinpath("data", name)
    if not file.is_file():
        return {}
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
