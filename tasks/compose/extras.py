"""Which packages a source of tasks needs, and whether they are installed. Reads metadata; imports nothing."""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import Any

from packaging.requirements import Requirement

from tasks.compose.plugins import SOURCE_GROUP, plugins
from tasks.registry import SOURCES

OURS = "gradient-conflict"


def missing_extra(prefix: str, source: Any) -> str | None:
    """What is to be installed before a source can make simulators, as the end of a sentence; None: nothing.

    Args:
        prefix: first part of its task ids.
        source: the class; its ``extra`` names an extra of the package that it comes with.
    """
    extra = getattr(source, "extra", None)
    if extra is None:
        return None
    point = None if prefix in SOURCES else plugins(SOURCE_GROUP).get(prefix)
    package = OURS if point is None or point.dist is None else point.dist.name
    lacking = [need for need in _requirements(package, extra) if not _installed(need)]
    if not lacking:
        return None
    command = f"pip install '.[{extra}]' in this repository" if package == OURS else f"pip install '{package}[{extra}]'"
    return f"needs {' and '.join(lacking)}, which is not installed; it is the extra {extra!r}: {command}"


def _requirements(package: str, extra: str) -> list[str]:
    """Names of the distributions that an extra adds on this machine; none if the package has no metadata."""
    try:
        lines = distribution(package).requires or []
    except PackageNotFoundError:
        return []
    found = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker and not marker.evaluate({"extra": ""}) and marker.evaluate({"extra": extra}):
            found.append(requirement.name)
    return found


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        # Perhaps its folder is on the path without having been installed.
        try:
            return find_spec(name.replace("-", "_")) is not None
        except ValueError:
            return False
    return True
