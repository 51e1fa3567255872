"""The command line. Torch, simulators and drawing load only when a command uses them, so help and mistakes are quick.

A mistake on the command line ends with exit code 2 and one message; an error at work with code 1 and one message.
The environment variable MTRL_TRACEBACK=1 shows where an error arose.
"""

import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from mtrl.checks import check, rank
from mtrl.commands import (
    Adapt,
    CheckSuite,
    Command,
    Evaluate,
    Methods,
    MistakeError,
    Play,
    PreviewSuite,
    Report,
    Suites,
    Train,
    parse,
)
from mtrl.config import RunConfig
from mtrl.study.commands import Compare, slurm_options
from tasks.registry import load_suite


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command and return the exit code."""
    try:
        command = parse(sys.argv[1:] if argv is None else argv)
        check(command)
    except BrokenPipeError:  # of the help
        return _seen_enough()
    except MistakeError as mistake:
        print(f"run.py: {mistake}", file=sys.stderr)
        return 2
    main_thread = threading.current_thread() is threading.main_thread()
    # Ended politely, a command ends the processes that it has started, too.
    before = signal.signal(signal.SIGTERM, _terminated) if main_thread else None
    try:
        return carry_out(command)
    except BrokenPipeError:
        return _seen_enough()
    except Exception as error:
        # Anything else is a fault of the program, and its traceback is wanted.
        if os.environ.get("MTRL_TRACEBACK") or not _is_expected(error):
            raise
        print(f"run.py: {error}\n(MTRL_TRACEBACK=1 shows where this arose)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{_farewell(command)}", file=sys.stderr)
        return 130
    finally:
        if main_thread:
            signal.signal(signal.SIGTERM, before)


def _terminated(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _seen_enough() -> int:
    """The exit code when whoever reads the output has closed it, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def carry_out(command: Command) -> int:
    """Load what the command needs and do it."""
    match command:
        case Train():
            return _train(command)
        case Evaluate():
            return _evaluate(command)
        case Adapt():
            return _adapt(command)
        case Compare():
            return _compare(command)
        case Suites():
            return _suites(command)
        case CheckSuite():
            return _check_suite(command)
        case PreviewSuite():
            return _preview_suite(command)
        case Methods():
            return _methods(command)
        case Report():
            return _report(command)
        case Play():
            return _play(command)


def _train(command: Train) -> int:
    from mtrl.report.pictures import Pictures
    from mtrl.training.allocator import keep_freed_memory
    from mtrl.training.build import build_suite, forgotten
    from mtrl.training.log import JsonlLog, Log, ProgressLog, TensorBoardLog, consume
    from mtrl.training.loop import train

    if command.dry_run:
        return _size(command.config)
    keep_freed_memory()
    out = command.folder
    if rank() > 0:  # of several processes that train together the first tells
        consume(train(command.config, out, resume=command.resume), [])
        return 0
    if note := forgotten(command.config, build_suite(command.config)):
        print(f"note: {note}", file=sys.stderr)
    logs: list[Log] = [JsonlLog(out / "metrics.jsonl"), TensorBoardLog(out / "tensorboard", Pictures().of)]
    consume(train(command.config, out, resume=command.resume), [*logs, ProgressLog(command.config.loop.steps)])
    print(f"The run is in {out}. Next: python run.py evaluate {out}; python run.py report {out}")
    return 0


def _size(config: RunConfig) -> int:
    from mtrl.training.size import parameter_counts, plain_width

    parts = parameter_counts(config)
    print(f"{sum(parts.values()):,} trained parameters: " + ", ".join(f"{name} {n:,}" for name, n in parts.items()))
    width, count = plain_width(config)
    print(f"A network that all tasks share has as many with --width {width}: {count:,}")
    return 0


def _evaluate(command: Evaluate) -> int:
    with redirect_stdout(sys.stderr) if command.json else nullcontext():
        from mtrl.report.records import EVALUATION
        from mtrl.training.evaluate import evaluate_run

        greedy = True if command.greedy else None
        found = evaluate_run(command.run, trials=command.episodes, seed=command.seed, greedy=greedy)
    result = {"run": str(command.run), "seed": command.seed, "episodes": command.episodes, **found}
    _write(command.run / EVALUATION, json.dumps(result, indent=1))
    if command.json:
        print(json.dumps(result, indent=1))
    else:
        from mtrl.report.tables import show_evaluation

        show_evaluation(result)
    return 0


def _write(path: Path, text: str) -> None:
    """Write a file that a report may read at any moment."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text + "\n")
    fresh.replace(path)


def _adapt(command: Adapt) -> int:
    with redirect_stdout(sys.stderr) if command.json else nullcontext():
        from mtrl.report.records import ADAPTATION, load_adaptation
        from mtrl.training.adapt import adapt_run

        kept = command.run / ADAPTATION
        load_adaptation(kept)  # before hours of playing, should it be damaged
        found = adapt_run(
            command.run,
            suite=command.suite,
            attempts=command.attempts,
            trials=command.trials,
            seed=command.seed,
            greedy=True if command.greedy else None,
        )
    what = [found["suite"]]
    what += [] if command.attempts is None else [f"attempts {command.attempts}"]
    what += ["greedy"] if found["greedy"] else []
    _write(kept, json.dumps({**load_adaptation(kept), ", ".join(what): found}))  # with what others added meanwhile
    if command.json:
        print(json.dumps(found, indent=1))
    else:
        from mtrl.report.tables import show_adaptation

        show_adaptation(found)
        for fault in found.get("faults", ()):
            print(f"A trial was dropped: {fault}")
        print(f"All numbers are in {kept}. Next: python run.py report {command.run}")
    return 0


def _compare(command: Compare) -> int:
    from mtrl.study.executors import make_executor
    from mtrl.study.folder import StudyFolder
    from mtrl.study.provenance import differences, foreign
    from mtrl.study.runner import run_study
    from mtrl.study.table import StudyTable

    folder = StudyFolder(command.folder)
    if command.dry_run:
        study = folder.extended(command.asked)
        missing = folder.missing(study, retry_failed=command.retry_failed)
        searches = folder.untuned(study, retry_failed=command.retry_failed)
        print(f"{len(searches)} runs of the search, {len(missing)} cells of {study.steps:,} steps")
        for cell in (*searches, *missing):
            print(f"  {cell}")
        return 0
    with folder.held():  # before the first word is written: a command that is refused changes nothing
        executor = make_executor(
            command.executor,
            workers=command.workers,
            address=command.address,
            gpus=command.gpus,
            slurm=slurm_options(command),
        )
        study = folder.open(command.asked, command=command.words())
        for said in foreign(study, folder.results()):
            print(f"warning: {said}", file=sys.stderr)
        events = run_study(study, folder, executor, retry_failed=command.retry_failed)
        try:
            StudyTable(study, folder, parallel=executor.parallel).show(events)
        finally:
            events.close()
    failed = folder.failures()
    for failure in failed:
        print(f"failed: {failure}")
    for said in differences(folder.results()):
        print(f"warning: {said}")
    print(f"The study is in {command.folder}. Next: python run.py report {command.folder}")
    return 1 if failed else 0


def _suites(command: Suites) -> int:
    from mtrl.report import listing, tables

    with redirect_stdout(sys.stderr):
        if command.name is None:
            found = listing.suites()
        else:
            found = listing.suite(load_suite(command.name), speed_seconds=0.5 if command.speed else None)
    if command.json:
        print(json.dumps(found, indent=1))
    elif command.name is None:
        tables.show_suites(found)
    else:
        tables.show_suite(found)
    return 0


def _check_suite(command: CheckSuite) -> int:
    with redirect_stdout(sys.stderr):
        from mtrl.report import listing
        from tasks.compose.check import check_suite_file

        checked = check_suite_file(command.file)
    if command.json:
        print(json.dumps(listing.checked(command.file, checked), indent=1))
    elif checked.suite is None:
        for problem in checked.problems:
            print(problem, file=sys.stderr)
        count = len(checked.problems)
        print(f"run.py: {command.file} has {count} problem{'s' if count > 1 else ''}", file=sys.stderr)
    else:
        held_out = f" and {len(checked.suite.held_out)} held-out" if checked.suite.held_out else ""
        print(f"{command.file} is fine: {checked.suite.num_tasks}{held_out} tasks")
    return 2 if checked.suite is None else 0


def _preview_suite(command: PreviewSuite) -> int:
    from mtrl.report.preview import write_preview

    with redirect_stdout(sys.stderr):
        picture, scores = write_preview(load_suite(command.name), command.out, trials=command.trials, seed=command.seed)
    print(f"{picture}\n{scores}")
    return 0


def _methods(command: Methods) -> int:
    from mtrl.report import listing, tables

    if command.json:
        print(json.dumps(listing.methods(), indent=1))
    else:
        tables.show_methods(listing.methods(), listing.summaries())
    return 0


def _report(command: Report) -> int:
    page = command.out or command.run / "report.html"
    if command.of_study:
        from mtrl.report.study import write_study_report

        pictures = [path for path in write_study_report(command.run, page) if path.suffix == ".png"]
    else:
        from mtrl.report.page import write_report

        pictures = write_report(command.run, page)
    print(f"{page}\n{len(pictures)} figures in {pictures[0].parent}" if pictures else f"{page}\nno figures yet")
    return 0


def _play(command: Play) -> int:
    from mtrl.report.video.film import film_run
    from mtrl.report.video.story import Moment

    def tell(moment: Moment) -> None:
        if sys.stderr.isatty() and moment.step % 20 == 0:
            print(f"\rtrial {moment.trial + 1}, step {moment.step:,}", end="", file=sys.stderr, flush=True)

    with redirect_stdout(sys.stderr):
        filmed = film_run(
            command.run,
            command.task,
            command.out,
            trials=command.trials,
            seed=command.seed,
            greedy=True if command.greedy else None,
            fps=command.fps,
            progress=tell,
        )
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    print(command.out)
    for trial, found in enumerate(filmed):
        print(f"trial {trial + 1}: return {found.return_:z.2f} in {found.steps:,} steps")
    return 0


def _is_expected(error: Exception) -> bool:
    return isinstance(error, (ValueError, ImportError, OSError)) or type(error).__name__ in (
        "DivergenceError",
        "SimulatorError",
    )


def _farewell(command: Command) -> str:
    if isinstance(command, Compare):
        return f"Stopped. The same command goes on:\n{command.words()}"
    if not isinstance(command, Train):
        return "Stopped."
    if not (command.folder / "config.json").is_file():
        return "Stopped before the run began."
    saved = sorted((command.folder / "checkpoints").glob("step-*"))
    where = f"the checkpoint at step {int(saved[-1].name.removeprefix('step-')):,}" if saved else "the start"
    resume = f"python run.py train {command.suite} --out {shlex.quote(str(command.folder))} --resume"
    return f"Stopped. To go on from {where}:\n{resume}"


if __name__ == "__main__":
    sys.exit(main())
