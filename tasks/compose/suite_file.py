"""A suite as a YAML file: read, checked line by line, and turned into a `Suite`. See docs/suites.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.compose.entry import Entry, build_entry
from tasks.compose.fields import ENTRY, HEAD, SHARED, read_fields
from tasks.compose.include import SELECTING, Part, read_include
from tasks.compose.marked import REFUSED, Marked, read_marked
from tasks.compose.problems import Place, Problem, Problems, SuiteFileError
from tasks.suite import Suite


@dataclass(frozen=True)
class Reading:
    """What a suite file says, as far as it could be understood."""

    head: Mapping[str, Any]
    """Fields of the suite."""
    entries: tuple[Entry, ...]
    complete: bool
    """Whether all entries and includes are among `entries`, be it without a task."""


def load_suite_file(path: Path) -> Suite:
    """The suite that a file describes.

    A package that is not installed is no mistake of the file's: whoever builds the simulator will hear of it.

    Raises:
        SuiteFileError: with every problem that shows without building a simulator.
    """
    suite, _, problems = read_suite_file(path)
    if suite is None:
        raise SuiteFileError(path, problems)
    return suite


def read_suite_file(path: Path) -> tuple[Suite | None, dict[str, Place], tuple[Problem, ...]]:
    """A suite file's suite, the place of each task by name, and all problems.

    There is no suite if the file has a problem; what this machine lacks does not count as one.
    """
    problems = Problems()
    reading = _read(path, problems, ())
    places = {entry.name: entry.place for entry in reading.entries}
    _check_names(reading.entries, problems)
    training = [entry for entry in reading.entries if not entry.held_out]
    if not training and reading.complete:
        what = "the suite has no task to train on" + (", only held-out ones" if reading.entries else "")
        problems.add(Place(path, 1), what, "write at least one under `tasks:` or `include:` without `split: test`")
    if not all(problem.lacking for problem in problems.sorted):
        return None, places, problems.sorted
    suite = Suite(
        **{"name": path.stem, "description": f"Of {path}.", **reading.head},
        tasks=tuple(entry.task for entry in training if entry.task),
        held_out=tuple(entry.task for entry in reading.entries if entry.held_out and entry.task),
    )
    return suite, places, problems.sorted


def _read(path: Path, problems: Problems, within: tuple[Path, ...]) -> Reading:
    """Read a file and what it includes.

    Args:
        within: the files that include this one, resolved, outermost first.
    """
    before = len(problems)
    root = read_marked(path, problems)
    if root is None or not isinstance(root.value, dict):
        if len(problems) == before:
            found = "an empty file" if root is None else root.kind
            problems.add(Place(path, 1), f"expected keys such as tasks:, found {found}", "see docs/suites.md")
        return Reading({}, (), complete=False)
    head = read_fields(root, HEAD, problems, also=("defaults", "include", "tasks", *SELECTING))
    parts = _includes(root, path, problems, (*within, path.resolve()))
    entries = [entry for part in parts for entry in part.entries]
    own = _tasks(root, _defaults(root, problems), problems)
    _inherit(head, parts, bool(own), root, problems)
    if head.get("sampling", "uniform") == "uniform":
        _check_weights(root, problems)
    tasks = root.value.get("tasks")
    complete = all(part.complete for part in parts) and (tasks is None or len(own) == _length(tasks))
    return Reading(head, (*entries, *own), complete=complete)


def _includes(root: Marked, path: Path, problems: Problems, within: tuple[Path, ...]) -> list[Part]:
    shorthand = {key: root.value[key] for key in SELECTING if key in root.value}
    if "include" not in root.value:
        for key in shorthand:
            problems.add(root.keys[key], f"{key!r} without an include", "it belongs to an entry of `include:`")
        return []
    listed = root.value["include"]
    items = listed.value if isinstance(listed.value, list) else [listed]
    if shorthand:
        if len(items) != 1 or not isinstance(items[0].value, str):
            for key in shorthand:
                what = f"{key!r} beside `include:` is for one suite that is included by its name alone"
                problems.add(
                    root.keys[key], what, f"write {key} into that entry: include: [{{suite: NAME, {key}: ...}}]"
                )
        else:
            keys = {"suite": items[0].place, **{key: root.keys[key] for key in shorthand}}
            items = [Marked({"suite": items[0], **shorthand}, items[0].place, keys)]

    def read_file(file: Path) -> Part:
        reading = _read(file, problems, within)
        return Part(reading.entries, reading.head, reading.complete)

    return [read_include(item, path, problems, within, read_file) for item in items]


def _defaults(root: Marked, problems: Problems) -> dict[str, Any]:
    defaults = root.value.get("defaults")
    if defaults is None:
        return {}
    if not isinstance(defaults.value, dict):
        problems.add(defaults.place, f"defaults: expected a mapping, found {defaults.kind}", "e.g. {attempts: 2}")
        return {}
    return read_fields(defaults, SHARED, problems)


def _tasks(root: Marked, defaults: Mapping[str, Any], problems: Problems) -> list[Entry]:
    tasks = root.value.get("tasks")
    if tasks is None:
        return []
    if not isinstance(tasks.value, list):
        if tasks.value is not REFUSED:
            problems.add(tasks.place, f"tasks: expected a list, found {tasks.kind}", "begin each task with a dash (-)")
        return []
    entries = [_task(item, defaults, problems) for item in tasks.value]
    return [entry for entry in entries if entry]


def _task(item: Marked, defaults: Mapping[str, Any], problems: Problems) -> Entry | None:
    if isinstance(item.value, str):
        item = Marked({"id": item}, item.place, {"id": item.place})
    if item.value is REFUSED:
        return None
    if not isinstance(item.value, dict):
        what = f"expected a task's id or a mapping with one, found {item.kind}"
        problems.add(item.place, what, "write e.g. - popgym:RepeatFirstEasy")
        return None
    misplaced = [key for key in item.value if key in ("include", *SELECTING)]
    for key in misplaced:
        where = "beside tasks:" if key == "include" else "in include:, which stands beside tasks:"
        problems.add(item.keys[key], f"{key!r} is no setting of a task", f"write it {where} (docs/suites.md)")
    own = read_fields(item, ENTRY, problems, also=tuple(misplaced))
    if misplaced:
        return None
    if "id" not in item.value and "make" not in item.value:
        problems.add(item.place, "a task without id", "write id: source:name, or make: module:factory")
    options = {**defaults.get("options", {}), **own.get("options", {})}
    fields = {**defaults, **own, **({"options": options} if options else {})}
    place = item.keys.get("make", item.keys.get("id", item.place))
    entry = build_entry(fields, item.place, place, problems)
    return entry if entry.name else None


def _inherit(head: dict[str, Any], parts: list[Part], mixes: bool, root: Marked, problems: Problems) -> None:
    """What the file does not say of itself is as in the suites that it includes, if they agree."""
    for key in ("invalid_actions", "sampling"):
        said = sorted({part.head[key] for part in parts if key in part.head})
        if key in root.value or not said:
            continue
        if len(said) > 1:
            place = root.keys.get("include", root.place)
            what = f"the included suites have different {key}: {' and '.join(said)}"
            problems.add(place, what, f"say which one holds here: {key}: {said[0]}")
        else:
            head[key] = said[0]


def _check_weights(root: Marked, problems: Problems) -> None:
    """A weight that nobody looks at is a mistake."""
    mappings = [root.value[key] for key in ("defaults", "include") if key in root.value]
    mappings += [item for key in ("tasks", "include") for item in _items(root.value.get(key))]
    for mapping in mappings:
        if isinstance(mapping.value, dict) and "weight" in mapping.value:
            what = "a weight makes no difference while tasks are drawn uniformly"
            problems.add(mapping.keys["weight"], what, "write sampling: weighted at the top, or leave the weight out")


def _length(marked: Marked) -> int | None:
    return len(marked.value) if isinstance(marked.value, list) else None


def _items(marked: Marked | None) -> list[Marked]:
    return marked.value if marked is not None and isinstance(marked.value, list) else []


def _check_names(entries: tuple[Entry, ...], problems: Problems) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in first:
            what = f"the task name {entry.name!r} is taken by {first[entry.name].place}"
            problems.add(entry.place, what, "give one of them another with name:, or rename: or prefix: of the include")
        first.setdefault(entry.name, entry)
