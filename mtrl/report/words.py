"""What a run's numbers say, in sentences that claim no more than they support."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mtrl.report.records import Record, RunData
from mtrl.report.statistics import Verdict, disagreements, mean_of, median_of, score_interval, verdict
from mtrl.training.log import clock

ADAPTED_PARTS = {
    "trained": "seeds of training",
    "tested": "seeds of testing",
    "held_out": "tasks held out",
}
"""Parts of an adaptation, as tables and reports call them."""


_UNPAID, _CUT = "°", "†"
_MARKS = {
    _UNPAID: f"{_UNPAID}: not paid.",
    _CUT: f"{_CUT}: max_steps cut the attempt in some trials or came before it; the mean is of those that it began in, "
    "and there is no regret, which is of whole attempts.",
}


def summary(run: RunData) -> list[str]:
    """The report's opening, a sentence or two a paragraph."""
    return [*_progress(run), *_score(run), *_verdicts(run), *_conflict(run)]


def verdicts(run: RunData, part: Mapping[str, Any] | None = None) -> dict[str, Verdict]:
    """How each evaluated task stands to the random policy; `part`: of these results in place of the trained tasks'."""
    found: dict[str, Verdict] = {}
    for task, entry in (part or run.evaluation or {"tasks": {}})["tasks"].items():
        reference = run.references.get(task)
        found[task] = verdict(entry["interval"], reference.random_interval if reference else None)
    return found


def gap_sentences(found: Record) -> list[str]:
    """The generalisation gaps of an adaptation, a sentence each, and whether their intervals exclude 0."""
    sentences = []
    for between, gap in found["gaps"].items():
        low, high = gap["interval"]
        apart = "" if low > 0 or high < 0 else ", not told apart from 0"
        sentences.append(f"Score, {between}: {number(gap['score'])} ({span(gap['interval'])}{apart}).")
    return sentences


def instance_read(entry: Record) -> str:
    """R^2 of reading a task's instance from the memory, first and last, and the most of any of its numbers; nothing
    where simulators do not tell it."""
    found = entry["instance"] or {"r2": []}
    known = [value for value in found["r2"] if value is not None]
    best = [value for value in found.get("best_r2", []) if value is not None]  # of older runs there is none
    return f"{ends(known)}{f' ({number(max(best))})' if best else ''}"


def attempt_return(entry: Record, place: int) -> str:
    """Mean return of an attempt of an adaptation, with the marks that `mark_notes` explains."""
    value = entry["attempts"][place]
    if value is None:
        return number(None)
    return f"{number(value)}{_UNPAID * (place < entry['warmup_attempts'])}{_CUT * was_cut(entry, place)}"


def was_cut(entry: Record, place: int) -> bool:
    """Whether some trials' `max_steps` left them a part of an attempt, or nothing of it."""
    return bool(entry["cut"][place] > 0 or entry["reached"][place] < 1)


def mark_notes(shown: str) -> list[str]:
    """What the marks mean that there are."""
    return [note for mark, note in _MARKS.items() if mark in shown]


def attempt_ends(entry: Record) -> str:
    """Return of the first paid attempt and of the last that there was."""
    there = [place for place, value in enumerate(entry["attempts"]) if value is not None]
    paid = [place for place in there if place >= entry["warmup_attempts"]] or there
    return " → ".join(attempt_return(entry, place) for place in (*paid[:1], *paid[1:][-1:]))


def regrets(entry: Record) -> str:
    """Regret of the first and the last paid attempt that have one, named where these are not the trial's own."""
    values, first = entry["regret"] or (), entry["warmup_attempts"]
    places = [place for place, value in enumerate(values) if value is not None and place >= first]
    shown = ends([values[place] for place in places])
    if not places or (places[0], places[-1]) == (first, len(values) - 1):
        return shown
    return f"{shown} (attempt {' → '.join(str(place + 1) for place in (*places[:1], *places[1:][-1:]))})"


def ends(values: Sequence[float]) -> str:
    """The first and the last; nothing where there is none."""
    return " → ".join(number(value) for value in (*values[:1], *values[1:][-1:]))


def number(value: float | None, digits: int = 2) -> str:
    """A number with a proper minus sign, or a dash where nothing is known."""
    return "–" if value is None else f"{value:z.{digits}f}".replace("-", "−")


def span(interval: Sequence[float] | None) -> str:
    """An interval, or a dash where nothing is known."""
    return "–" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def listed(names: Sequence[str]) -> str:
    """A, B and C."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _progress(run: RunData) -> Iterator[str]:
    if not run.last:
        yield "The run has written no records yet."
        return
    last, total = run.last, run.settings.get("loop", {}).get("steps")
    done = (
        f"{last['steps']:,} environment steps and {last['updates']:,} updates in {clock(last['seconds'])} of wall-clock"
    )
    if run.finished:
        yield f"{done[0].upper()}{done[1:]}; the run is complete."
    else:
        yield f"So far {done}, of {total:,} steps: the run goes on or was interrupted, and all numbers are preliminary."


def _score(run: RunData) -> Iterator[str]:
    evaluation = run.evaluation
    if evaluation is None:
        yield "It has not been evaluated yet."
        return
    scores = {task: entry["score"] for task, entry in evaluation["tasks"].items() if entry["score"] is not None}
    if not scores:
        yield "No best return is known for these tasks, so there is no normalised score."
        return
    interval = score_interval(evaluation)
    within = f" (95% interval {span(interval)})" if interval else ""
    what = "normalised score" if len(scores) == 1 else f"mean normalised score over {len(scores)} tasks"
    yield (
        f"After {evaluation['steps']:,} steps the {what} is {number(evaluation['score'])}{within}, where 0 is the "
        "random policy (for Procgen the published minimum) and 1 the best known result of one task alone. The interval "
        "is over evaluation trials of this one run; other seeds may differ by more."
    )
    if len(scores) > 1:
        best, worst = max(scores, key=scores.__getitem__), min(scores, key=scores.__getitem__)
        yield f"Highest score: {best} ({number(scores[best])}); lowest: {worst} ({number(scores[worst])})."


def _verdicts(run: RunData) -> Iterator[str]:
    found = {task: what for task, what in verdicts(run).items() if what != "unknown"}
    if not found:
        return
    above = [task for task, what in found.items() if what == "above random"]
    sentence = f"{len(above)} of {len(found)} tasks are above the random policy: their 95% interval excludes its own."
    for what, words in (("not told apart from random", "Not told apart from it"), ("below random", "Below it")):
        names = [task for task, verdict_ in found.items() if verdict_ == what]
        if names:
            sentence += f" {words}: {listed(names)}."
    yield sentence


def _conflict(run: RunData) -> Iterator[str]:
    measured: list[Record] = [record for record in run.conflicts if len(record["tasks"]) > 1]
    if not measured:
        yield "Gradient conflict was not measured: that takes two tasks in an update, and --measure-every above 0."
        return
    rate, effective = mean_of(measured, "conflict_rate"), mean_of(measured, "effective_tasks")
    percent = None if rate is None else 100 * rate
    present = sum(len(record["tasks"]) for record in measured) / len(measured)
    yield (
        f"Over {len(measured)} measured updates {number(percent, 0)}% of the task pairs were in conflict "
        "on average (gradients without any relation would be in half of the cases). "
        f"An update was made up of {number(effective, 1)} effective tasks of {number(present, 0)}; "
        f"the largest task gradient was {number(median_of(measured, 'norm_spread'), 1)} times the least (median)."
    )
    pairs = disagreements(measured, run.tasks)
    if pairs:
        first = pairs[0]
        lead = (
            "The pair most in conflict" if first.cosine < 0 else "No pair is in conflict on average; the least aligned"
        )
        yield (
            f"{lead}: {first.first} and {first.second}, with a mean cosine of {number(first.cosine)}, negative in "
            f"{number(100 * first.negative, 0)}% of {first.measurements} measured updates."
        )
