"""What a stress test varies: each condition is some settings of a run, drawn for every seed so that no task is always
the one that is favoured. Imports no torch.

Sources: reward scales: Grigsby et al. 2024 (AMAGO-2), Section 4 (Procgen, rescaled); van Hasselt et al. 2016, "Learning
values across many orders of magnitude". Number of tasks and capacity: Kurin et al. 2022, "In Defense of the Unitary
Scalarization for Deep Multi-Task Learning"; Standley et al. 2020, "Which Tasks Should Be Learned Together?".
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Axis = Literal["spread", "frequency", "tasks", "width", "scales", "mix"]
FACTORS: frozenset[Axis] = frozenset(("spread", "frequency"))
"""The axes on which every task has a factor of its own."""
_LONGEST = 80
"""Characters of a folder's name that are kept."""
SUBSETS: frozenset[Axis] = frozenset(("tasks",))
"""The axes on which every seed has tasks of its own."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A row of a stress test; all methods and seeds run under each."""

    name: str
    """As it is called in tables and folders."""
    axis: Axis | None = None
    """What is varied; None: nothing."""
    value: float | str | None = None
    """The place on the axis: a ratio, a number of tasks, a width, some tasks' factors, a mix's name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that every seed has, by their place."""

    def settings_of(self, seed: int, tasks: Sequence[str]) -> dict[str, Any]:
        """The settings for a seed, of a run that has these tasks without the condition."""
        drawn = {} if self.axis not in _DRAWN else _DRAWN[self.axis](self.value, drawn_order(tasks, seed))
        return {**drawn, **self.settings}


PLAIN = Condition(name="plain")


def spread(ratio: float | str) -> Condition:
    """Trained rewards multiplied by factors spread log-evenly, the largest `ratio` times the least, with geometric mean
    1; which task has which is drawn for every seed."""
    ratio = _ratio("spread", ratio)
    return Condition(name=f"spread-{ratio:g}", axis="spread", value=ratio)


UNSCALED = Condition(name="unscaled", axis="scales", value="none")
"""What the conditions of `scales` are compared with."""


def scales(factors: Mapping[str, float | str]) -> Condition:
    """Trained rewards of these tasks multiplied by these factors.

    Raises:
        ValueError: no factors, or one that is no number.
    """
    if not isinstance(factors, Mapping) or not factors:
        raise ValueError(f"scales: expected tasks with their factors, found {factors!r}")
    read = {str(task): number(f"scales, {task}", factor) for task, factor in factors.items()}
    said = ", ".join(f"{task} {factor:g}" for task, factor in read.items())
    return Condition(
        name=_folder_name(f"scales-{said}"), axis="scales", value=said, settings={"play.reward_scales": read}
    )


def frequency(ratio: float | str) -> Condition:
    """Tasks drawn unevenly often: weights spread log-evenly, the largest `ratio` times the least."""
    ratio = _ratio("frequency", ratio)
    return Condition(name=f"frequency-{ratio:g}", axis="frequency", value=ratio)


def number_of_tasks(count: int | str) -> Condition:
    """So many of the suite's tasks, drawn for every seed; a larger number has the tasks of a smaller one."""
    count = _count("tasks", count)
    return Condition(name=f"tasks-{count}", axis="tasks", value=count)


def width(features: int | str) -> Condition:
    """A backbone and heads of this width."""
    features = _count("width", features)
    settings = {"agent.width": features, "agent.head_width": features}
    return Condition(name=f"width-{features}", axis="width", value=features, settings=settings)


def mix(name: str, tasks: Sequence[str]) -> Condition:
    """These tasks alone: similar ones, or dissimilar ones."""
    return Condition(name=f"mix-{name}", axis="mix", value=name, settings={"play.only": tuple(tasks)})


def _folder_name(text: str) -> str:
    """The text as a name of a folder: another one for another text, and short however many tasks it names."""
    name = re.sub("[^a-zA-Z0-9_.+]+", "-", text)
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def log_even(ratio: float, count: int) -> list[float]:
    """`count` factors from ``ratio ** -0.5`` to ``ratio ** 0.5``, each the same multiple of the one before."""
    if count == 1:
        return [1.0]
    return [float(ratio ** (i / (count - 1) - 0.5)) for i in range(count)]


def number(of: str, value: float | str) -> float:
    """A number, as it is or as it was written (YAML takes 1e3 for a text).

    Raises:
        ValueError: it is none.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{of}: expected a number, found {value!r}") from None


def _ratio(axis: str, value: float | str) -> float:
    ratio = number(axis, value)
    if not 1 <= ratio < float("inf"):
        raise ValueError(f"{axis}: expected ratios of at least 1, found {value}")
    return ratio


def _count(axis: str, value: int | str) -> int:
    count = number(axis, value)
    if not (count >= 1 and count.is_integer()):
        raise ValueError(f"{axis}: expected a whole number of at least 1, found {value!r}")
    return int(count)


def drawn_order(tasks: Sequence[str], seed: int) -> list[str]:
    """Tasks in the order in which a seed gives them what is drawn, factors from the least on.

    It is the same for all methods and all values of an axis.

    Args:
        tasks: all that a run has without the condition, in its order: that in which it is evaluated on them.
    """
    order = np.random.default_rng([seed, 0xC0]).permutation(len(tasks))
    return [tasks[i] for i in order]


def _spread(ratio: Any, tasks: list[str]) -> dict[str, Any]:
    return {"play.reward_scales": dict(zip(tasks, log_even(ratio, len(tasks)), strict=True))}


def _frequency(ratio: Any, tasks: list[str]) -> dict[str, Any]:
    return {"play.sampling": "weighted", "play.weights": dict(zip(tasks, log_even(ratio, len(tasks)), strict=True))}


def _tasks(count: Any, tasks: list[str]) -> dict[str, Any]:
    if count > len(tasks):
        raise ValueError(f"tasks: there are {len(tasks)}, found {count}")
    return {"play.only": tuple(tasks[:count])}


_DRAWN: dict[Axis | None, Callable[[Any, list[str]], dict[str, Any]]] = {
    "spread": _spread,
    "frequency": _frequency,
    "tasks": _tasks,
}
