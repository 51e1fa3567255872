"""What can be asked for on the command line.

A command is a dataclass, its fields are the arguments and their docstrings the help.
Imports neither torch nor a simulator.
"""

import functools
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional

from mtrl.config import RunConfig, from_json
from mtrl.flags import rules
from mtrl.presets import preset
from mtrl.study.commands import Compare, Stress
from tasks.registry import SOURCES, SUITES, found_again


class MistakeError(Exception):
    """What was asked for cannot be done; the message is all that the user needs."""


# The configuration's tree without the suite, which the command line takes as a word and not as a flag.
Settings: Any = make_dataclass(
    "Settings",
    [(f.name, f.type, field(default_factory=f.default_factory)) for f in fields(RunConfig) if f.name != "suite"],
    kw_only=True,
)


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train one agent on a suite of tasks (`train SUITE --help` shows that suite's defaults)."""

    suite: Annotated[Positional[str], tyro.conf.arg(metavar="SUITE")]
    """A suite, or one task, e.g. popgym:RepeatFirstEasy, or a suite file; `run.py suites` lists them."""
    settings: Annotated[Settings, tyro.conf.arg(name="")]
    out: Path | None = None
    """Folder of the run; default: runs/SUITE-STRATEGY-sSEED."""
    resume: bool = False
    """Go on from the newest checkpoint in that folder, with the settings that it was begun with."""
    dry_run: bool = False
    """Say how many parameters the network has, and which plain network has as many; train nothing."""

    @property
    def config(self) -> RunConfig:
        """The configuration.

        Raises:
            ValueError: settings that do not go together.
        """
        return RunConfig(suite=found_again(self.suite), **vars(self.settings))

    @property
    def folder(self) -> Path:
        """Where the run is."""
        if self.out is not None:
            return self.out
        config = self.config
        suite = Path(config.suite).stem if config.suite.endswith((".yaml", ".yml")) else config.suite
        name = f"{suite.replace(':', '-').replace('/', '-')}-{config.conflict.strategy}-s{config.loop.seed}"
        return Path("runs") / name


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score the newest checkpoint of a run on held-out seeds."""

    run: Annotated[Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    episodes: int = 100
    """Trials per task."""
    seed: int = 0
    """Which of the held-out seeds."""
    greedy: bool = False
    """Take the most likely action; default: as the run's settings say."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.seed < 0:
            raise ValueError(
                f"expected --episodes of at least 1 and --seed of at least 0, found {self.episodes} and {self.seed}"
            )


@dataclass(frozen=True, kw_only=True)
class Adapt:
    """Show how a run's newest checkpoint adapts within a trial: score by attempt, reward by step, what its memory knows
    of the instance; on its own suite or on any other that it can play."""

    run: Annotated[Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    suite: str | None = None
    """Suite, task or suite file; default: the run's own, played as the run did."""
    attempts: int | None = None
    """Paid attempts in a trial, each with as many steps as before (a fixed horizon stays); default: as the suite
    says."""
    trials: int = 500
    """Trials per task, at least 2."""
    seed: int = 0
    """Which of the held-out seeds."""
    greedy: bool = False
    """Take the most likely action; default: as the run's settings say."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.trials < 2 or self.seed < 0 or (self.attempts is not None and self.attempts < 1):
            raise ValueError(
                "expected --trials of at least 2, --seed of at least 0 and --attempts of at least 1, found "
                f"{self.trials}, {self.seed} and {self.attempts}"
            )


@dataclass(frozen=True, kw_only=True)
class Suites:
    """List the suites, or describe one suite and its tasks.

    `suites check FILE` finds every mistake in a suite file; `suites preview NAME --out DIR` draws every task.
    """

    name: Annotated[Positional[str | None], tyro.conf.arg(metavar="[NAME]")] = None
    """A suite, a suite file (my/suite.yaml), or one task, e.g. popgym:RepeatFirstEasy."""
    speed: bool = False
    """Measure each task's steps a second, for a moment."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.speed and self.name is None:
            raise ValueError("--speed: expected a suite whose tasks are measured, found none")


@dataclass(frozen=True, kw_only=True)
class CheckSuite:
    """Find every mistake in a suite file, each with its line and remedy. Exit code 2 if there is one."""

    file: Annotated[Positional[Path], tyro.conf.arg(metavar="FILE")]
    """The suite file, e.g. my/suite.yaml."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True, kw_only=True)
class PreviewSuite:
    """Draw what the first steps of every task look like, and measure the random policy's return."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="NAME")]
    """A suite, a suite file (my/suite.yaml), or one task."""
    out: Path
    """Folder for preview.png and scores.json."""
    trials: int = 10
    """Trials of the random policy per task."""
    seed: int = 0
    """Seed of simulators and actions."""

    def __post_init__(self) -> None:
        if self.trials < 1 or self.seed < 0:
            raise ValueError(
                f"expected --trials of at least 1 and --seed of at least 0, found {self.trials} and {self.seed}"
            )


@dataclass(frozen=True, kw_only=True)
class Methods:
    """List what can be chosen: strategies, rescalings, critics, actors, sequence models, architectures."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write the report of a run or a study: one self-contained HTML page, and its figures. It may still go on."""

    run: Annotated[Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder of the run, or of the study."""
    out: Path | None = None
    """The page; default: report.html in that folder. The figures go to a folder beside it."""

    @property
    def of_study(self) -> bool:
        """Whether the folder is a study's."""
        return (self.run / "study.json").is_file()


@dataclass(frozen=True, kw_only=True)
class Play:
    """Film a run's newest checkpoint at play, as evaluation plays: what the simulator shows, and beside it rewards, the
    critic's value, the experts' weights and the policy."""

    run: Annotated[Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    out: Path
    """The film: .mp4 (`pip install '.[video]'`) or .gif; .png for a sheet of six frames."""
    task: str | None = None
    """Name of a task of the run's suite, held out or not; default: the only one."""
    trials: int = 1
    """Trials, from 1 to 100, one after the other: those that `evaluate --episodes TRIALS` plays with the same seed."""
    seed: int = 0
    """Which of the held-out seeds, as for `evaluate`."""
    greedy: bool = False
    """Take the most likely action; default: as the run's settings say."""
    fps: float | None = None
    """Steps a second, above 0 and up to 50; default: 12, and 4 where there is only text to read."""

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= 100 or self.seed < 0:
            raise ValueError(
                f"expected --trials from 1 to 100 and --seed of at least 0, found {self.trials} and {self.seed}"
            )
        if self.fps is not None and not 0 < self.fps <= 50:
            raise ValueError(f"expected --fps above 0 and up to 50, found {self.fps}")


Command = Train | Evaluate | Adapt | Compare | Stress | Suites | CheckSuite | PreviewSuite | Methods | Report | Play
COMMANDS: dict[str, type[Command]] = {
    "train": Train,
    "evaluate": Evaluate,
    "adapt": Adapt,
    "compare": Compare,
    "stress": Stress,
    "suites": Suites,
    "methods": Methods,
    "report": Report,
    "play": Play,
}
SUITES_COMMANDS: dict[str, type[Command]] = {"check": CheckSuite, "preview": PreviewSuite}
"""What may follow `suites` in place of a name."""


def parse(argv: Sequence[str]) -> Command:
    """The command that the arguments ask for.

    Raises:
        SystemExit: help was asked for (0), or an argument is wrong (2).
        MistakeError: settings that do not go together, or no run to resume.
    """
    # The suite's preset is needed before the arguments are parsed, for its values are their defaults.
    named = (word for word in argv[1:] if word in SUITES or (":" in word and word.partition(":")[0] in SOURCES))
    likely = next(named, "popgym-quick")
    actor = _actor_of(argv)
    command = _parse(argv, preset(likely, actor))
    if not isinstance(command, Train):
        return command
    if command.suite != likely:
        command = cast(Train, _parse(argv, preset(command.suite, actor)))
    with mistakes():
        if not command.resume:
            command.config  # noqa: B018  # refuses settings that do not go together
            return command
        folder = command.folder  # the other settings are those of the run in it
    if not (folder / "config.json").is_file():
        raise MistakeError(f"--resume: {folder} holds no run: it has no config.json")
    begun = read_settings(folder / "config.json")
    if begun.suite != command.suite:
        raise MistakeError(f"--resume: {folder} is a run on {begun.suite}, not on {command.suite}")
    resumed = replace(cast(Train, _parse(argv, begun)), out=folder)
    with mistakes():
        resumed.config  # noqa: B018
    return resumed


def _actor_of(argv: Sequence[str]) -> str | None:
    """The actor that is asked for, upon which other defaults depend."""
    for word, following in zip(argv, [*argv[1:], ""], strict=False):  # there may be no word at all
        flag, equals, value = word.partition("=")
        if flag == "--actor":
            return value if equals else following
    return None


def _parse(argv: Sequence[str], defaults: RunConfig) -> Command:
    groups = {group.name: getattr(defaults, group.name) for group in fields(Settings)}
    train = Train(suite=cast(str, tyro.MISSING), settings=Settings(**groups))
    chosen: Any
    if list(argv[:1]) == ["suites"] and argv[1:] and argv[1] in SUITES_COMMANDS:
        name, rest, default = f"suites {argv[1]}", list(argv[2:]), tyro.MISSING_NONPROP
        chosen = SUITES_COMMANDS[argv[1]]
    elif argv and argv[0] in COMMANDS:
        name, rest = argv[0], list(argv[1:])
        rest = ["--help"] if {"-h", "--help"} & set(rest) else rest
        chosen, default = COMMANDS[name], train if name == "train" else tyro.MISSING_NONPROP
    else:
        name, rest, default = "", list(argv), tyro.MISSING_NONPROP
        kinds = [Annotated[kind, tyro.conf.subcommand(key)] for key, kind in COMMANDS.items()]
        chosen = functools.reduce(operator.or_, kinds)
    return cast(
        Command,
        tyro.cli(
            chosen,
            prog=f"run.py {name}".strip(),
            args=rest,
            default=default,
            description=None if name else "One agent learns many tasks: what makes them fight, and which remedy works?",
            config=(OmitArgPrefixes, FlagCreatePairsOff),
            registry=rules(),
        ),
    )


@contextmanager
def mistakes(prefix: str = "") -> Iterator[None]:
    """What is refused inside is a mistake of whoever typed the command."""
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        raise MistakeError(f"{prefix}{error}") from error


def read_settings(path: Path) -> RunConfig:
    """The configuration that a run's folder holds.

    Raises:
        MistakeError: the file cannot be read, or is of another version.
    """
    with mistakes(f"{path} cannot be read: "):
        return from_json(path.read_text())
