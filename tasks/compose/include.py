"""A suite inside a suite file: ``include:`` with a choice of its tasks, other names and other settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.compose.entry import Entry, check_extra, matching, overridden
from tasks.compose.fields import SHARED, read_fields
from tasks.compose.marked import Marked
from tasks.compose.problems import Place, Problems
from tasks.registry import load_suite, nearest

SELECTING = ("only", "except", "rename", "prefix")
"""Keys of an include that choose among the tasks and name them."""
_ALSO = ("suite", "change", *SELECTING)


@dataclass(frozen=True)
class Part:
    """What an include brings."""

    entries: tuple[Entry, ...]
    head: Mapping[str, Any]
    """Fields of the included suite."""
    complete: bool
    """Whether all its tasks are among the entries."""


_NOTHING = Part((), {}, complete=False)
ReadFile = Callable[[Path], Part]


def read_include(item: Marked, path: Path, problems: Problems, within: tuple[Path, ...], read_file: ReadFile) -> Part:
    """The tasks that an include brings, with all its choices and changes made.

    Args:
        item: a suite's name or file, or a mapping with one under ``suite:``.
        path: the file that includes; files are sought beside it.
        within: that file and those that include it, resolved, outermost first.
        read_file: reads another suite file.
    """
    if isinstance(item.value, str):
        item = Marked({"suite": item}, item.place, {"suite": item.place})
    if not isinstance(item.value, dict) or not isinstance(getattr(item.value.get("suite"), "value", None), str):
        what = f"expected a suite's name, its file, or a mapping with `suite:`, found {item.kind}"
        problems.add(item.place, what, "write e.g. include: [{suite: popgym-27, except: [MineSweeperEasy]}]")
        return _NOTHING
    place = item.keys["suite"]
    changes = read_fields(item, SHARED, problems, also=_ALSO)
    part = _find(item.value["suite"].value, place, path, problems, within, read_file)
    entries = [replace(entry, place=place) for entry in part.entries]
    before = len(problems)  # what a machine lacks was noted before, and leaves the tasks as they are
    if part.complete or entries:
        entries = _selected(entries, item, problems)
        entries = _changed(entries, item, problems)
        entries = _renamed(entries, item, problems)
    complete = part.complete and len(problems) == before
    return Part(tuple(overridden(entry, changes, place, problems) for entry in entries), part.head, complete)


def _find(
    target: str, place: Place, path: Path, problems: Problems, within: tuple[Path, ...], read_file: ReadFile
) -> Part:
    if not target.endswith((".yaml", ".yml")):
        try:
            suite = load_suite(target)
        except Exception as error:  # a third party's function may raise anything
            problems.add_error(place, error, "`run.py suites` lists the names; a file's ends in .yaml")
            return _NOTHING
        held_out = {task.name for task in suite.held_out}
        tasks = suite.all_tasks
        for task_id in {task.id.partition(":")[0]: task.id for task in tasks if task.make is None}.values():
            check_extra(task_id, place, problems)
        entries = tuple(Entry(task.name, place, task.name in held_out, task) for task in tasks)
        return Part(entries, {"invalid_actions": suite.invalid_actions, "sampling": suite.sampling}, complete=True)
    file = path.parent / target
    if file.resolve() in within:
        circle = [*within[within.index(file.resolve()) :], file.resolve()]
        what = f"the files include each other in a circle: {' > '.join(step.name for step in circle)}"
        problems.add(place, what, "take one of these includes out")
        return _NOTHING
    if not file.is_file():
        near = nearest(file.name, [found.name for found in sorted(file.parent.glob("*.y*ml"))] or ["no suite file"])
        problems.add(
            place, f"there is no file {file}", f"files are sought beside {path.name}; in {file.parent}: {near}"
        )
        return _NOTHING
    return read_file(file)


def _selected(entries: list[Entry], item: Marked, problems: Problems) -> list[Entry]:
    before = len(problems)
    if "only" in item.value and "except" in item.value:
        problems.add(item.keys["except"], "both only and except", "one of them says it all: leave the other out")
    if "only" in item.value:
        wanted = _names("only", item, entries, problems)
        by_name = {entry.name: entry for entry in entries}
        entries = [by_name[name] for name in wanted] if wanted is not None else entries
    if "except" in item.value:
        left_out = _names("except", item, entries, problems) or ()
        entries = [entry for entry in entries if entry.name not in left_out]
    if not entries and len(problems) == before:
        problems.add(item.keys["suite"], "no task of this include is left", "choose fewer under except")
    return entries


def _names(key: str, item: Marked, entries: list[Entry], problems: Problems) -> tuple[str, ...] | None:
    """Names of tasks that are there; None if there is no list."""
    listed = item.value[key]
    names = [listed] if isinstance(listed.value, str) else listed.value
    if not isinstance(names, list):
        problems.add(listed.place, f"{key}: expected a list of task names, found {listed.kind}", "write e.g. [A, B]")
        return None
    known = [entry.name for entry in entries]
    there = (name for name in names if _is_there(key, name, entries, item, problems, patterns=True))
    return tuple(dict.fromkeys(found for name in there for found in matching(name.value, known)))


def _is_there(
    key: str, name: Marked, entries: list[Entry], item: Marked, problems: Problems, *, patterns: bool = False
) -> bool:
    known = [entry.name for entry in entries]
    if isinstance(name.value, str) and (name.value in known or (patterns and matching(name.value, known))):
        return True
    suite = item.value["suite"].value
    found = repr(name.value) if isinstance(name.value, str) else name.kind
    hint = nearest(str(name.value), known)
    if len(known) > 12 and not hint.startswith("did you mean"):
        hint = f"`run.py suites {suite}` lists its {len(known)} tasks"
    problems.add(name.place, f"{key}: {suite} has no task {found}", hint)
    return False


def _changed(entries: list[Entry], item: Marked, problems: Problems) -> list[Entry]:
    """Settings of single tasks."""
    change = item.value.get("change")
    if change is None:
        return entries
    if not isinstance(change.value, dict):
        what = f"change: expected a mapping from task names to settings, found {change.kind}"
        problems.add(change.place, what, "write e.g. {CountRecallEasy: {reward_scale: 10}}")
        return entries
    for name, settings in change.value.items():
        place = change.keys[name]
        if not _is_there("change", Marked(name, place), entries, item, problems):
            continue
        if not isinstance(settings.value, dict):
            what = f"change: expected settings of {name!r}, found {settings.kind}"
            problems.add(settings.place, what, "write e.g. {reward_scale: 10}")
            continue
        fields = read_fields(settings, SHARED, problems)
        entries = [overridden(entry, fields, place, problems) if entry.name == name else entry for entry in entries]
    return entries


def _renamed(entries: list[Entry], item: Marked, problems: Problems) -> list[Entry]:
    names: dict[str, str] = {}
    rename, prefix = item.value.get("rename"), item.value.get("prefix")
    if rename is not None and not isinstance(rename.value, dict):
        what = f"rename: expected a mapping from old to new names, found {rename.kind}"
        problems.add(rename.place, what, "write e.g. {CountRecallEasy: recall}")
    elif rename is not None:
        for old, new in rename.value.items():
            if not _is_there("rename", Marked(old, rename.keys[old]), entries, item, problems):
                continue
            if not isinstance(new.value, str) or not new.value:
                problems.add(new.place, f"rename: expected a name, found {new.kind}", "put it in quotes")
            else:
                names[old] = new.value
    front = ""
    if prefix is not None:
        if isinstance(prefix.value, str):
            front = prefix.value
        else:
            problems.add(prefix.place, f"prefix: expected some text, found {prefix.kind}", "put it in quotes")
    return [_named(entry, names.get(entry.name, front + entry.name)) for entry in entries]


def _named(entry: Entry, name: str) -> Entry:
    return replace(entry, name=name, task=entry.task and replace(entry.task, name=name))
