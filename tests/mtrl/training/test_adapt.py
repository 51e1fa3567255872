"""Adaptation counts what evaluation counts, attempt by attempt and step by step."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from mtrl.agent.agent import Agent
from mtrl.report.adaptation_plots import adaptation_charts
from mtrl.report.drawing import inline_svg, line_styles, save_picture
from mtrl.report.records import RunData
from mtrl.training.adapt import _with_attempts, adapt
from mtrl.training.build import build_agent, build_rescaling
from mtrl.training.evaluate import evaluate
from tasks.registry import load_suite
from tasks.scores import load_reference
from tasks.suite import Suite
from tests.mtrl.builders import small_run


def untrained(suite: Suite) -> Agent:
    config = small_run(suite.name)
    return build_agent(config, suite, build_rescaling(config, suite)).eval()


@pytest.mark.parametrize("name", ["meta-mix", "dark-room-shift", "point-robot-shift", "clash"])
def test_it_is_evaluation_step_by_step(name: str) -> None:
    suite = load_suite(name)
    agent = untrained(suite)
    expected = evaluate(agent, suite, trials=6, seed=3, greedy=False)
    found = adapt(agent, suite, suite, trials=6, seed=3)
    parts: list[tuple[Any, Any]] = [(found["tested"], expected)]
    if suite.held_out:
        parts.append((found["held_out"], expected["held_out"]))
    else:
        assert "held_out" not in found
    for part, other in parts:
        assert set(part["tasks"]) == set(other["tasks"])
        for task, entry in part["tasks"].items():
            for key in ("return", "interval", "attempts", "trials"):
                assert entry[key] == pytest.approx(other["tasks"][task][key], rel=1e-5, abs=1e-5)
            paid = np.multiply(entry["rewards"], entry["alive"]).sum()
            assert paid == pytest.approx(sum(entry["attempts"]), rel=1e-4, abs=1e-4)
            assert entry["alive"][0] == 1.0 and all(np.diff(entry["alive"]) <= 0)
            if other["tasks"][task]["score"] is not None:
                assert np.mean(entry["attempt_scores"]) == pytest.approx(other["tasks"][task]["score"], abs=1e-4)
                assert len(entry["regret"]) == len(entry["attempts"])


def test_what_the_task_is_can_be_read_where_the_observation_tells_it() -> None:
    suite = load_suite("tmaze")
    found = adapt(untrained(suite), suite, suite, trials=40)["tested"]
    for entry in found["tasks"].values():
        first, *_ = entry["instance"]["r2"]
        assert first > 0.9  # the sign is seen in the first step
    hidden = load_suite("dark-room")
    entry = adapt(untrained(hidden), hidden, hidden, trials=40)["tested"]["tasks"]["dark"]
    assert entry["instance"]["r2"][0] < 0.05  # nothing has been seen yet
    mixed = load_suite("meta-mix")
    told = adapt(untrained(mixed), mixed, mixed, trials=30)["tested"]["told_apart"]
    assert told["accuracy"][-1] > 0.7


def test_another_suite_is_played_in_the_agents_spaces() -> None:
    trained = load_suite("meta-mix")
    agent = untrained(trained)
    found = adapt(agent, trained, _with_attempts(load_suite("dark-room"), 3), trials=5)
    (entry,) = found["tested"]["tasks"].values()
    assert len(entry["attempts"]) == 3 and len(entry["rewards"]) == 60
    with pytest.raises(ValueError, match=r"agent of the suite 'meta-mix' cannot play 'popgym:.*it has 64 actions"):
        adapt(agent, trained, replace(load_suite("popgym:BattleshipEasy"), invalid_actions="mask"), trials=5)
    with pytest.raises(ValueError, match=r"its actions are continuous, the agent's discrete"):
        adapt(agent, trained, load_suite("point-robot"), trials=5)
    with pytest.raises(ValueError, match="at least 2 trials"):
        adapt(agent, trained, trained, trials=1)


def test_instances_for_training_have_a_part_of_their_own_where_a_suite_parts_them() -> None:
    suite = load_suite("tabular-mdp")
    parted = replace(
        suite, name="parted", tasks=tuple(replace(t, seeds=(0, 2), test_seeds=(10, 10_000)) for t in suite.tasks)
    )
    agent = untrained(suite)
    found = adapt(agent, suite, parted, trials=30)
    assert set(found) == {"trained", "tested", "gaps"} and set(found["gaps"]) == {"trained to tested"}
    whole = load_suite("clash")
    assert "trained" not in adapt(untrained(whole), whole, whole, trials=5)


def test_references_stand_beside_the_agent() -> None:
    suite = load_suite("dark-room")
    entry = adapt(untrained(suite), suite, suite, trials=4)["tested"]["tasks"]["dark"]
    found = entry["references"]["nearest-first"]
    assert len(found["attempts"]) == len(found["attempt_scores"]) == len(entry["attempts"])
    assert len(found["rewards"]) == len(entry["rewards"])
    best = load_reference("room:dark").best  # type: ignore[union-attr]
    assert found["attempt_scores"][-1] == pytest.approx(found["attempts"][-1] / best, abs=0.02)
    for other in (
        _with_attempts(suite, 1),
        replace(suite, tasks=(replace(suite.tasks[0], instance="fresh"),)),
        replace(suite, tasks=(replace(suite.tasks[0], max_steps=50),)),
    ):
        assert adapt(untrained(suite), suite, other, trials=2)["tested"]["tasks"]["dark"]["references"] == {}
    charts = adaptation_charts(
        RunData(
            name="",
            settings={},
            tasks=["dark"],
            adaptation={"dark-room": {"tested": {"tasks": {"dark": entry}}, "gaps": {}}},
        ),
        line_styles(["dark"]),
    )
    assert "Grey: algorithms" in charts[0].caption
    for panel in charts[0].panels[:2]:
        assert {"nearest-first", "posterior-sampling"} <= set(re.findall(r">([a-z-]+)</text>", inline_svg(panel, "x")))


def test_the_picture_has_room_for_a_reference_that_took_more_steps(tmp_path: Path) -> None:
    suite = load_suite("dark-key-door")
    entry = adapt(untrained(suite), suite, suite, trials=4)["tested"]["tasks"]["key-door"]
    longest = max(len(found["rewards"]) for found in entry["references"].values())
    quick = {**entry, "rewards": entry["rewards"][:60], "alive": entry["alive"][:60]}
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
