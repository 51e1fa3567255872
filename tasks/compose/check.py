"""Everything that is wrong with a suite file, at once: first what its text shows, then what its simulators show."""

from dataclasses import dataclass
from pathlib import Path

from tasks.compose.problems import Place, Problem, Problems
from tasks.compose.suite_file import read_suite_file
from tasks.compose.survey import TaskSpaces, task_spaces
from tasks.suite import Suite


@dataclass(frozen=True)
class Checked:
    """The outcome of a check."""

    suite: Suite | None
    """None if there are problems."""
    problems: tuple[Problem, ...]
    spaces: dict[str, TaskSpaces]
    """Each task's own spaces, by name; empty if the text alone has problems."""


def check_suite_file(path: Path) -> Checked:
    """Check a suite file. Simulators are built, each once, only if the text has no problem."""
    suite, places, found = read_suite_file(path)
    if suite is None or found:
        return Checked(None, found, {})
    problems = Problems()
    spaces = {task.name: task_spaces(suite, task) for task in suite.all_tasks}
    for name, of_task in spaces.items():
        if of_task.problem is not None:
            what, _, remedy = of_task.problem.partition("; ")
            install = "install it, or leave the task out"
            other = "leave the task out, or wrap its environment in one that can be played"
            remedy = remedy or (install if "install" in what else other)
            problems.add(places[name], f"task {name!r}: {what}", remedy)
    _check_actions(spaces, places, problems)
    return Checked(None if len(problems) else suite, problems.sorted, spaces)


def _check_actions(spaces: dict[str, TaskSpaces], places: dict[str, Place], problems: Problems) -> None:
    """One agent has one kind of action: the kind that fewer tasks have is in the wrong suite."""
    playable = {name: of_task for name, of_task in spaces.items() if of_task.problem is None}
    numbers = [name for name, of_task in playable.items() if of_task.continuous]
    choices = [name for name in playable if name not in numbers]
    if not numbers or not choices:
        return
    wrong, rest = (numbers, choices) if len(numbers) <= len(choices) else (choices, numbers)
    kind, other = ("continuous", "discrete") if wrong is numbers else ("discrete", "continuous")
    for name in wrong:
        what = f"task {name!r} has {kind} actions, while {len(rest)} of the suite's tasks have {other} ones"
        problems.add(places[name], what, f"put the {kind} tasks into a suite of their own")
