"""Settings by their place in the configuration's tree, e.g. ``{"learning.critic": "two-hot"}``. Imports no torch."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mtrl.config import RunConfig
from tasks.registry import nearest

Settings = Mapping[str, Any]


def places() -> tuple[str, ...]:
    """Every setting of a run by its place, but the suite."""
    return tuple(
        f"{group.name}.{field.name}"
        for group in dataclasses.fields(RunConfig)
        if dataclasses.is_dataclass(group.type)
        for field in dataclasses.fields(group.type)
    )


def full_place(name: str) -> str:
    """The place of a setting that is given by it, or by its last part alone (``learning_rate``).

    Raises:
        ValueError: there is no such setting.
    """
    known = places()
    name = name.replace("-", "_")
    if name in known:
        return name
    found = [place for place in known if place.partition(".")[2] == name]
    if len(found) != 1:
        raise ValueError(f"unknown setting {name!r}; {nearest(name, known)}")
    return found[0]


def with_settings(config: RunConfig, settings: Settings) -> RunConfig:
    """The configuration with some settings changed; lists become tuples, mappings replace mappings.

    Raises:
        ValueError: there is no such setting, or one that cannot be.
    """
    groups: dict[str, dict[str, Any]] = {}
    for place, value in settings.items():
        group, _, name = full_place(place).partition(".")
        groups.setdefault(group, {})[name] = _fitting(place, value, getattr(getattr(config, group), name))
    changed = {group: dataclasses.replace(getattr(config, group), **values) for group, values in groups.items()}
    return dataclasses.replace(config, **changed)


def _fitting(place: str, value: Any, old: Any) -> Any:
    """The value in the type of the one that it replaces."""
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(old, tuple) and not isinstance(value, tuple):
        value = (value,)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kinds = (type(old),) if old is not None else (int, float, str)
    if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(old, bool):
        raise ValueError(f"{place}: expected {' or '.join(kind.__name__ for kind in kinds)}, found {value!r}")
    return value
