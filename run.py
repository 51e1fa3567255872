"""The command line. Torch, simulators and drawing load only when a command uses them, so help and mistakes are quick.

A mistake on the command line ends with exit code 2 and one message; an error at work with code 1 and one message.
The environment variable MTRL_TRACEBACK=1 shows where an error arose.
"""

import difflib
import functools
import json
import operator
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional

from mtrl.config import RunConfig, from_json
from mtrl.flags import rules
from mtrl.presets import preset
from tasks.registry import SUITES, load_suite


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
    """A suite, or one task, e.g. popgym:RepeatFirstEasy; `run.py suites` lists them."""
    settings: Annotated[Settings, tyro.conf.arg(name="")]
    out: Path | None = None
    """Folder of the run; default: runs/SUITE-STRATEGY-sSEED."""
    resume: bool = False
    """Go on from the newest checkpoint in that folder, with the settings that it was begun with."""

    @property
    def config(self) -> RunConfig:
        """The configuration.

        Raises:
            ValueError: settings that do not go together.
        """
        return RunConfig(suite=self.suite, **vars(self.settings))

    @property
    def folder(self) -> Path:
        """Where the run is."""
        config = self.config
        name = f"{config.suite.replace(':', '-')}-{config.conflict.strategy}-s{config.loop.seed}"
        return self.out or Path("runs") / name


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
class Suites:
    """List the suites, or describe one suite and its tasks."""

    name: Annotated[Positional[str | None], tyro.conf.arg(metavar="[NAME]")] = None
    """A suite, or one task, e.g. popgym:RepeatFirstEasy."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True, kw_only=True)
class Methods:
    """List what can be chosen: strategies, rescalings, critics, actors, sequence models."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write a run's report: one self-contained HTML page, and its figures as PNG files. The run may still go on."""

    run: Annotated[Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    out: Path | None = None
    """The page; default: report.html in that folder. The figures go to a folder beside it."""


Command = Train | Evaluate | Suites | Methods | Report
COMMANDS: dict[str, type[Command]] = {
    "train": Train,
    "evaluate": Evaluate,
    "suites": Suites,
    "methods": Methods,
    "report": Report,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command and return the exit code."""
    try:
        command = parse(list(sys.argv[1:] if argv is None else argv))
        check(command)
    except MistakeError as mistake:
        print(f"run.py: {mistake}", file=sys.stderr)
        return 2
    try:
        return carry_out(command)
    except Exception as error:
        # Anything else is a fault of the program, and its traceback is wanted.
        if os.environ.get("MTRL_TRACEBACK") or not _is_expected(error):
            raise
        print(f"run.py: {error}\n(MTRL_TRACEBACK=1 shows where this arose)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{_farewell(command)}", file=sys.stderr)
        return 130


def parse(argv: list[str]) -> Command:
    """The command that the arguments ask for.

    Raises:
        SystemExit: help was asked for (0), or an argument is wrong (2).
        MistakeError: settings that do not go together, or no run to resume.
    """
    # The suite's preset is needed before the arguments are parsed, for its values are their defaults.
    likely = next((word for word in argv[1:] if word in SUITES), "popgym-quick")
    command = _parse(argv, preset(likely))
    if not isinstance(command, Train):
        return command
    if command.suite != likely:
        command = cast(Train, _parse(argv, preset(command.suite)))
    with _mistakes():
        folder = command.folder
    if not command.resume:
        return command
    if not (folder / "config.json").is_file():
        raise MistakeError(f"--resume: {folder} holds no run: it has no config.json")
    begun = _settings(folder / "config.json")
    if begun.suite != command.suite:
        raise MistakeError(f"--resume: {folder} is a run on {begun.suite}, not on {command.suite}")
    command = replace(cast(Train, _parse(argv, begun)), out=folder)
    with _mistakes():
        return replace(command, out=command.folder)


def check(command: Command) -> None:
    """Refuse what cannot work, before anything heavy is loaded.

    Raises:
        MistakeError: no such suite or task, no such run, or a folder that is taken.
    """
    if isinstance(command, Train):
        with _mistakes():
            load_suite(command.suite, **asdict(command.config.play))
        if command.folder.exists() and not command.folder.is_dir():
            raise MistakeError(f"--out: {command.folder} is a file")
        if not command.resume and command.folder.is_dir() and any(command.folder.iterdir()):
            raise MistakeError(f"{command.folder} is not empty: go on with --resume, or name another folder with --out")
    elif isinstance(command, Suites):
        if command.name is not None:
            with _mistakes():
                load_suite(command.name)
    elif isinstance(command, (Evaluate, Report)):
        if not command.run.is_dir():
            raise MistakeError(f"there is no folder {command.run}{_nearby(command.run)}")
        if not (command.run / "config.json").is_file():
            raise MistakeError(f"{command.run} is no run: it has no config.json{_nearby(command.run)}")
        _settings(command.run / "config.json")


def carry_out(command: Command) -> int:
    """Load what the command needs and do it."""
    match command:
        case Train():
            return _train(command)
        case Evaluate():
            return _evaluate(command)
        case Suites():
            return _suites(command)
        case Methods():
            return _methods(command)
        case Report():
            return _report(command)


def _train(command: Train) -> int:
    from mtrl.training.log import JsonlLog, Log, ProgressLog, TensorBoardLog, consume
    from mtrl.training.loop import train

    out = command.folder
    logs: list[Log] = [JsonlLog(out / "metrics.jsonl"), TensorBoardLog(out / "tensorboard")]
    consume(train(command.config, out, resume=command.resume), [*logs, ProgressLog(command.config.loop.steps)])
    print(f"The run is in {out}. Next: python run.py evaluate {out}; python run.py report {out}")
    return 0


def _evaluate(command: Evaluate) -> int:
    with redirect_stdout(sys.stderr) if command.json else nullcontext():
        from mtrl.report.records import EVALUATION
        from mtrl.training.evaluate import evaluate_run

        greedy = True if command.greedy else None
        found = evaluate_run(command.run, trials=command.episodes, seed=command.seed, greedy=greedy)
    result = {"run": str(command.run), "seed": command.seed, "episodes": command.episodes, **found}
    (command.run / EVALUATION).write_text(json.dumps(result, indent=1) + "\n")
    if command.json:
        print(json.dumps(result, indent=1))
    else:
        from mtrl.report.tables import show_evaluation

        show_evaluation(result)
    return 0


def _suites(command: Suites) -> int:
    from mtrl.report import listing, tables

    with redirect_stdout(sys.stderr):
        found = listing.suites() if command.name is None else listing.suite(load_suite(command.name))
    if command.json:
        print(json.dumps(found, indent=1))
    elif command.name is None:
        tables.show_suites(found)
    else:
        tables.show_suite(found)
    return 0


def _methods(command: Methods) -> int:
    from mtrl.report import listing, tables

    if command.json:
        print(json.dumps(listing.methods(), indent=1))
    else:
        tables.show_methods(listing.methods(), listing.summaries())
    return 0


def _report(command: Report) -> int:
    from mtrl.report.page import write_report

    page = command.out or command.run / "report.html"
    pictures = write_report(command.run, page)
    print(f"{page}\n{len(pictures)} figures in {pictures[0].parent}" if pictures else f"{page}\nno figures yet")
    return 0


def _parse(argv: list[str], defaults: RunConfig) -> Command:
    groups = {group.name: getattr(defaults, group.name) for group in fields(Settings)}
    train = Train(suite=cast(str, tyro.MISSING), settings=Settings(**groups))
    chosen: Any
    if argv and argv[0] in COMMANDS:
        name, *rest = argv
        rest = ["--help"] if {"-h", "--help"} & set(rest) else rest
        chosen, default = COMMANDS[name], train if name == "train" else tyro.MISSING_NONPROP
    else:
        name, rest, default = "", argv, tyro.MISSING_NONPROP
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
def _mistakes(prefix: str = "") -> Iterator[None]:
    """What is refused inside is a mistake of whoever typed the command."""
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        raise MistakeError(f"{prefix}{error}") from error


def _settings(path: Path) -> RunConfig:
    with _mistakes(f"{path} cannot be read: "):
        return from_json(path.read_text())


def _nearby(run: Path) -> str:
    runs = sorted(str(found.parent) for found in run.parent.glob("*/config.json"))
    near = difflib.get_close_matches(str(run), runs, n=3, cutoff=0.6) or runs[:3]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _is_expected(error: Exception) -> bool:
    return isinstance(error, (ValueError, ImportError, OSError)) or type(error).__name__ == "DivergenceError"


def _farewell(command: Command) -> str:
    if not isinstance(command, Train):
        return "Stopped."
    saved = sorted((command.folder / "checkpoints").glob("step-*"))
    where = (
        f"the checkpoint of step {int(saved[-1].name.removeprefix('step-')):,}"
        if saved
        else "the start: no checkpoint yet"
    )
    return (
        f"Stopped. To go on from {where}:\n"
        f"python run.py train {command.suite} --out {shlex.quote(str(command.folder))} --resume"
    )


if __name__ == "__main__":
    sys.exit(main())
