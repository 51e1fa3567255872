"""YAML whose every value knows its line.

Departs: from YAML 1.1 in three points. A key that stands twice in a mapping is a problem, not the last one's victory;
``1e5`` is a number, as in YAML 1.2; merge keys (``<<``) and tags other than the standard ones are refused.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tasks.compose.problems import Place, Problems

_STANDARD = "tag:yaml.org,2002:"
_SCALARS = ("null", "bool", "int", "float", "timestamp", "str", "binary", "value")
REFUSED = object()
"""The value of what could not be read; a problem says why, and nothing more is to be said about it."""


@dataclass(frozen=True)
class Marked:
    """A value and where it stands."""

    value: Any
    """A scalar (None, bool, int, float, str, date, bytes), a list of `Marked`, or a dict from str to `Marked`."""
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)
    """For a dict: where each key stands."""

    @property
    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: item.plain for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        return self.value

    @property
    def kind(self) -> str:
        """What it is, in words for a message: ``the text 'two'``, ``a list``."""
        value = self.value
        if value is None:
            return "nothing (null)"
        if isinstance(value, bool):
            return f"{str(value).lower()} (YAML reads yes, no, on and off as truth values: put them in quotes)"
        if isinstance(value, (dict, list)):
            return "a mapping" if isinstance(value, dict) else "a list"
        return f"the text {value!r}" if isinstance(value, str) else f"{value!r}"


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # without stubs
    """The safe loader, with YAML 1.2's floats."""


_Loader.add_implicit_resolver(
    f"{_STANDARD}float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def read_marked(path: Path, problems: Problems) -> Marked | None:
    """The content of a YAML file; None, with a problem noted, if it is no YAML.

    Args:
        path: shown in messages as it stands here.
        problems: takes what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        problems.add(Place(path, line), "expected text in UTF-8, found other bytes", "save the file as UTF-8")
        return None
    except OSError as error:
        problems.add(Place(path, 1), f"the file cannot be read: {error.strerror}", "check the path")
        return None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else _Reader(path, loader, problems).read(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(
            Place(path, mark.line + 1 if mark else 1),
            f"this is no YAML: {error.problem or error.context}",
            "check the indentation, and put text that holds a colon or # into quotes",
        )
    except yaml.YAMLError as error:
        problems.add(Place(path, 1), f"this is no YAML: {error}".replace("\n", " "), "remove these characters")
    except RecursionError:
        problems.add(Place(path, 1), "values are nested too deeply", "a suite file needs no more than four levels")
    return None


class _Reader:
    def __init__(self, path: Path, loader: _Loader, problems: Problems) -> None:
        self.path, self.loader, self.problems = path, loader, problems
        self.read_already: dict[int, Marked] = {}
        self.open: set[int] = set()

    def read(self, node: yaml.Node) -> Marked:
        place = Place(self.path, node.start_mark.line + 1)
        if id(node) in self.read_already:
            return self.read_already[id(node)]
        if id(node) in self.open:
            self.problems.add(place, "an alias (*) refers to what it is itself a part of", "write the value out")
            return Marked(REFUSED, place)
        self.open.add(id(node))
        marked = self._read(node, place)
        self.open.discard(id(node))
        self.read_already[id(node)] = marked
        return marked

    def _read(self, node: yaml.Node, place: Place) -> Marked:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_STANDARD}map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_STANDARD}seq":
            return Marked([self.read(part) for part in node.value], place)
        if isinstance(node, yaml.ScalarNode) and node.tag.removeprefix(_STANDARD) in _SCALARS:
            try:
                return Marked(self.loader.construct_object(node), place)
            except (yaml.YAMLError, ValueError) as error:
                what = f"{node.value!r} cannot be read: {error}".replace("\n", " ")
                self.problems.add(place, what, "put it in quotes if it is text")
                return Marked(REFUSED, place)
        tag = node.tag.replace(_STANDARD, "!!")
        self.problems.add(place, f"found the tag {tag}", "tags have no meaning in a suite file: leave it out")
        return Marked(REFUSED, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> Marked:
        values: dict[str, Marked] = {}
        keys: dict[str, Place] = {}
        for key_node, value_node in node.value:
            where = Place(self.path, key_node.start_mark.line + 1)
            if key_node.tag == f"{_STANDARD}merge":
                self.problems.add(where, "found a merge key (<<)", "write `defaults:` for what the tasks share")
                continue
            key = self.read(key_node)
            if not isinstance(key.value, str):
                what = f"expected text as a key, found {key.kind}"
                self.problems.add(where, what, "put the key in quotes")
            elif key.value in values:
                what = f"the key {key.value!r} stands twice, first in line {keys[key.value].line}"
                self.problems.add(where, what, "leave one of them out")
            else:
                values[key.value], keys[key.value] = self.read(value_node), where
        return Marked(values, place, keys)
