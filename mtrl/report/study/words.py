"""Numbers of a study in words: how much of the grid is there, whether the means were equal, differences with signs."""

import math
from collections.abc import Mapping, Sequence

from mtrl.report.study.folder import Study
from mtrl.report.study.results import ConditionResult
from mtrl.report.words import listed, number, span
from mtrl.study.statistics.estimate import Estimate


def progress(study: Study) -> str:
    """How much of the grid is there."""
    cells, done, failed, missing = len(study.keys), *(study.count(state) for state in ("done", "failed", "missing"))
    if not done and not failed:
        return f"Nothing has been finished yet: all {cells} cells are missing."
    if done == cells:
        return f"All {cells} cells are done."
    said = [f"{done} of {cells} cells are done"]
    said += [f"{failed} failed"] if failed else []
    said += [f"{missing} {'has' if missing == 1 else 'have'} not run"] if missing else []
    sentence = f"{listed(said)}." + (" All numbers are preliminary." if missing else "")
    if failed:
        sentence += " A method's numbers are those of the seeds that it finished, which flatters one that fails."
    return sentence


def strays(study: Study) -> str:
    """Results that are not shown, if there are any."""
    if not study.strays:
        return ""
    named = [f"{method} ({condition}, seed {seed})" for condition, method, seed in study.strays]
    return (
        f"{len(named)} {'results are' if len(named) > 1 else 'result is'} of cells that the study no longer asks for, "
        f"and not shown: {listed(named)}."
    )


def corrections(study: Study) -> str:
    """Over what verdicts are corrected, and over what they are not."""
    said = (
        "Holm's correction holds for each family of verdicts by itself: methods against the baseline, their tasks "
        "against the baseline's, transfer."
    )
    if len(study.conditions) < 2:
        return said
    return (
        f"{said} It also holds for each condition by itself, so that over {len(study.conditions)} conditions that many "
        "times as many chance findings are to be expected; what is said along an axis is corrected over all of it."
    )


def fairness(results: Sequence[ConditionResult]) -> list[str]:
    """Whether the methods had the same means, as the results record them."""
    told = []
    done = [entry for result in results for entry in result.methods.values() if entry.done]
    for what, values in (
        ("updates", [(count, entry.method) for entry in done for count in entry.updates]),
        ("parameters", [(count, entry.method) for entry in done for count in entry.parameters]),
    ):
        if len({count for count, _ in values}) > 1:
            (low, least), (high, most) = min(values), max(values)
            told.append(f"The number of {what} differs: from {low:,} ({least}) to {high:,} ({most}).")
        elif values and len({method for _, method in values}) > 1:
            told.append(f"All have {values[0][0]:,} {what}.")
    return told


def fewer_seeds(counts: Mapping[tuple[str, str], int], every: int) -> str:
    """Which methods' numbers rest on fewer seeds than the study has, with a space before; empty: none.

    Args:
        counts: by method and task.
        every: how many seeds the study has.
    """
    few: dict[str, set[int]] = {}
    for (method, _), count in counts.items():
        if count < every:
            few.setdefault(method, set()).add(count)
    named = [f"{method} {' or '.join(map(str, sorted(found)))}" for method, found in few.items()]
    return (
        f" Seeds in common, where they are fewer than {every}: {listed(named)}; failed runs are left out."
        if few
        else ""
    )


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, or a dash where nothing is known."""
    if not math.isfinite(value):
        return "–"
    shown = number(value, digits)
    return shown if shown.startswith("−") or float(shown) == 0 else f"+{shown}"


def with_interval(shown: Estimate) -> str:
    """A number and its interval, if it has one."""
    within = f" (95% interval {span((shown.low, shown.high))})" if shown.known else ""
    return f"{number(shown.value)}{within}"


def change(shown: Estimate, more: str = "") -> str:
    """A difference and its interval, with signs."""
    return f"{signed(shown.value)} (95% interval {signed(shown.low)} to {signed(shown.high)}{more})"
