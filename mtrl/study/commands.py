"""`compare` and `stress`, as they are asked for on the command line. Imports neither torch nor a simulator.

A command is a dataclass, its fields are the arguments and their docstrings the help (see `mtrl.commands`).
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
import yaml
from tyro.conf import Positional

from mtrl.presets import preset
from mtrl.study.conditions import PLAIN, Condition
from mtrl.study.file import (
    AXES,
    EVALUATE_TRIALS,
    SEEDS,
    conditions_of,
    load_study,
    placed,
    read_value,
    searched,
    seeds_of,
)
from mtrl.study.methods import STANDARD, find_method
from mtrl.study.study import Study
from tasks.registry import found_again

_BESIDE_A_FILE = ("out", "executor", "workers", "address", "gpus", "slurm", "retry_failed", "dry_run")
"""Flags that say where a study runs and is kept, not what it is."""


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Train every method with every seed on one suite under one protocol, and report what can be told apart.

    Can be stopped and called again at any time: what is there is kept, what is missing is run.
    """

    study: Annotated[Positional[str], tyro.conf.arg(metavar="SUITE|STUDY.yaml")]
    """A suite (`run.py suites` lists them), or a file with a whole study."""
    methods: str = ""
    """Names with commas between; `run.py methods` lists them, and + joins them, e.g. pcgrad+two-hot; default: the usual
    comparison."""
    seeds: str = ""
    """How many, or which, with commas between; default: 5."""
    steps: int | None = None
    """Environment steps of every cell, over all tasks; default: the suite's preset."""
    evaluate_trials: int | None = None
    """Trials per task, on held-out seeds, for a cell's score; default: 100."""
    search: tuple[str, ...] = ()
    """Settings with values, e.g. `--search learning_rate=3e-4,1e-3 entropy_weight=0.01,0.1`: each method gets its best
    combination, found by one run each with a seed of its own; default: the preset's for all."""
    set: tuple[str, ...] = ()
    """Settings of all cells, e.g. `--set entropy_weight=0.02 agent.width=64`."""
    baseline: str = ""
    """Method that the others are compared with; default: mean, or the first."""
    out: Path | None = None
    """Folder of the study; default: studies/SUITE."""
    executor: Literal["processes", "here", "ray", "slurm"] = "processes"
    """Where cells run: in processes of this machine, one a core; in this process; on Ray; on Slurm."""
    workers: int | None = None
    """Processes, or Slurm jobs at a time; default: one a core, 64 jobs."""
    address: str | None = None
    """Of the Ray cluster; default: one that is there, else a new one on this machine."""
    gpus: float = 0.0
    """Share of a GPU that a cell gets from Ray; cells use it with `--set device=cuda`."""
    slurm: tuple[str, ...] = ()
    """Options of submitit, e.g. `--slurm slurm_partition=long timeout_min=240`."""
    retry_failed: bool = False
    """Run cells and runs of the search that failed again."""
    dry_run: bool = False
    """Say what would run, and run nothing."""

    def conditions(self) -> tuple[Condition, ...]:
        """What is varied beside methods and seeds."""
        return (PLAIN,)

    @property
    def asked(self) -> Study:
        """The study that is asked for.

        Raises:
            ValueError: there is no such suite, method, setting, or they do not go together; or there are flags beside a
                study's file, which says all of that itself.
        """
        if _is_study(self.study):
            if said := self._said(but=_BESIDE_A_FILE):
                flags = ", ".join(f"--{key.replace('_', '-')}" for key in said)
                raise ValueError(
                    f"{self.study} is a whole study, found {flags} beside it: say it in the file, or name a suite and "
                    "give all flags"
                )
            return load_study(Path(self.study))
        suite = found_again(self.study)
        return Study(
            suite=suite,
            methods=tuple(find_method(name) for name in _names(self.methods) or STANDARD),
            conditions=self.conditions(),
            seeds=seeds_of(int(self.seeds) if self.seeds.isdigit() else _names(self.seeds) or SEEDS),
            steps=preset(suite).loop.steps if self.steps is None else self.steps,
            evaluate_trials=EVALUATE_TRIALS if self.evaluate_trials is None else self.evaluate_trials,
            settings=placed(dict(_pairs("--set", self.set))),
            search=searched({name: _names(values) for name, values in _pairs("--search", self.search, parse=False)}),
            baseline=self.baseline,
        )

    @property
    def folder(self) -> Path:
        """Where the study is kept."""
        return self.out or Path("studies") / Path(self.study).stem.replace(":", "-")

    def words(self) -> str:
        """The command, to be called again."""
        said = ["python", "run.py", type(self).__name__.lower(), self.study]
        for key, value in self._said(but=("retry_failed", "dry_run")).items():
            flag = f"--{key.replace('_', '-')}"
            said += [flag, *map(str, value)] if isinstance(value, tuple) else [flag, str(value)]
        return shlex.join(said)

    def _said(self, *, but: Sequence[str]) -> dict[str, Any]:
        """The flags that are given, by their field."""
        defaults = type(self)(study=self.study)
        return {
            key: value
            for key, value in vars(self).items()
            if key not in ("study", *but) and value != getattr(defaults, key)
        }


@dataclass(frozen=True, kw_only=True)
class Stress(Compare):
    """Compare methods while the tasks' rewards, or something else, are made harder to reconcile.

    Each flag adds conditions; scores are always on the raw scale. Which task is favoured is drawn for every seed.
    """

    spread: str = ""
    """Rewards multiplied by factors spread log-evenly, the largest so many times the least, e.g. 1,10,100,1000."""
    scales: tuple[str, ...] = ()
    """Rewards of named tasks multiplied, a condition a word, e.g. `--scales coinrun=100,climber=0.1 coinrun=10`; and
    without factors, to compare with."""
    frequency: str = ""
    """Tasks drawn unevenly often: the most frequent so many times the least."""
    tasks: str = ""
    """Numbers of the suite's tasks."""
    width: str = ""
    """Widths of backbone and heads."""
    mix: tuple[str, ...] = ()
    """Named groups of tasks, e.g. `--mix similar=A,B dissimilar=A,C`."""

    def conditions(self) -> tuple[Condition, ...]:
        """As the flags say; the reward scale's spread, if none does."""
        written: dict[str, Any] = {axis: values for axis in AXES if (values := _names(getattr(self, axis)))}
        if self.mix:
            written["mix"] = {name: _names(tasks) for name, tasks in _pairs("--mix", self.mix, parse=False)}
        if self.scales:
            written["scales"] = [dict(_pairs("--scales", _names(word), parse=False)) for word in self.scales]
        return conditions_of(written or {"spread": [1, 10, 100, 1000]})


def slurm_options(command: Compare) -> dict[str, Any]:
    """Options of submitit."""
    return dict(_pairs("--slurm", command.slurm))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pairs(flag: str, words: Sequence[str], *, parse: bool = True) -> Iterator[tuple[str, Any]]:
    names: set[str] = set()
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ValueError(f"{flag}: expected name=value, found {word!r}")
        if name in names:
            raise ValueError(f"{flag}: {name} is given twice")
        names.add(name)
        yield name, read_value(value) if parse else value


def _is_study(name: str) -> bool:
    """Whether a file describes a study; one with tasks is a suite."""
    if not name.endswith((".yaml", ".yml")) or not Path(name).is_file():
        return False
    try:
        tree = yaml.safe_load(Path(name).read_text())
    except yaml.YAMLError:
        return False  # the suite's check tells where
    return isinstance(tree, dict) and "methods" in tree
