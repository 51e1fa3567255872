"""Names of suites and sources of simulators; nothing is imported before it is asked for."""

import dataclasses
import importlib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gymnasium

    from tasks.suite import Suite
    from tasks.task import Task

SUITES: dict[str, str] = {
    "popgym-27": "tasks.popgym:popgym_27",
    "popgym-quick": "tasks.popgym:popgym_quick",
    "babyai-68": "tasks.babyai:babyai_68",
    "babyai-quick": "tasks.babyai:babyai_quick",
    "procgen-5": "tasks.procgen:procgen_5",
    "procgen-16": "tasks.procgen:procgen_16",
    "procgen-16-hard": "tasks.procgen:procgen_16_hard",
    "procgen-16-memory": "tasks.procgen:procgen_16_memory",
    "procgen-quick": "tasks.procgen:procgen_quick",
    "clash": "tasks.clash:clash",
    "bandits": "tasks.meta.suites:bandits",
    "tabular-mdp": "tasks.meta.suites:tabular_mdp",
    "dark-room": "tasks.meta.suites:dark_room",
    "dark-key-door": "tasks.meta.suites:dark_key_door",
    "point-robot": "tasks.meta.suites:point_robot",
    "hallway-sign": "tasks.meta.suites:hallway_sign",
    "tmaze": "tasks.meta.suites:tmaze",
    "meta-mix": "tasks.meta.suites:meta_mix",
    "bandits-shift": "tasks.meta.suites:bandits_shift",
    "dark-room-shift": "tasks.meta.suites:dark_room_shift",
    "point-robot-shift": "tasks.meta.suites:point_robot_shift",
    "tmaze-shift": "tasks.meta.suites:tmaze_shift",
    "tabular-mdp-shift": "tasks.meta.suites:tabular_mdp_shift",
    "classic-control": "suites/classic-control.yaml",
    "mixed": "suites/mixed.yaml",
}
"""Suite name -> ``module:factory``, a function without arguments that returns the suite, or a suite file of tasks/."""

SOURCES: dict[str, str] = {
    "popgym": "tasks.popgym:Popgym",
    "babyai": "tasks.babyai:Babyai",
    "procgen": "tasks.procgen:Procgen",
    "gym": "tasks.gym_source:Gym",
    "clash": "tasks.clash:Clash",
    "bandit": "tasks.meta.source:Bandit",
    "mdp": "tasks.meta.source:Mdp",
    "room": "tasks.meta.source:Room",
    "point": "tasks.meta.source:Point",
    "hallway": "tasks.meta.source:Hallway",
    "tmaze": "tasks.meta.source:TMaze",
}
"""First part of a task id -> ``module:class`` with ``task(name, **protocol)``, ``make(name, **options)``,
``names()``, ``slow`` (whether its simulators are worth a process of their own) and ``extra`` (what to install)."""


def found_again(name: str) -> str:
    """A suite's name as it is found from any folder: of a file, its whole path."""
    return str(Path(name).resolve()) if name.endswith((".yaml", ".yml")) else name


def load_suite(
    name: str,
    *,
    invalid_actions: str | None = None,
    reward_scales: Mapping[str, float] | None = None,
    attempts: int | None = None,
    warmup_attempts: int | None = None,
    sampling: str | None = None,
    only: Sequence[str] = (),
    weights: Mapping[str, float] | None = None,
) -> "Suite":
    """A suite by its name, by its file (``my/suite.yaml``), or that of one task by its id (``popgym:AutoencodeEasy``).

    Args:
        invalid_actions: "random" or "mask"; None, here and below: what the suite says.
        reward_scales: task name -> factor between raw and trained reward.
        attempts: paid attempts a trial, for every task.
        warmup_attempts: attempts before these, for every task.
        sampling: how a trial's task is drawn.
        only: the tasks that the suite is reduced to, in this order; none: all.
        weights: task name -> how often it is drawn, where `sampling` is not uniform.
    Raises:
        ValueError: no such suite or task; the message names the nearest ones.
    """
    suite = _find(name)
    protocol: dict[str, Any] = {
        key: value for key, value in (("attempts", attempts), ("warmup_attempts", warmup_attempts)) if value is not None
    }
    if protocol:
        tasks, held_out = (
            tuple(dataclasses.replace(task, **protocol) for task in part) for part in (suite.tasks, suite.held_out)
        )
        suite = dataclasses.replace(suite, tasks=tasks, held_out=held_out)
    if sampling is not None:
        suite = dataclasses.replace(suite, sampling=sampling)  # type: ignore[arg-type]  # checked by Suite
    if invalid_actions is not None:
        suite = dataclasses.replace(suite, invalid_actions=invalid_actions)  # type: ignore[arg-type]  # checked by Suite
    if weights:
        suite = suite.with_values("weight", weights)
    if reward_scales:
        suite = suite.with_values("reward_scale", reward_scales)
    return suite.subset(only) if only else suite  # last, so that what is said of other tasks is no mistake


def make_simulator(task: "Task") -> "gymnasium.Env[Any, Any]":
    """A new simulator of the task, with the task's options.

    Raises:
        ValueError: no source knows the task's id.
        ImportError: the simulator needs a package that is not installed; the message says which.
    """
    name = task.id.partition(":")[2]
    made: gymnasium.Env[Any, Any] = (
        source_of(task).make(name, **task.options) if task.make is None else task.make(**task.options)
    )
    return made


def told(simulator: Any, name: str) -> Any:
    """What a simulator tells of itself, through all that is wrapped around it; None if it does not."""
    found = None
    while simulator is not None and found is None:
        found, simulator = getattr(simulator, name, None), getattr(simulator, "env", None)
    return found


def source_of(task: "Task") -> Any:
    """The class that knows the simulators of a task's id; raises as `find_source`."""
    return find_source(task.id.partition(":")[0])


def find_source(name: str) -> Any:
    """The source behind the first part of a task id: one of `SOURCES`, or a third party's.

    Raises:
        ValueError: nobody provides such a source; the message names the nearest ones.
        ImportError: a third party's source cannot be imported.
    """
    if name not in SOURCES:
        from tasks.compose.plugins import SOURCE_GROUP, load_plugin, plugins

        if name in plugins(SOURCE_GROUP):
            return load_plugin(SOURCE_GROUP, name)
        _known(name, [*SOURCES, *plugins(SOURCE_GROUP)], "source of tasks")
    return _load(SOURCES[name])


def _find(name: str) -> "Suite":
    if name.endswith((".yaml", ".yml")):
        from tasks.compose.suite_file import load_suite_file

        return load_suite_file(Path(name))
    source, colon, task = name.partition(":")
    if colon:
        from tasks.suite import Suite

        found = find_source(source).task(task)
        return Suite(name=name, tasks=(found,), description=f"{name} alone: one attempt a trial, every reward paid.")
    if name not in SUITES:
        from tasks.compose.plugins import SUITE_GROUP, load_plugin, plugins

        if name in plugins(SUITE_GROUP):
            suite: Suite = load_plugin(SUITE_GROUP, name)()
            return suite
        known = [*SUITES, *plugins(SUITE_GROUP), *(f"{source}:NAME" for source in SOURCES), "FILE.yaml"]
        _known(name, known, "suite")
    target = SUITES[name]
    if target.endswith(".yaml"):
        return _find(str(Path(__file__).parent / target))
    made: Suite = _load(target)()
    return made


def _known(name: str, names: Iterable[str], what: str) -> str:
    names = list(names)
    if name not in names:
        raise ValueError(f"unknown {what} {name!r}; {nearest(name, names)}")
    return name


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of an error message about a name that is not among `names`."""
    spelling = {known.lower(): known for known in names}
    close = [spelling[match] for match in get_close_matches(name.lower(), spelling, n=4, cutoff=0.5)]
    return f"did you mean {' or '.join(close)}?" if close else f"known are: {', '.join(spelling.values())}"


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
