"""What there is to choose from, as plain data: suites, tasks, methods.

Loads a simulator only to describe a suite's spaces.
"""

import dataclasses
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from conflict.registry import RESCALINGS, STRATEGIES, VALUE_TARGETS, Entry
from mtrl.agent.config import AgentConfig
from mtrl.learning.config import LearningConfig
from mtrl.training.config import SuiteConfig
from tasks.registry import SUITES, load_suite
from tasks.scores import load_reference

if TYPE_CHECKING:
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
    "invalid_actions": (SuiteConfig, "invalid_actions"),
}


def methods() -> dict[str, list[str]]:
    """Names by kind: the registries' entries, and the choices that settings allow."""
    registered = {kind: list(entries) for kind, entries in REGISTRIES.items()}
    return registered | {kind: choices(config, name) for kind, (config, name) in SETTINGS.items()}


def summaries() -> dict[tuple[str, str], str]:
    """One line on each registered method, with its options and their defaults."""
    found = {}
    for kind, entries in REGISTRIES.items():
        for name, entry in entries.items():
            options = ", ".join(f"{option.name} {option.default}" for option in dataclasses.fields(entry.options))
            found[kind, name] = f"{entry.summary}; options: {options}" if options else entry.summary
    return found


def choices(config: type, name: str) -> list[str]:
    """The values that a setting of Literal type can have."""
    return list(_literals(get_type_hints(config)[name]))


def suites() -> dict[str, Any]:
    """Every suite by name, with the number of its tasks."""
    loaded = [load_suite(name) for name in SUITES]
    return {
        "suites": [{"name": s.name, "description": s.description, "tasks": s.num_tasks} for s in loaded],
    }


def suite(found: "Suite") -> dict[str, Any]:
    """A suite's spaces and tasks, with the returns that scores are measured against."""
    tasks = []
    for task, mask in zip(found.tasks, found.action_mask, strict=True):
        reference = load_reference(task.id, attempts=task.attempts)
        tasks.append(
            {
                "name": task.name,
                "id": task.id,
                "actions": int(mask.sum()),
                "attempts": task.attempts,
                "warmup_attempts": task.warmup_attempts,
                "instance": task.instance,
                "reward_scale": task.reward_scale,
                "random": reference.random if reference else None,
                "best": reference.best if reference else None,
            }
        )
    return {
        "name": found.name,
        "description": found.description,
        "invalid_actions": found.invalid_actions,
        "num_actions": found.num_actions,
        "observation": {
            key: {"shape": list(space.shape or ()), "dtype": str(space.dtype)}
            for key, space in found.observation_space.spaces.items()
        },
        "tasks": tasks,
    }


def _literals(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(value for part in get_args(kind) for value in _literals(part))
    return ()
