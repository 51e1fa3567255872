"""Conflict angle against score: the picture of a finished study on `clash`, with what is provable drawn beside it.

    python run.py compare docs/results/clash.yaml --out docs/results/clash
    python -m benchmarks.clash docs/results/clash --out docs/pictures/clash.png

A task-blind policy earns at most 1 - angle / 180 on average over two tasks that are so far apart, whatever combines its
gradients; one that knows its task can earn 1. Points: means over seeds with 95% t-intervals.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

Scores = dict[str, dict[float, list[float]]]
"""Method -> angle -> score of every seed, mean over its two tasks."""
Panels = dict[str, list[str]]
"""Title -> methods."""


def panels_of(folder: Path) -> Panels:
    """The study's methods: those that know no task, and those that do, by what combines their gradients."""
    found: Panels = {}
    for method in json.loads((folder / "study.json").read_text())["methods"]:
        settings = method["settings"]
        if any(place.startswith(("sharing.", "experts.")) for place in settings):
            title = f"knows its task; strategy {settings['conflict.strategy']}"
        else:
            title = "task-blind"
        found.setdefault(title, []).append(method["name"])
    return found


def read(folder: Path) -> Scores:
    """The scores of a study's folder, methods in the study's order."""
    methods = json.loads((folder / "study.json").read_text())["methods"]
    found: Scores = {method["name"]: {} for method in methods}
    for line in (folder / "results.jsonl").read_text().splitlines():
        record = json.loads(line)
        angle = re.fullmatch(r"mix-angle-(\d+)", record["condition"])
        if angle is not None and record["status"] == "done":
            by_angle = found[record["method"]]
            by_angle.setdefault(float(angle[1]), []).append(record["evaluation"]["score"])
    return {method: by_angle for method, by_angle in found.items() if by_angle}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half of its 95% t-interval (NaN for a single value)."""
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(np.mean(values)), float(half)


def table(scores: Mapping[str, Mapping[float, Sequence[float]]]) -> str:
    """Markdown, a row a method."""
    angles = sorted({angle for by_angle in scores.values() for angle in by_angle})
    lines = ["| method | " + " | ".join(f"{angle:g}°" for angle in angles) + " |", "|---|" + "---|" * len(angles)]
    for method, by_angle in scores.items():
        cells = []
        for angle in angles:
            mean, half = interval(by_angle[angle]) if angle in by_angle else (float("nan"),) * 2
            cells.append(f"{mean:.2f} ± {half:.2f}" if np.isfinite(mean) else "–")
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    bound = " | ".join(f"{1 - angle / 180:.2f}" for angle in angles)
    return "\n".join([*lines, f"| *bound of the task-blind* | {bound} |"])


def draw(scores: Mapping[str, Mapping[float, Sequence[float]]], panels: Panels, out: Path) -> None:
    """One panel beside the other, on one scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 5.4), sharey=True, squeeze=False)
    for axes, (title, names) in zip(grid[0], panels.items(), strict=True):
        methods = [name for name in names if name in scores]
        axes.plot([0, 180], [1, 0], color="0.6", linestyle="--", label="bound of the task-blind")
        axes.axhline(1.0, color="0.85", linewidth=1)
        for place, method in enumerate(methods):
            angles = sorted(scores[method])
            means, halves = zip(*(interval(scores[method][angle]) for angle in angles), strict=True)
            shifted = [angle + 1.2 * (place - len(methods) / 2) for angle in angles]
            axes.errorbar(
                *(shifted, means, halves),
                color=f"C{place % 10}",
                marker="o",
                markersize=3.5,
                linewidth=1.2,
                label=method,
            )
        axes.set(title=title, xlabel="angle between the tasks (degrees)", xticks=[0, 45, 90, 135, 180])
        axes.set_ylim(-0.05, 1.08)
        axes.legend(fontsize=7.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncol=2)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel("score (0: random, 1: optimum)")
    figure.tight_layout()
    figure.savefig(out, dpi=140)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, help="the picture")
    given = parser.parse_args(argv)
    scores = read(given.study)
    print(table(scores))
    if given.out is not None:
        draw(scores, panels_of(given.study), given.out)


if __name__ == "__main__":
    main()
