"""What is shown of an adaptation: means and intervals of what was played, and marks where an attempt is not whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from mtrl.report.adaptation_plots import adaptation_charts
from mtrl.report.adaptation_table import adaptation_tables
from mtrl.report.drawing import line_styles, save_picture
from mtrl.report.records import RunData
from mtrl.report.tables import show_adaptation
from mtrl.training.adapt import adapt
from mtrl.training.adaptation import Trials, adapted
from mtrl.training.build import build_agent, build_rescaling
from tasks.registry import load_suite
from tasks.scores import load_known
from tests.mtrl.builders import small_run


def trials_of(rewards: Any, attempts: Any, **given: Any) -> Trials:
    count = len(rewards)
    return Trials(
        **{
            "returns": np.nansum(rewards, axis=1),
            "attempts": np.array(attempts, np.float64),
            "rewards": np.array(rewards, np.float64),
            "cut": np.full(count, -1),
            "features": np.zeros((count, 2, 3), np.float32),
            "instances": None,
            "lengths": np.isfinite(rewards).sum(axis=1),
            **given,
        }
    )


def test_a_steps_reward_and_its_interval_are_over_all_trials() -> None:
    """A trial that has ended pays nothing: that some have is part of what the mean varies by."""
    rewards = [[1.0, 2.0], [1.0, np.nan], [1.0, np.nan], [1.0, 2.0]]
    entry = adapted(load_suite("dark-room").tasks[0], trials_of(rewards, np.ones((4, 5))))
    assert entry["rewards"] == [1.0, 1.0] and entry["alive"] == [1.0, 0.5]
    half = float(stats.t.ppf(0.975, 3)) * np.std([2.0, 0.0, 0.0, 2.0], ddof=1) / 2
    assert entry["reward_intervals"] == [[1.0, 1.0], pytest.approx([1.0 - half, 1.0 + half])]


NAN = float("nan")
ATTEMPTS = [[1.0, 2.0, 3.0, 4.0, 5.0]] * 4


@pytest.mark.parametrize(
    ("attempts", "cut", "warmup", "ends", "regret", "hollow"),
    [
        (ATTEMPTS, -1, 0, "1.00 → 5.00", (1, 5, ""), []),
        (ATTEMPTS, 4, 0, "1.00 → 5.00†", (1, 4, " (attempt 1 → 4)"), [5]),
        ([*ATTEMPTS[:3], [1.0, 2.0, 3.0, 4.0, NAN]], -1, 0, "1.00 → 5.00†", (1, 4, " (attempt 1 → 4)"), [5]),
        ([[*row[:3], NAN, NAN] for row in ATTEMPTS], 2, 0, "1.00 → 3.00†", (1, 2, " (attempt 1 → 2)"), [3, 4, 5]),
        (ATTEMPTS, -1, 2, "3.00 → 5.00", (3, 5, ""), []),
        (ATTEMPTS, 4, 3, "4.00 → 5.00†", (4, 4, " (attempt 4)"), [5]),
    ],
)
def test_attempts_are_marked_that_are_not_paid_or_not_whole(
    attempts: Any, cut: int, warmup: int, ends: str, regret: Any, hollow: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Regret and the ends are of what is paid, and regret of whole attempts of all trials."""
    task = replace(load_suite("dark-room").tasks[0], warmup_attempts=warmup, attempts=5 - warmup)
    entry = adapted(task, trials_of(np.ones((4, 2)), attempts, cut=np.array([cut, cut, -1, cut])))
    found = {"tested": {"tasks": {"dark": entry}}, "gaps": {}, "greedy": False}
    run = RunData(name="", settings={}, tasks=["dark"], adaptation={"dark-room": found})
    known = load_known("room:dark")
    assert known is not None
    first, last, named = regret
    sentence = " → ".join(f"{known - value:.2f}" for value in dict.fromkeys((first, last))) + named
    table = adaptation_tables(run)
    assert f"<td>{ends}</td><td>{sentence}</td>" in table
    show_adaptation(found)
    shown = capsys.readouterr().out
    assert sentence in shown and f"{ends.split()[-1]} ±0.00" in shown
    assert ("°: not paid" in shown) == ("1.00°" in shown) == bool(warmup) and "not paid" not in table
    (chart,) = adaptation_charts(run, line_styles(["dark"]))
    for text in (table, shown):
        assert ("†: max_steps cut the attempt" in text) == bool(hollow)
    assert ("hollow: attempts that max_steps cut" in chart.caption) == bool(hollow)
    assert ("left of the dotted line attempts are not paid" in chart.caption) == bool(warmup)
    axes = Figure().add_subplot()
    chart.panels[0].draw(axes)
    assert len(axes.collections) == 1  # the band
    points = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in points] == ([hollow] if hollow else [])
    assert [line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == ":"] == (
        [warmup + 0.5] if warmup else []
    )


def test_the_picture_has_room_for_a_reference_that_took_more_steps(tmp_path: Path) -> None:
    suite = load_suite("dark-key-door")
    config = small_run(suite.name)
    agent = build_agent(config, suite, build_rescaling(config, suite)).eval()
    entry = adapt(agent, suite, suite, trials=4)["tested"]["tasks"]["key-door"]
    longest = max(len(found["rewards"]) for found in entry["references"].values())
    quick = {**entry, **{key: entry[key][:60] for key in ("rewards", "reward_intervals", "alive")}}
    styles = line_styles(["key-door"])
    (chart,) = adaptation_charts(
        RunData(
            name="",
            settings={},
            tasks=["key-door"],
            adaptation={"x": {"tested": {"tasks": {"key-door": quick}}, "gaps": {}}},
        ),
        styles,
    )
    axes = Figure().add_subplot()
    chart.panels[1].draw(axes)
    assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] >= longest > 60
    save_picture(chart, [tmp_path / "x.png"], styles)  # a warning is an error
