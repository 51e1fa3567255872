"""Tasks and suites of third parties, found by Python's entry points and imported only when they are asked for.

A package announces them in its metadata:

    [project.entry-points."gradient_conflict.tasks"]
    chess = "my_package.tasks:Chess"          # a class with task(name), make(name) and names(): ids "chess:NAME"
    [project.entry-points."gradient_conflict.suites"]
    chess-4 = "my_package.suites:chess_4"     # a function without arguments that returns a Suite
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

SOURCE_GROUP = "gradient_conflict.tasks"
SUITE_GROUP = "gradient_conflict.suites"
_NEEDS: dict[str, tuple[str, ...]] = {SOURCE_GROUP: ("task", "make", "names"), SUITE_GROUP: ("__call__",)}


def plugins(group: str) -> dict[str, EntryPoint]:
    """What is announced in a group, by name; nothing is imported. Names of this package win over a plugin's."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def load_plugin(group: str, name: str) -> Any:
    """Import what a package has announced.

    Raises:
        ImportError: it cannot be imported, for whatever reason.
        ValueError: it is no source of tasks, or no function.
    """
    point = plugins(group)[name]
    whose = f"{group} {name!r} of {point.dist.name if point.dist else 'an unknown package'} ({point.value})"
    try:
        found = point.load()
    except Exception as error:  # code of others may raise anything when it is imported
        raise ImportError(f"{whose} cannot be imported: {type(error).__name__}: {error}") from error
    lacking = [need for need in _NEEDS[group] if not callable(getattr(found, need, None))]
    if lacking:
        kind = "a class with task(name), make(name) and names()" if group == SOURCE_GROUP else "a function"
        raise ValueError(f"{whose}: expected {kind}, found {found!r} without {', '.join(lacking)}")
    return found
