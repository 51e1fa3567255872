"""The charts of `run.py adapt`: score by attempt, reward by step, and what can be read from the memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mtrl.report.drawing import DASHES, INK, MUTED, Chart, LineStyle, Panel
from mtrl.report.marks import band, end_labels, level
from mtrl.report.records import Record, RunData
from mtrl.report.words import ADAPTED_PARTS, was_cut

_REFERENCES = (
    " Grey: algorithms that know the family and its prior (python -m baselines.references), as far as they were "
    "measured; in a trial of one attempt, 20 steps or more long, their rewards are averaged over neighbouring steps."
)
_CUT = "; hollow: attempts that max_steps cut in some trials or came before, of those that began"
_UNPAID = "; left of the dotted line attempts are not paid"
_TOLD_APART = " Task: share of trials whose task such a map recognises; dashed: chance."


def adaptation_charts(run: RunData, styles: dict[str, LineStyle]) -> list[Chart]:
    """A chart for every suite on which the run's adaptation was measured."""
    return [_chart(suite, found, place, styles) for place, (suite, found) in enumerate(run.adaptation.items())]


def _chart(suite: str, found: Record, place: int, styles: dict[str, LineStyle]) -> Chart:
    parts = [part for part in ADAPTED_PARTS if part in found]
    tasks = list(dict.fromkeys(task for part in parts for task in found[part]["tasks"]))
    panels = []
    for part in parts:
        entries = found[part]["tasks"]
        scored = all(entry["attempt_scores"] for entry in entries.values())
        panels.append(Panel(draw=_attempts(entries, styles, scored=scored), title=f"by attempt, {ADAPTED_PARTS[part]}"))
        panels.append(Panel(draw=_rewards(entries, styles), title=f"by step, {ADAPTED_PARTS[part]}"))
        if any(entry["instance"] for entry in entries.values()):
            panels.append(Panel(draw=_read(entries, styles), title=f"memory, {ADAPTED_PARTS[part]}"))
        if "told_apart" in found[part]:
            recognised = _told_apart(found[part]["told_apart"], len(entries))
            panels.append(Panel(draw=recognised, title=f"task, {ADAPTED_PARTS[part]}"))
    entries = [entry for part in parts for entry in found[part]["tasks"].values()]
    return Chart(
        name="adaptation" if place == 0 else f"adaptation-{place + 1}",
        title=f"Adaptation within a trial: {suite}",
        caption="Score of every attempt (return, where no best return is known) and mean reward of every step of a "
        "trial (0 after its end), of the newest checkpoint that was looked at; bands: 95% intervals over trials"
        f"{_CUT if any(was_cut(one, place) for one in entries for place in range(len(one['cut']))) else ''}"
        f"{_UNPAID if any(one['warmup_attempts'] for one in entries) else ''}. "
        "Memory: R² of a linear map from the memory to the instance (arms' means, a goal), on trials that it was not "
        "fitted to; 1 is all of it, 0 none; thin: of the number that is read best at this step."
        f"{_TOLD_APART if any('told_apart' in found[part] for part in parts) else ''}"
        f"{_REFERENCES if _drawn(found, parts) else ''} Trials a task: {_trials(entries)}.",
        panels=panels,
        legend=tasks,
    )


def _attempts(entries: dict[str, Any], styles: dict[str, LineStyle], *, scored: bool) -> Callable[[Axes], None]:
    def panel(axes: Axes) -> None:
        for task, entry in entries.items():
            xs = list(range(1, len(entry["attempts"]) + 1))
            kind = "attempt_score" if scored else "attempt"
            ys, spans = entry[f"{kind}s"], entry[f"{kind}_intervals"]
            ys = [np.nan if y is None else y for y in ys]
            axes.plot(xs, ys, **{**styles[task].keywords, "marker": "o"})
            cut = [(x, y) for x, y in zip(xs, ys, strict=True) if was_cut(entry, x - 1)]
            if cut:
                axes.plot(*zip(*cut, strict=True), "o", color=styles[task].colour, markerfacecolor="white", zorder=3)
            if len(xs) == 1 and spans[0]:
                axes.plot(xs * 2, spans[0], color=styles[task].colour, linewidth=1.6)
            band(axes, [(x, *span) for x, span in zip(xs, spans, strict=True) if span], styles[task].colour)
        for unpaid in {entry["warmup_attempts"] for entry in entries.values()} - {0}:
            axes.axvline(unpaid + 0.5, color=MUTED, linewidth=0.9, linestyle=":", zorder=1.5)
        levels = {"random": 0.0, "best": 1.0} if scored else {}
        named = _references_of(entries)
        for name, value in levels.items():
            level(axes, value, "" if named else name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if all(len(entry["attempts"]) == 1 for entry in entries.values()):
            axes.set_xlim(0.5, 1.5)
            axes.set_xticks([1])
        if named:
            _references(axes, named, "attempt_scores" if scored else "attempts", levels)
        axes.set(xlabel="attempt", ylabel="score" if scored else "return")

    return panel


def _rewards(entries: dict[str, Any], styles: dict[str, LineStyle]) -> Callable[[Axes], None]:
    def panel(axes: Axes) -> None:
        for task, entry in entries.items():
            axes.plot(range(1, len(entry["rewards"]) + 1), entry["rewards"], linewidth=1.1, **styles[task].keywords)
            spans = enumerate(entry["reward_intervals"], start=1)
            band(axes, [(x, *span) for x, span in spans if span], styles[task].colour)
        axes.set(xlabel="step of the trial", ylabel="reward")
        _references(axes, _references_of(entries), "rewards", {})
        axes.set_xlim(left=0)

    return panel


def _drawn(found: Record, parts: list[str]) -> bool:
    return any(_references_of(found[part]["tasks"]) for part in parts)


def _references_of(entries: dict[str, Any]) -> dict[str, Any]:
    """Of a single task; beside several they would hide what the page is about."""
    return next(iter(entries.values())).get("references", {}) if len(entries) == 1 else {}


def _references(axes: Axes, found: dict[str, Any], what: str, levels: dict[str, float]) -> None:
    """A line for each, named at its end, and the names of levels that are drawn already."""
    ends = []
    for place, (name, played) in enumerate(found.items()):
        ys = _smooth(played[what]) if what == "rewards" and len(played["attempts"]) == 1 else played[what]
        style = LineStyle(colour=MUTED, dashes=DASHES[place % len(DASHES)], width=0.8)
        xs = list(range(1, len(ys) + 1)) if len(ys) > 1 else [0.5, 1.5]  # a line has two points at least
        axes.plot(xs, ys if len(ys) > 1 else ys * 2, linewidth=style.width, zorder=1.5, **style.keywords)
        ends.append((xs[-1], ys[-1], name, style))
    axes.set_xlim(right=axes.get_xlim()[1])  # of all lines: from here on the names count on it
    right = axes.get_xlim()[1]
    ends += [(right, value, name, LineStyle(colour=MUTED, dashes=())) for name, value in levels.items()]
    end_labels(axes, ends, height=1.9, size=7.0)


def _smooth(values: list[float]) -> list[float]:
    """Means over a tenth of all steps around each."""
    half = len(values) // 20
    return [float(np.mean(values[max(0, i - half) : i + half + 1])) for i in range(len(values))]


def _read(entries: dict[str, Any], styles: dict[str, LineStyle]) -> Callable[[Axes], None]:
    def panel(axes: Axes) -> None:
        for task, entry in entries.items():
            found = entry["instance"] or {"time": [], "r2": []}
            for values, width in ((found["r2"], 1.3), (found.get("best_r2", []), 0.7)):
                known = [(t + 1, value) for t, value in zip(found["time"], values, strict=False) if value is not None]
                if known:
                    axes.plot(*zip(*known, strict=True), linewidth=width, **styles[task].keywords)
        axes.set(xlabel="step of the trial", ylabel="R²")
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlim(left=0)

    return panel


def _told_apart(found: dict[str, Any], tasks: int) -> Callable[[Axes], None]:
    def panel(axes: Axes) -> None:
        known = [(t + 1, share) for t, share in zip(found["time"], found["accuracy"], strict=True) if share is not None]
        if known:
            axes.plot(*zip(*known, strict=True), linewidth=1.3, color=INK)
        level(axes, 1 / tasks, "")
        axes.set(xlabel="step of the trial", ylabel="tasks recognised")
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlim(left=0)

    return panel


def _trials(entries: list[dict[str, Any]]) -> str:
    counts = sorted({entry["trials"] for entry in entries})
    return f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
