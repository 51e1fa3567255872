"""Tables for the terminal."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtrl.report.words import ADAPTED_PARTS, attempt_return, gap_sentences, instance_read, mark_notes, regrets


def show_evaluation(result: dict[str, Any]) -> None:
    """Return, interval, normalised score and the attempts of each task."""
    console = _console()
    console.print(_results(result))
    console.print(
        f"score {number(result['score'])} on average, after {result['steps']:,} steps and {result['updates']:,} "
        "updates (0: random policy, or the published minimum; 1: best known result of one task; returns are raw)"
    )
    if "held_out" in result:
        console.print(_results(result["held_out"]))
        console.print(f"score {number(result['held_out']['score'])} on average over the tasks held out")


def _results(result: dict[str, Any]) -> Table:
    table = _table("task", "return", "95% interval", "score", "95% interval", "attempts", "trials")
    for task, entry in result["tasks"].items():
        attempts = " ".join(number(value) for value in entry["attempts"])
        table.add_row(
            Text(task),
            number(entry["return"]),
            span(entry["interval"]),
            number(entry["score"]),
            span(entry["score_interval"]),
            attempts,
            str(entry["trials"]),
        )
    return table


def show_adaptation(found: dict[str, Any]) -> None:
    """Return, score and regret, and the return of every attempt, for each part of a suite."""
    console, marked = _console(), []
    for part, words in ADAPTED_PARTS.items():
        if part not in found:
            continue
        entries = found[part]["tasks"].values()
        last = max(n for entry in entries for n, value in enumerate(entry["attempts"]) if value is not None)
        shown = sorted({*range(min(3, last + 1)), last})
        named = [f"attempt {n + 1}" for n in shown]
        table = _table(words, "return", "score", *named, "regret", "R²", "trials")
        for task, entry in found[part]["tasks"].items():
            attempts = [
                _with_half(_plain(attempt_return(entry, n)), entry["attempt_intervals"][n])
                if n < len(entry["attempts"])
                else ""
                for n in shown
            ]
            marked += attempts
            table.add_row(
                Text(task),
                _with_half(number(entry["return"]), entry["interval"]),
                number(entry["score"]),
                *attempts,
                _plain(regrets(entry)),
                _plain(instance_read(entry)),
                str(entry["trials"]),
            )
        console.print(table)
    console.print(
        "Returns are raw, ±: 95%. Regret: what the first and the last paid attempt fall short of who knows the "
        "instance, or of the best known return. R²: what a linear map reads of the instance from the memory, first and "
        "last (in brackets: of the number that it reads best, whenever that is)"
    )
    for sentence in (*mark_notes("".join(marked)), *gap_sentences(found)):
        console.print(_plain(sentence))


def _plain(text: str) -> str:
    """With the minus signs of a terminal, from which numbers are copied."""
    return text.replace("−", "-")


def _with_half(value: str, interval: list[float] | None) -> str:
    return value if interval is None else f"{value} ±{number((interval[1] - interval[0]) / 2)}"


def show_suites(found: dict[str, Any]) -> None:
    """Every suite in a line."""
    table = _table("suite", "tasks", "description")
    for suite in found["suites"]:
        table.add_row(Text(suite["name"]), str(suite["tasks"]), Text(suite["description"]))
    console = _console()
    console.print(table)
    console.print("One task is a suite, too: popgym:NAME, gym:ID. A file of yours as well: docs/suites.md")
    console.print("More about one: run.py suites NAME; its pictures: run.py suites preview NAME --out DIR")


def show_suite(found: dict[str, Any]) -> None:
    """A suite's spaces, and its tasks in a line each."""
    console = _console()
    console.print(Text(f"{found['name']}: {found['description']}"))
    if found["continuous"]:
        console.print(f"{found['num_actions']} continuous actions")
    else:
        console.print(f"{found['num_actions']} actions; one that a task does not have: {found['invalid_actions']}")
    for key, space in found["observation"].items():
        console.print(Text(f"observation {key}: {space['dtype']} {space['shape']}"))
    console.print(
        f"{found['padding']:.0%} of the simulators' numbers are padding; tasks are drawn: {found['sampling']}"
    )
    tasks = found["tasks"]
    optional: dict[str, tuple[Callable[[dict[str, Any]], str], bool]] = {
        "split": (lambda task: task["split"], any(task["split"] == "test" for task in tasks)),
        "seeds": (_seeds, any(task["seeds"] or task["test_seeds"] for task in tasks)),
        "weight": (lambda task: f"{task['weight']:g}", any(task["weight"] != 1 for task in tasks)),
        "max steps": (lambda task: str(task["max_steps"] or "–"), any(task["max_steps"] for task in tasks)),
        "steps/s": (lambda task: f"{task['steps_per_second'] or 0:,}", tasks[0]["steps_per_second"] is not None),
    }
    shown = {name: words for name, (words, there) in optional.items() if there}
    table = _table(
        "task",
        "observation",
        "padding",
        "actions",
        "warm-up",
        "attempts",
        "instance",
        "scale",
        *shown,
        "random",
        "best",
    )
    for task in tasks:
        table.add_row(
            Text(task["name"]),
            Text(", ".join(f"{key} {'×'.join(map(str, shape))}" for key, shape in task["observation"].items())),
            f"{task['padding']:.0%}",
            str(task["actions"]),
            str(task["warmup_attempts"]),
            str(task["attempts"]),
            task["instance"],
            f"{task['reward_scale']:g}",
            *(words(task) for words in shown.values()),
            number(task["random"]),
            number(task["best"]),
        )
    console.print(table)


def _seeds(task: dict[str, Any]) -> str:
    return " / ".join(
        "any" if seeds is None else f"{seeds[0]}–{seeds[1]}" for seeds in (task["seeds"], task["test_seeds"])
    )


def show_methods(names: dict[str, list[str]], summaries: dict[tuple[str, str], str]) -> None:
    """Every method in a line, by kind."""
    table = _table("kind", "name", "what it is")
    for kind, members in names.items():
        for place, name in enumerate(members):
            table.add_row("" if place else kind.replace("_", " "), Text(name), Text(summaries.get((kind, name), "")))
    _console().print(table)


def number(value: float | None) -> str:
    """Two digits, or a dash where nothing is known."""
    return "–" if value is None else f"{value:z.2f}"


def span(interval: list[float] | None) -> str:
    """An interval, or a dash where nothing is known."""
    return "–" if interval is None else f"{interval[0]:z.2f} to {interval[1]:z.2f}"


_WORDS = (
    *ADAPTED_PARTS.values(),
    "task",
    "suite",
    "kind",
    "name",
    "description",
    "what it is",
    "observation",
    "instance",
    "split",
)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        words = column in _WORDS
        table.add_column(column, justify="left" if words else "right", no_wrap=not words or column == columns[0])
    return table


def _console() -> Console:
    # What is piped into a file or a pager must not be cut to the width of a terminal that is not there.
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)
