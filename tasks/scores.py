"""Normalised scores: 0 is the random policy, 1 a task's best known result.

For POPGym that is the best published return of an agent trained on the task alone, for BabyAI that of minigrid's bot.

Where a benchmark has published both ends of its own scale (Procgen: a policy that does not look at the frames, and what
can be reached), these are 0 and 1 instead. Each file of returns says for how many paid attempts they are; a trial of
more or fewer is measured against more or less in proportion. Where that would not be right, as what is learnt in one
attempt is worth more in the next, a best holds for trials of so many attempts alone, all of them paid and at one
instance; and no return of a file is compared with trials that ``max_steps`` can have cut, except Procgen's, in whose
protocol that is.

Source: Grigsby et al. 2024, "AMAGO-2: Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with Transformers"
(the scale); Morad et al. 2023, "POPGym: Benchmarking Partially Observable Reinforcement Learning" and Cobbe et al.
2020, "Leveraging Procedural Generation to Benchmark Reinforcement Learning" (the published ends).
"""

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.task import Task

_FILES = dict.fromkeys(("bandit", "mdp", "room", "point", "hallway", "tmaze"), "meta")
"""Source of tasks -> how its files of returns begin, where that is not the source's own name."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The returns of a trial's paid attempts that a score is measured against."""

    random: float
    """Mean return of the random policy, measured by ``python -m baselines.random_policy``."""
    random_interval: tuple[float, float] | None
    """95% interval of that mean; None: it was measured with other options than the task's, which change it."""
    best: float | None
    """Best return, published or of a scripted expert; None: unknown for trials of so many attempts."""
    source: str
    """Where the published returns come from; empty if there are none."""
    zero: float | None = None
    """Published return whose score is 0; None: the random policy's is 0."""


def load_reference(task_id: str, *, attempts: int = 1) -> Reference | None:
    """What is known of a task; None if its random policy has never been measured.

    Args:
        task_id: as in ``popgym:AutoencodeEasy``.
        attempts: paid attempts of a trial, at least 1.
    """
    played, published = (_data(f"{_source(task_id)}_{kind}.json") for kind in ("random", "best"))
    measured = played.get("tasks", {}).get(task_id)
    if measured is None:
        return None
    of_random, of_published = (attempts / file.get("attempts", 1) for file in (played, published))
    best, zero = (published.get(key, {}).get(task_id) for key in ("tasks", "zero"))
    if published.get("only_trials_of", {}).get(task_id, attempts) != attempts:
        best = None
    low, high = measured["interval"]
    return Reference(
        random=of_random * measured["mean"],
        random_interval=(of_random * low, of_random * high),
        best=None if best is None else of_published * best,
        source=published["source"] if best is not None else "",
        zero=None if zero is None else of_published * zero,
    )


def reference_of(task: "Task") -> Reference | None:
    """What is known of trials as a task plays them: `load_reference` for its attempts, but without a best where that is
    of another protocol, and None where ``max_steps`` may end trials before the attempts that returns are of, or options
    make other returns of them."""
    found = load_reference(task.id, attempts=task.attempts)
    published = _data(f"{_source(task.id)}_best.json")
    telling = set(task.options) - set(published.get("only_options", task.options))
    if telling or not _plays_whole_attempts(task, published):
        return None
    if found and task.options.get("action_repeat", 1) != 1:
        found = replace(found, random_interval=None)  # at random actions that are held get further
    learnt = task.id in published.get("only_trials_of", {})
    if found and learnt and (task.warmup_attempts or (task.attempts > 1 and task.instance == "fresh")):
        return replace(found, best=None, source="", zero=None)
    return found


def _plays_whole_attempts(task: "Task", published: dict[str, Any]) -> bool:
    """Whether ``max_steps`` leaves a trial its attempts; where their length is unknown, whether the published returns
    are used for trials that are cut after so many steps."""
    if task.max_steps is None:
        return True
    if (attempt := published.get("attempt_steps", {}).get(task.id)) is not None:
        steps = math.ceil(attempt / task.options.get("action_repeat", 1))
        return bool(task.max_steps >= steps * (task.warmup_attempts + task.attempts))
    long = bool(task.max_steps >= published.get("cut_attempt_steps", math.inf) * task.attempts)
    return long and task.at_max_steps == "truncate" and not task.warmup_attempts


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a reference plays a task: what an algorithm gets that knows the family and its prior."""

    attempts: tuple[float, ...]
    """Mean raw return of every attempt."""
    rewards: tuple[float, ...]
    """Mean raw reward of every step of a trial."""


def load_played(task_id: str) -> dict[str, Played]:
    """The references of a meta-RL task by name, measured by ``python -m baselines.references``; empty if there are
    none."""
    return {
        name: Played(attempts=tuple(found["return_of_attempt"]), rewards=tuple(found["reward_at_step"]))
        for name, found in _measured(task_id)["references"].items()
        if "return_of_attempt" in found
    }


def load_known(task_id: str) -> float | None:
    """What an attempt is worth on average to who knows the instance of a meta-RL task and does the best.

    No policy has a higher mean in any attempt. None if it was not measured.
    """
    entry = _measured(task_id)
    known = entry["references"].get("known instance")
    return None if known is None else known["mean"] / entry["attempts"]


def _measured(task_id: str) -> dict[str, Any]:
    data = _data(f"{_source(task_id)}_references.json")
    found: dict[str, Any] = data.get("tasks", {}).get(task_id, {"attempts": 1, "references": {}})
    return found


def normalised(return_: float, reference: Reference | None) -> float | None:
    """``(return - zero) / (best - zero)``; None where no best return is known."""
    if reference is None or reference.best is None:
        return None
    zero = reference.random if reference.zero is None else reference.zero
    return (return_ - zero) / (reference.best - zero)


def _source(task_id: str) -> str:
    """How the names of the files begin that hold a task's returns."""
    source = task_id.partition(":")[0]
    return _FILES.get(source, source)


@cache
def _data(name: str) -> dict[str, Any]:
    file = Path(__file__).with_name("data") / name
    if not file.is_file():
        return {}
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
