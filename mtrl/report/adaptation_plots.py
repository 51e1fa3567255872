"""The charts of `run.py adapt`: score by attempt, reward by step, and what can be read from the memory."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mtrl.report.drawing import Chart, LineStyle, Panel
from mtrl.report.marks import band, level
from mtrl.report.records import Record, RunData
from mtrl.report.words import ADAPTED_PARTS

_SHORT = {"trained": "seen instances", "tested": "unseen instances", "held_out": "tasks held out"}


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
        panels.append(Panel(draw=_attempts(entries, styles, scored=scored), title=f"by attempt, {_SHORT[part]}"))
        panels.append(Panel(draw=_rewards(entries, styles), title=f"by step, {_SHORT[part]}"))
        if any(entry["instance"] for entry in entries.values()):
            panels.append(Panel(draw=_read(entries, styles), title=f"read from memory, {_SHORT[part]}"))
    gaps = "; ".join(f"{between.replace('_', ' ')} {gap:+.2f}" for between, gap in found["gaps"].items())
    return Chart(
        name="adaptation" if place == 0 else f"adaptation-{place + 1}",
        title=f"Adaptation within a trial: {suite}",
        caption="Score of every attempt (return, where no best return is known) and mean reward of every step of a "
        "trial, of the newest checkpoint that was looked at; bands: 95% intervals over trials. Read from memory: R² of "
        "a linear map from the memory to the instance (arms' means, a goal), on trials that it was not fitted to; 1 is "
        f"all of it, 0 none.{f' Differences of mean scores: {gaps}.' if gaps else ''}",
        panels=panels,
        legend=tasks,
    )


def _attempts(entries: dict[str, Any], styles: dict[str, LineStyle], *, scored: bool) -> Callable[[Axes], None]:
    def panel(axes: Axes) -> None:
        for task, entry in entries.items():
            xs = list(range(1, len(entry["attempts"]) + 1))
            ys, spans = entry["attempts"], entry["attempt_intervals"]
            if scored:  # a score is linear in the return
                ys, spans = entry["attempt_scores"], _as_scores(entry)
            axes.plot(xs, ys, **{**styles[task].keywords, "marker": "o"})
            band(axes, [(x, *span) for x, span in zip(xs, spans, strict=True)], styles[task].colour)
        if scored:
            level(axes, 0.0, "random")
            level(axes, 1.0, "best")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="attempt", ylabel="score" if scored else "return")

    return panel


def _as_scores(entry: dict[str, Any]) -> list[list[float]]:
    returns, scores, spans = entry["attempts"], entry["attempt_scores"], entry["attempt_intervals"]
    # Regret is best - return, score (return - zero) / (best - zero): their unit is regret / (1 - score).
    units = [gap / (1 - score) for gap, score in zip(entry["regret"], scores, strict=True) if abs(1 - score) > 1e-9]
    unit = units[0] if units else 1.0
    return [
        [score + (end - mean) / unit for end in span] for mean, score, span in zip(returns, scores, spans, strict=True)
    ]


def _rewards(entries: dict[str, Any], styles: dict[str, LineStyle]) -> Callable[[Axes], None]:
    def panel(axes: Axes) -> None:
        for task, entry in entries.items():
            axes.plot(range(1, len(entry["rewards"]) + 1), entry["rewards"], linewidth=1.1, **styles[task].keywords)
        axes.set(xlabel="step of the trial", ylabel="reward")
        axes.set_xlim(left=0)

    return panel


def _read(entries: dict[str, Any], styles: dict[str, LineStyle]) -> Callable[[Axes], None]:
    def panel(axes: Axes) -> None:
        for task, entry in entries.items():
            known = [
                (time + 1, value)
                for time, value in zip(*(entry["instance"] or {"time": [], "r2": []}).values(), strict=True)
                if value is not None
            ]
            if known:
                axes.plot(*zip(*known, strict=True), linewidth=1.3, **styles[task].keywords)
        axes.set(xlabel="step of the trial", ylabel="R²")
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlim(left=0)

    return panel
