"""One task on its way into a suite: where it was written, and what is known of it already."""

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks.compose.extras import missing_extra
from tasks.compose.factories import check_options, find_factory
from tasks.compose.problems import Place, Problems
from tasks.registry import find_source
from tasks.task import Task


@dataclass(frozen=True)
class Entry:
    """A task of a suite file, or of a suite that it includes."""

    name: str
    place: Place
    """Where it is written; for a task of a suite made in Python, where that is included."""
    held_out: bool
    task: Task | None
    """None: it could not be made, and a problem says why."""


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a pattern with * (any text) or ? (any letter) stands for; a name stands for itself."""
    names = list(names)
    if pattern in names or not set(pattern) & set("*?"):
        return [pattern] if pattern in names else []
    return [name for name in names if fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))]


def build_entry(fields: Mapping[str, Any], place: Place, id_place: Place, problems: Problems) -> Entry:
    """The task that an entry of ``tasks:`` describes.

    Args:
        fields: as `fields.ENTRY` reads them, the defaults filled in; those that were wrong are left out.
        id_place: where the id or the factory stands.
        problems: takes what is wrong.
    """
    protocol = {key: value for key, value in fields.items() if key not in ("id", "name", "make", "split")}
    name = fields.get("name") or _name_of(fields)
    task: Task | None = None
    try:
        if "make" in fields:
            factory = find_factory(fields["make"])
            check_options(factory, protocol.get("options", {}))
            task = Task(name=name, id=fields.get("id", f"custom:{name}"), make=factory, **protocol)
        elif "id" in fields:
            task = _from_source(fields["id"], protocol)
            check_extra(task.id, id_place, problems)
            name = fields.get("name") or task.name
            task = replace(task, name=name)
    except (ValueError, TypeError, ImportError) as error:
        problems.add_error(id_place, error, "`run.py suites` lists what there is")
    return Entry(name, place, fields.get("split") == "test", task)


def overridden(entry: Entry, fields: Mapping[str, Any], place: Place, problems: Problems) -> Entry:
    """An included task with other settings; options are added to those that it has.

    Args:
        fields: as `fields.SHARED` reads them.
        place: where the include stands.
    """
    held_out = fields["split"] == "test" if "split" in fields else entry.held_out
    changes = {key: value for key, value in fields.items() if key != "split"}
    if entry.task is None:
        return replace(entry, held_out=held_out)
    try:
        return replace(entry, held_out=held_out, task=with_fields(entry.task, changes))
    except (ValueError, TypeError, ImportError) as error:
        problems.add_error(place, error, f"it is task {entry.name!r} that cannot be changed so")
        return replace(entry, held_out=held_out, task=None)


def with_fields(task: Task, fields: Mapping[str, Any]) -> Task:
    """A task with other settings; options are added to those that it has.

    Raises:
        ValueError: a setting that no trial could be played with, or an option that the simulator does not take.
    """
    options = fields.get("options")
    if not options:
        return replace(task, **fields)
    merged = {**task.options, **options}
    if task.make is not None:
        check_options(task.make, merged)
        return replace(task, **{**fields, "options": merged})
    fresh = _from_source(task.id, {"options": merged})  # an option may be part of the id, as Procgen's mode is
    return replace(task, **{**fields, "id": fresh.id, "options": fresh.options})


def _from_source(task_id: str, protocol: Mapping[str, Any]) -> Task:
    prefix, colon, name = task_id.partition(":")
    if not colon:
        raise ValueError(
            f"expected a task's id 'source:name', found {task_id!r}; "
            "for another suite write it under `include:`, for an environment of Gymnasium gym:ID"
        )
    source = find_source(prefix)
    source.task(name)  # so that an unknown name is told from a setting that is refused
    task: Task = source.task(name, **protocol)
    check_options(source.make, protocol.get("options", {}), name)
    return task


def check_extra(task_id: str, place: Place, problems: Problems) -> None:
    """Note what is to be installed before the task's simulator can be built."""
    prefix = task_id.partition(":")[0]
    missing = missing_extra(prefix, find_source(prefix))
    if missing:
        what, _, remedy = missing.partition("; ")
        problems.add(place, f"{task_id} {what}", remedy, lacking=True)


def _name_of(fields: Mapping[str, Any]) -> str:
    if "make" in fields and "id" not in fields:
        return str(fields["make"]).rpartition(":")[2]
    return str(fields.get("id", "")).rpartition(":")[2]
