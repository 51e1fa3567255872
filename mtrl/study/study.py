"""A study: what is compared, under which conditions, how often and for how long. Imports no torch."""

import dataclasses
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mtrl.config import RunConfig
from mtrl.presets import preset
from mtrl.study.conditions import PLAIN, Condition
from mtrl.study.methods import Method
from mtrl.study.settings import full_place, with_settings
from tasks.registry import load_suite

FILE = "study.json"
TUNING_SEED = 1_000_003
"""Of the search: its runs, and the held-out instances that they are evaluated on."""
FORMAT = 2
CHECKPOINTS = 16
"""Of a run. One costs a twentieth of a second (popgym-quick), and whatever stops a cell, a signal or a power cut, takes
no more than what came after the last."""

Choice: TypeAlias = tuple[tuple[str, Any], ...]
"""Settings that a search tries or has found: places and values."""


class StudyError(ValueError):
    """What was asked for is no study, or another one than the folder's."""


@dataclass(frozen=True)
class Cell:
    """One method under one condition with one seed."""

    condition: str
    method: str
    seed: int
    choice: Choice = ()
    """What the search tries in this run, or has found for the method."""

    @property
    def folder(self) -> Path:
        """Below the study's folder."""
        choice = "".join(f"-{re.sub('[^a-zA-Z0-9_.+]', '-', said)}" for said in said_of(self.choice))
        return Path("cells") / self.condition / self.method / f"s{self.seed}{choice}"

    @property
    def named(self) -> dict[str, Any]:
        """How a result names its cell."""
        return {"condition": self.condition, "method": self.method, "seed": self.seed, "choice": dict(self.choice)}

    def __str__(self) -> str:
        """For people."""
        return ", ".join([self.condition, self.method, f"seed {self.seed}", *said_of(self.choice)])


def said_of(choice: Choice) -> list[str]:
    """A choice for people: the settings by their last part."""
    return [
        f"{place.rpartition('.')[2]} {f'{value:g}' if isinstance(value, float) else value}" for place, value in choice
    ]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A grid of runs on one suite. All cells have the same steps, updates, batch and evaluation; what a method or a
    condition does not change is as the suite's preset and `settings` say."""

    suite: str
    """A suite's name or file."""
    methods: tuple[Method, ...]
    conditions: tuple[Condition, ...] = (PLAIN,)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int
    """Environment steps of a cell, summed over all its tasks."""
    evaluate_trials: int = 100
    """Trials per task, on held-out seeds, that a cell's final score is the mean of."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of all cells that differ from the preset, by their place."""
    search: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Settings by their place, with values. Each method gets the combination that scores best in one run of its own;
    what it sets itself is not searched."""
    baseline: str = ""
    """The method that the others are compared with; default: "mean", else the first."""

    def __post_init__(self) -> None:
        """Refuse empty and ambiguous grids.

        Raises:
            StudyError: nothing to do, or a name twice.
        """
        for what, names in (
            ("methods", [m.name for m in self.methods]),
            ("conditions", [c.name for c in self.conditions]),
            ("seeds", [str(seed) for seed in self.seeds]),
        ):
            if not names:
                raise StudyError(f"a study needs {what}, found none")
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise StudyError(f"{what}: found twice: {', '.join(twice)}")
        if self.steps < 1 or self.evaluate_trials < 2:
            raise StudyError(
                f"expected steps >= 1 and at least 2 evaluation trials, found {self.steps} and {self.evaluate_trials}"
            )
        names = [method.name for method in self.methods]
        if self.baseline and self.baseline not in names:
            raise StudyError(f"the baseline {self.baseline!r} is none of the methods {', '.join(names)}")
        if TUNING_SEED in self.seeds:
            raise StudyError(f"seed {TUNING_SEED} is that of the search; choose another one")
        for place, values in self.search.items():
            if not values or len(set(values)) < len(values):
                raise StudyError(f"search: expected different values of {place}, found {list(values)}")

    @property
    def compared_with(self) -> str:
        """The method that the others are compared with."""
        names = [method.name for method in self.methods]
        return self.baseline or ("mean" if "mean" in names else names[0])

    def cells(self) -> Iterator[Cell]:
        """All cells, seed by seed, so that an unfinished study has something of everything."""
        for seed in self.seeds:
            for condition in self.conditions:
                for method in self.methods:
                    yield Cell(condition.name, method.name, seed)

    def choices(self, method: Method) -> list[Choice]:
        """What the search tries for a method: every combination of the values of what the method does not set."""
        axes = [[(place, v) for v in values] for place, values in self.search.items() if place not in method.settings]
        return list(itertools.product(*axes)) if axes else []

    def tuning_cells(self) -> Iterator[Cell]:
        """Runs of the search: one a choice, under the first condition, with a seed of its own."""
        for method in self.methods:
            for choice in self.choices(method):
                yield Cell(self.conditions[0].name, method.name, TUNING_SEED, choice)

    def evaluation_seed(self, cell: Cell) -> int:
        """Which held-out instances the cell is evaluated on: a search that chose by those of the final scores would
        choose what happens to do well on them."""
        return TUNING_SEED if cell.seed == TUNING_SEED else 0

    def method(self, name: str) -> Method:
        """A method by its name."""
        return next(method for method in self.methods if method.name == name)

    def condition(self, name: str) -> Condition:
        """A condition by its name."""
        return next(condition for condition in self.conditions if condition.name == name)

    def tasks(self) -> tuple[str, ...]:
        """Names of the suite's tasks."""
        return load_suite(self.suite).task_names

    def active_tasks(self, config: RunConfig) -> tuple[str, ...]:
        """Names of the tasks that a run has, in the order in which it is evaluated on them."""
        return config.play.only or self.tasks()

    def config(self, cell: Cell) -> RunConfig:
        """The configuration of a cell's run. What its condition draws, it draws over the tasks that the run would have
        without it.

        Raises:
            ValueError: settings that do not exist or do not go together.
        """
        method = self.method(cell.method)
        said = {full_place(place): value for place, value in {**self.settings, **method.settings}.items()}
        config = shortened(preset(self.suite, said.get("learning.actor")), self.steps)
        settings = {
            "loop.learn_threads": 1,  # so that numbers do not depend on where a cell runs
            "loop.evaluate_trials": min(10, self.evaluate_trials),  # of a curve's points
            **self.settings,
            **method.settings,
            **dict(cell.choice),
        }
        reduced = with_settings(config, {p: v for p, v in settings.items() if full_place(p) == "play.only"})
        drawn = self.condition(cell.condition).settings_of(cell.seed, self.active_tasks(reduced))
        return with_settings(config, {**settings, **drawn, "loop.seed": cell.seed})

    def runs(self, cell: Cell) -> dict[str, RunConfig]:
        """The runs of a cell by their folder's name: one, or one a task with its share of the steps."""
        config = self.config(cell)
        if not self.method(cell.method).alone:
            return {"run": config}
        tasks = self.active_tasks(config)
        share = shortened(config, self.steps // len(tasks))
        return {task: with_settings(share, {"play.only": (task,)}) for task in tasks}


def hashable(values: Iterable[Any]) -> tuple[Any, ...]:
    """Values as a tuple, with tuples for lists."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def shortened(config: RunConfig, steps: int) -> RunConfig:
    """The same run with other steps: exploration, evaluations and checkpoints in proportion, and so the first update of
    a shorter run."""
    share = steps / config.loop.steps
    collect = dataclasses.replace(
        config.collect,
        explore_steps=max(1, round(config.collect.explore_steps * share)),
        start_steps=round(config.collect.start_steps * min(1.0, share)),
    )
    loop = dataclasses.replace(
        config.loop,
        steps=steps,
        evaluate_every=max(1, steps // 8),
        checkpoint_every=max(1, steps // CHECKPOINTS),
    )
    return dataclasses.replace(config, collect=collect, loop=loop)


def check_study(study: Study) -> None:
    """Refuse, before anything runs, what some cell could not do.

    Raises:
        ValueError: no such suite or task, settings that do not go together, or too few steps.
    """
    for condition in study.conditions:
        for method in study.methods:
            for choice in [(), *study.choices(method)]:
                for config in study.runs(Cell(condition.name, method.name, study.seeds[0], choice)).values():
                    load_suite(config.suite, **dataclasses.asdict(config.play))


def to_json(study: Study) -> dict[str, Any]:
    """A study as it is stored; see `from_json`."""
    tree = json.loads(json.dumps(dataclasses.asdict(study)))
    return {"version": FORMAT, **tree, "baseline": study.compared_with}


def from_json(tree: Mapping[str, Any]) -> Study:
    """The inverse of `to_json`.

    Raises:
        StudyError: it is no study of this version.
    """
    known = {f.name for f in dataclasses.fields(Study)}
    try:
        if tree["version"] != FORMAT:
            raise StudyError(f"expected a study of version {FORMAT}, found {tree['version']}")
        values: dict[str, Any] = {name: value for name, value in tree.items() if name in known}
        values["methods"] = tuple(Method(**method) for method in values["methods"])
        values["conditions"] = tuple(Condition(**condition) for condition in values["conditions"])
        values["search"] = {place: hashable(tried) for place, tried in values["search"].items()}
        fitting: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return Study(**fitting)
    except (KeyError, TypeError) as error:
        raise StudyError(f"expected a study as this version writes it, found {str(tree)[:60]} ({error!r})") from error


def extended(old: Study, new: Study, *, begun: bool = True) -> Study:
    """The study of a folder, with the methods, conditions and seeds of another one beside its own.

    Args:
        begun: whether a cell has run with what the search had found; until then the search may grow, too.
    Raises:
        StudyError: they differ in what all cells have in common, or in what a name stands for.
    """
    grows = not begun and _holds(new.search, old.search)
    for name in ("suite", "steps", "evaluate_trials", "settings", *(() if grows else ("search",))):
        mine, theirs = to_json(old)[name], to_json(new)[name]
        if mine != theirs:
            raise StudyError(
                f"the folder holds a study with {name} {mine}, not {theirs}: cells could not be compared; "
                "choose another folder"
            )
    merged: dict[str, Any] = {}
    for what in ("methods", "conditions"):
        found = {entry.name: entry for entry in getattr(old, what)}
        for entry in getattr(new, what):
            before = found.setdefault(entry.name, entry)
            if json.dumps(dataclasses.asdict(before)) != json.dumps(dataclasses.asdict(entry)):
                raise StudyError(
                    f"the folder's {entry.name!r} is another one of the {what}; give this one another name"
                )
        merged[what] = tuple(found.values())
    seeds = tuple(dict.fromkeys((*old.seeds, *new.seeds)))
    return dataclasses.replace(old, **merged, seeds=seeds, search=new.search if grows else old.search)


def _holds(larger: Mapping[str, tuple[Any, ...]], smaller: Mapping[str, tuple[Any, ...]]) -> bool:
    """Whether a search has the settings of another one and at least its values, so that its runs are some of these."""
    return list(larger) == list(smaller) and all(set(values) <= set(larger[name]) for name, values in smaller.items())
