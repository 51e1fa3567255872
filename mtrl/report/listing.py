"""What there is to choose from, as plain data: suites, tasks, methods.

Loads a simulator only to describe a suite's spaces.
"""

import dataclasses
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from conflict.registry import RESCALINGS, STRATEGIES, VALUE_TARGETS, Entry
from mtrl.agent.config import AgentConfig
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.learning.config import LearningConfig
from mtrl.study.methods import PARTS, STANDARD, find_method
from mtrl.training.config import SuiteConfig
from tasks.compose.plugins import SUITE_GROUP, plugins
from tasks.compose.survey import TRIALS_OWN, padding, speed, task_spaces
from tasks.registry import SUITES, load_suite
from tasks.scores import reference_of

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.compose.check import Checked
    from tasks.suite import Suite

REGISTRIES: dict[str, dict[str, Entry]] = {
    "strategies": STRATEGIES,
    "rescalings": RESCALINGS,
    "critics": VALUE_TARGETS,
}
SETTINGS: dict[str, tuple[type, str]] = {
    "actors": (LearningConfig, "actor"),
    "target_ensembles": (LearningConfig, "target_ensemble"),
    "memories": (AgentConfig, "memory"),
    "heads": (SharingConfig, "heads"),
    "conditionings": (SharingConfig, "conditioning"),
    "experts": (ExpertsConfig, "experts"),
    "invalid_actions": (SuiteConfig, "invalid_actions"),
}


def methods() -> dict[str, list[str]]:
    """Names by kind: the usual methods of a comparison and the parts of others (joined by +), the registries' entries,
    and the choices that settings allow."""
    registered = {"methods": list(STANDARD), "parts": list(PARTS)}
    registered |= {kind: list(entries) for kind, entries in REGISTRIES.items()}
    return registered | {kind: choices(config, name) for kind, (config, name) in SETTINGS.items()}


def summaries() -> dict[tuple[str, str], str]:
    """One line on each registered method, with its options and their defaults."""
    found = {("methods", name): find_method(name).summary for name in STANDARD}
    found |= {("parts", name): summary for name, (summary, _) in PARTS.items()}
    for kind, entries in REGISTRIES.items():
        for name, entry in entries.items():
            options = ", ".join(f"{option.name} {option.default}" for option in dataclasses.fields(entry.options))
            found[kind, name] = f"{entry.summary}; options: {options}" if options else entry.summary
    return found


def choices(config: type, name: str) -> list[str]:
    """The values that a setting of Literal type can have."""
    return list(_literals(get_type_hints(config)[name]))


def suites() -> dict[str, Any]:
    """Every suite by name, third parties' included, with the number of its tasks."""
    others = [name for name in plugins(SUITE_GROUP) if name not in SUITES]
    loaded = [load_suite(name) for name in [*SUITES, *others]]
    return {
        "suites": [{"name": s.name, "description": s.description, "tasks": s.num_tasks} for s in loaded],
    }


def suite(found: "Suite", *, speed_seconds: float | None = None) -> dict[str, Any]:
    """A suite's spaces and tasks, with the returns that scores are measured against.

    Args:
        speed_seconds: measure every task's steps a second for so long; None: not at all.
    Raises:
        ValueError: a task whose simulator cannot be built or played, named.
    """
    members = found.all_tasks
    alone = [task_spaces(found, task) for task in members]
    for task, own in zip(members, alone, strict=True):
        if own.problem is not None:
            raise ValueError(f"task {task.name!r}: {own.problem}")
    shares = padding(found, alone)
    tasks = []
    for task, own, padded in zip(members, alone, shares, strict=True):
        reference = reference_of(task)
        tasks.append(
            {
                "name": task.name,
                "id": task.id,
                "split": "test" if task in found.held_out else "train",
                "observation": {key: list(shape) for key, shape in own.observation.items()},
                "padding": round(padded, 4),
                "continuous": own.continuous,
                "actions": own.actions,
                "options": dict(task.options),
                "attempts": task.attempts,
                "warmup_attempts": task.warmup_attempts,
                "instance": task.instance,
                "max_steps": task.max_steps,
                "at_max_steps": task.at_max_steps,
                "seeds": task.seeds,
                "test_seeds": task.test_seeds,
                "weight": task.weight,
                "reward_scale": task.reward_scale,
                "random": reference.random if reference else None,
                "best": reference.best if reference else None,
                "steps_per_second": None if speed_seconds is None else round(speed(found, task, speed_seconds)),
            }
        )
    return {
        "name": found.name,
        "description": found.description,
        "invalid_actions": found.invalid_actions,
        "sampling": found.sampling,
        "num_actions": max(own.actions for own in alone),
        "continuous": any(own.continuous for own in alone),
        "padding": round(sum(shares) / len(shares), 4),
        "observation": {
            key: {"shape": list(space.shape or ()), "dtype": str(space.dtype), "of_trial": key in TRIALS_OWN}
            for key, space in found.observation_space.spaces.items()
        },
        "tasks": tasks,
    }


def checked(file: "Path", outcome: "Checked") -> dict[str, Any]:
    """What the check of a suite file found."""
    return {
        "file": str(file),
        "ok": outcome.suite is not None,
        "tasks": [task.name for task in outcome.suite.all_tasks] if outcome.suite else [],
        "problems": [
            {
                "file": str(problem.place.file),
                "line": problem.place.line,
                "problem": problem.what,
                "remedy": problem.remedy,
            }
            for problem in outcome.problems
        ],
    }


def _literals(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(value for part in get_args(kind) for value in _literals(part))
    return ()
