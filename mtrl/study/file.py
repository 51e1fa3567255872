"""Studies from YAML files: the same as on the command line, and methods of one's own.

suite: popgym-quick
steps: 100000
seeds: 5                      # or a list
methods:
  - mean
  - pcgrad+two-hot
  - name: slow-pcgrad         # any settings of a run, by their place or their name
    like: pcgrad
    settings: {learning_rate: 0.0003}
conditions:                   # none: plain
  spread: [1, 10, 100]
  frequency: [10]
  tasks: [2, 5]
  width: [32, 64]
  scales: {RepeatFirstEasy: 100}    # or a list of such; the unscaled condition comes by itself
  mix: {similar: [RepeatFirstEasy, RepeatPreviousEasy]}
settings: {entropy_weight: 0.01}
search: {learning_rate: [0.0003, 0.001], entropy_weight: [0.0, 0.01]}   # each method gets its best combination
evaluate_trials: 100
baseline: mean
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mtrl.study import conditions
from mtrl.study.conditions import PLAIN, UNSCALED, Condition
from mtrl.study.methods import Method, find_method
from mtrl.study.settings import full_place
from mtrl.study.study import Study, StudyError, hashable
from tasks.registry import nearest

_KEYS = (
    *("suite", "steps", "seeds", "methods", "conditions", "settings"),
    *("search", "evaluate_trials", "baseline"),
)
SEEDS = 5
"""Unless said otherwise; so are the trials."""
EVALUATE_TRIALS = 100
AXES: dict[str, Callable[[Any], Condition]] = {
    "spread": conditions.spread,
    "frequency": conditions.frequency,
    "tasks": conditions.number_of_tasks,
    "width": conditions.width,
}
"""What `conditions` may list values of."""


def load_study(path: Path) -> Study:
    """The study that a file describes; a suite file is looked for beside it.

    Raises:
        StudyError: it cannot be read, or something in it cannot be; the message says what was expected.
    """
    try:
        tree = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise StudyError(f"{path} cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise StudyError(f"{path}: expected keys and values ({', '.join(_KEYS)}), found {type(tree).__name__}")
    for key in tree:
        if key not in _KEYS:
            raise StudyError(f"{path}: unknown key {key!r}; {nearest(str(key), _KEYS)}")
    for key in ("suite", "steps", "methods"):
        if key not in tree:
            raise StudyError(f"{path}: {key} is missing")
    try:
        suite = str(tree["suite"])
        if suite.endswith((".yaml", ".yml")):
            suite = str((path.parent / suite).resolve())
        return Study(
            suite=suite,
            methods=tuple(map(method_of, tree["methods"])),
            conditions=conditions_of(tree.get("conditions", {})),
            seeds=seeds_of(tree.get("seeds", SEEDS)),
            steps=int(tree["steps"]),
            evaluate_trials=int(tree.get("evaluate_trials", EVALUATE_TRIALS)),
            settings=placed(tree.get("settings", {})),
            search=searched(tree.get("search", {})),
            baseline=str(tree.get("baseline", "")),
        )
    except (TypeError, AttributeError, ValueError) as error:
        raise StudyError(f"{path}: {error}") from error


def method_of(entry: Any) -> Method:
    """A method by its name, or by a mapping with "name", and "like" or "settings" or both.

    Raises:
        ValueError: there is no such method or setting.
    """
    if isinstance(entry, str):
        return find_method(entry)
    if not isinstance(entry, Mapping) or "name" not in entry or set(entry) - {"name", "like", "settings", "summary"}:
        raise ValueError(f"a method: expected a name, or name, like, settings and summary, found {entry!r}")
    like = find_method(str(entry.get("like", "mean")))
    own = placed(entry.get("settings", {}))
    said = ", ".join(f"{place} {value}" for place, value in own.items())
    return Method(
        name=str(entry["name"]),
        summary=str(entry.get("summary", f"Like {like.name}" + (f", with {said}" if said else "") + ".")),
        settings={**like.settings, **own},
        alone=like.alone,
    )


def conditions_of(tree: Any) -> tuple[Condition, ...]:
    """The conditions that a mapping of axes describes; none: the plain one.

    Raises:
        ValueError: an axis is unknown, or a value cannot be.
    """
    if not isinstance(tree, Mapping):
        raise ValueError(f"conditions: expected axes and values, found {tree!r}")
    found: list[Condition] = []
    for axis, values in tree.items():
        if axis in AXES:
            found += [AXES[axis](value) for value in (values if isinstance(values, list) else [values])]
        elif axis == "scales":
            several = values if isinstance(values, list) else [values]
            found += [UNSCALED, *(conditions.scales(factors) for factors in several)]
        elif axis == "mix":
            found += [conditions.mix(str(name), tuple(tasks)) for name, tasks in values.items()]
        else:
            raise ValueError(f"conditions: unknown axis {axis!r}; {nearest(str(axis), [*AXES, 'scales', 'mix'])}")
    return tuple(found) or (PLAIN,)


def seeds_of(entry: Any) -> tuple[int, ...]:
    """So many seeds from 0, or those of a list.

    Raises:
        ValueError: they are no whole numbers of at least 0, or none.
    """
    with contextlib.suppress(TypeError, ValueError):
        seeds = tuple(range(entry)) if isinstance(entry, int) else tuple(int(seed) for seed in entry)
        if seeds and min(seeds) >= 0:
            return seeds
    raise ValueError(f"seeds: expected how many, or a list of whole numbers of at least 0, found {entry!r}")


def placed(settings: Any) -> dict[str, Any]:
    """Settings by their place, given by it or by their last part.

    Raises:
        ValueError: there is no such setting.
    """
    if not isinstance(settings, Mapping):
        raise ValueError(f"settings: expected names and values, found {settings!r}")
    return {full_place(str(name)): value for name, value in settings.items()}


def searched(settings: Any) -> dict[str, tuple[Any, ...]]:
    """Settings with the values to try, by their place; numbers may be given as texts (YAML reads 3e-4 as one).

    Raises:
        ValueError: there is no such setting, or a value is not one of it.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for place, values in placed(settings).items():
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            raise ValueError(f"search: expected values of {place}, found {values!r}")
        found[place] = hashable(read_value(value) if isinstance(value, str) else value for value in values)
    return found


def read_value(text: str) -> Any:
    """What a text stands for in YAML, and numbers such as 3e-4, which YAML takes for texts."""
    value = yaml.safe_load(text)
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value
