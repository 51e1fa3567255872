"""Curves of several seeds of one setting, scaled to what they reach (a run's own report is scaled to the best known).

    python -m benchmarks.curves runs/a-s0 runs/a-s1 runs/a-s2 --out curves.png

Evaluated raw return of each task: a thin line a seed, their mean, and the 95% t-interval over seeds as a band; the
random policy as it is filed for the task, or as given (`--random dodgeball=1.36 starpilot=3.15`, for a protocol or look
of its own).
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mtrl.report.records import RunData, load_run


def draw(runs: Sequence[RunData], random: Mapping[str, float], out: Path) -> None:
    """One panel a task."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    tasks = runs[0].tasks
    figure, panels = plt.subplots(1, len(tasks), figsize=(4.6 * len(tasks), 3.2), squeeze=False)
    for axes, task in zip(panels[0], tasks, strict=True):
        steps, values = curves(runs, task)
        mean = values.mean(axis=0)
        for row in values:
            axes.plot(steps, row, color="#0072b2", linewidth=0.7, alpha=0.5)
        if len(values) > 1:
            half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values, axis=0)
            axes.fill_between(steps, mean - half, mean + half, color="#0072b2", alpha=0.15, linewidth=0)
        axes.plot(steps, mean, color="#0072b2", linewidth=2, marker="o", markersize=3)
        reference = runs[0].references.get(task)
        level = random.get(task, None if reference is None else reference.random)
        if level is not None:
            axes.axhline(level, color="0.5", linestyle="--", linewidth=1)
            axes.annotate(
                "random", (1, level), xycoords=("axes fraction", "data"), va="bottom", ha="right", color="0.4"
            )
        axes.set(title=task, xlabel="environment steps, all tasks", ylabel="raw return per trial")
        axes.ticklabel_format(axis="x", style="sci", scilimits=(3, 3), useMathText=True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(out, dpi=140)


def curves(runs: Sequence[RunData], task: str) -> tuple[list[int], NDArray[np.float64]]:
    """Steps, and the evaluated return [run, evaluation], as far as all runs are."""
    count = min(len(run.evaluations) for run in runs)
    steps = [record["steps"] for record in runs[0].evaluations[:count]]
    return steps, np.array([[r["tasks"][task]["return"] for r in run.evaluations[:count]] for run in runs])


def main(argv: Sequence[str] | None = None) -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--random", nargs="*", default=[], metavar="TASK=RETURN")
    given = parser.parse_args(argv)
    random = {name: float(value) for name, _, value in (word.partition("=") for word in given.random)}
    draw([load_run(run) for run in given.runs], random, given.out)


if __name__ == "__main__":
    main()
