"""Adaptation counts what evaluation counts, attempt by attempt and step by step."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtrl.agent.agent import Agent
from mtrl.report.adaptation_plots import adaptation_charts
from mtrl.report.drawing import inline_svg, line_styles
from mtrl.report.records import RunData
from mtrl.training import adapt as adapting
from mtrl.training.adapt import _with_attempts, adapt
from mtrl.training.adaptation import Trials, adapted, is_probed
from mtrl.training.build import build_agent, build_rescaling
from mtrl.training.evaluate import evaluate
from mtrl.training.play import places_in_training
from tasks.registry import load_suite
from tasks.scores import load_known, load_reference
from tasks.suite import Suite
from tests.mtrl.builders import small_run


def untrained(suite: Suite) -> Agent:
    config = small_run(suite.name)
    return build_agent(config, suite, build_rescaling(config, suite)).eval()


@pytest.mark.parametrize(
    "name",
    ["meta-mix", "bandits-shift", "dark-room-shift", "point-robot-shift", "tmaze-shift", "tabular-mdp-shift", "clash"],
)
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
            assert sum(entry["rewards"]) == pytest.approx(sum(entry["attempts"]), rel=1e-4, abs=1e-4)
            assert entry["alive"][0] == 1.0 and all(np.diff(entry["alive"]) <= 0)
            if other["tasks"][task]["score"] is not None:
                assert np.mean(entry["attempt_scores"]) == pytest.approx(other["tasks"][task]["score"], abs=1e-4)
                assert entry["score"] == pytest.approx(other["tasks"][task]["score"], abs=1e-4)


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
    (trained,), (tested,) = (found[part]["tasks"].values() for part in ("trained", "tested"))
    gap = found["gaps"]["trained to tested"]
    assert gap["score"] == pytest.approx(tested["score"] - trained["score"])
    halves = [np.diff(entry["score_interval"])[0] / 2 for entry in (trained, tested)]
    assert np.diff(gap["interval"])[0] / 2 == pytest.approx(np.hypot(*halves))
    whole = load_suite("clash")
    assert "trained" not in adapt(untrained(whole), whole, whole, trials=5)


def test_only_tasks_that_training_had_are_played_on_its_seeds() -> None:
    trained, other = load_suite("meta-mix"), load_suite("dark-key-door")
    trained = trained.subset(["dark", *(name for name in trained.task_names if name != "dark")])
    agent = untrained(trained)
    assert "trained" not in adapt(agent, trained, other, trials=3)
    (dark,) = load_suite("dark-room").tasks
    mixed = replace(other, tasks=(*other.tasks, replace(dark, seeds=(70, 80), test_seeds=(90, 99))))
    found = adapt(agent, trained, mixed, trials=3)
    assert list(found["trained"]["tasks"]) == ["dark"] and list(found["tested"]["tasks"]) == ["key-door", "dark"]
    (own,) = adapt(agent, trained, replace(mixed, tasks=trained.tasks[:1]), trials=3)["trained"]["tasks"].values()
    assert found["trained"]["tasks"]["dark"] == own  # on training's seeds, whatever those of the suite are
    gap = found["gaps"]["trained to tested"]["score"]
    assert gap == pytest.approx(found["tested"]["tasks"]["dark"]["score"] - own["score"])


def test_instances_that_change_between_attempts_are_not_asked_of_the_memory() -> None:
    suite = load_suite("dark-room")
    fresh = replace(suite, tasks=(replace(suite.tasks[0], instance="fresh"),))
    agent = untrained(suite)
    for played, told in ((suite, True), (fresh, False), (_with_attempts(fresh, 1), True)):
        (entry,) = adapt(agent, suite, played, trials=30)["tested"]["tasks"].values()
        assert (entry["instance"] is not None) == told


def test_references_stand_beside_the_agent() -> None:
    suite = load_suite("dark-room")
    entry = adapt(untrained(suite), suite, suite, trials=4)["tested"]["tasks"]["dark"]
    found = entry["references"]["nearest-first"]
    assert len(found["attempts"]) == len(found["attempt_scores"]) == len(entry["attempts"])
    assert len(found["rewards"]) == len(entry["rewards"])
    best = load_reference("room:dark").best  # type: ignore[union-attr]
    assert found["attempt_scores"][-1] == pytest.approx(found["attempts"][-1] / best, abs=0.02)
    assert entry["regret_against"] == "instance known"
    assert entry["regret"] == pytest.approx([best - value for value in entry["attempts"]], abs=1e-3)
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


def test_a_best_that_is_of_one_attempt_is_no_measure_of_ten() -> None:
    suite = load_suite("bandit:bernoulli-5x10")
    agent = untrained(suite)
    (one,) = adapt(agent, suite, suite, trials=4)["tested"]["tasks"].values()
    (ten,) = adapt(agent, suite, _with_attempts(suite, 10), trials=4)["tested"]["tasks"].values()
    assert one["score"] is not None and one["attempt_scores"] == [one["score"]]
    assert ten["score"] is ten["attempt_scores"] is None
    # Who knows the best arm cannot be beaten, however many attempts there were to find it.
    assert load_known("bandit:bernoulli-5x10") == pytest.approx(10 * 5 / 6, abs=0.02)
    assert np.mean(ten["regret"]) > 1.0 and ten["regret_against"] == "instance known"


def test_attempts_that_a_horizon_left_no_step_for_are_told_from_failures() -> None:
    suite = load_suite("dark-room")
    (task,) = suite.tasks
    short = replace(suite, tasks=(replace(task, attempts=4, max_steps=50, at_max_steps="terminate"),))
    (entry,) = adapt(untrained(suite), suite, short, trials=6)["tested"]["tasks"].values()
    assert entry["reached"] == [1.0, 1.0, 1.0, 0.0]
    assert entry["attempts"][3] is entry["attempt_intervals"][3] is entry["regret"][3] is None
    # The third attempt was cut after half of its steps: what it falls short of is of whole ones, as every best is.
    assert entry["cut"] == [0.0, 0.0, 1.0, 0.0] and entry["regret"][2] is None and entry["regret"][1] is not None
    assert entry["score"] is entry["attempt_scores"] is entry["attempt_score_intervals"] is None
    assert sum(entry["attempts"][:3]) == pytest.approx(entry["return"])
    (evaluated,) = evaluate(untrained(suite), short, trials=6, seed=0, greedy=False)["tasks"].values()
    assert evaluated["attempts"][:3] == pytest.approx(entry["attempts"][:3]) and evaluated["attempts"][3] is None


def test_what_memories_gave_is_kept_for_few_steps_of_long_trials() -> None:
    assert [time for time in range(40) if is_probed(time)] == [*range(16), *range(16, 32, 2), *range(32, 40, 4)]
    assert sum(map(is_probed, range(10_000))) < 100
    generator = np.random.default_rng(0)
    kept = np.array([time for time in range(300) if is_probed(time)])
    hidden = generator.normal(size=(60, 300, 3)).astype(np.float32)
    lengths = np.where(np.arange(60) < 40, 300, 90)
    trials = Trials(
        returns=np.zeros(60),
        attempts=np.zeros((60, 1)),
        rewards=np.zeros((60, 300)),
        cut=np.full(60, -1),
        features=hidden[:, kept],
        instances=np.c_[hidden[:, 256, :1], generator.normal(size=(60, 1))].astype(np.float64),
        lengths=lengths,
    )
    for time in (0, 15, 18, 88, 256):
        assert np.array_equal(trials.remembered(time), hidden[lengths > time, time])
    entry = adapted(load_suite("bandit:bernoulli-5x100").tasks[0], trials)["instance"]
    found = dict(zip(entry["time"], entry["r2"], strict=True))
    assert set(found) <= set(kept) and len(found) > 15 and max(found) == kept[-1]
    assert found[256] < 0.7 and found[0] < 0.5
    best = dict(zip(entry["time"], entry["best_r2"], strict=True))
    assert best[256] > 0.9 and best[0] < 0.5  # one of two numbers is there to be read, at one step


def test_beyond_a_bound_no_further_memories_are_kept_and_every_trial_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite("dark-room")
    agent, kept = untrained(suite), []
    monkeypatch.setattr(adapting, "adapted", lambda task, played: kept.append(played) or adapted(task, played))
    found = []
    for most in (adapting._PROBED_NUMBERS, 3_000):
        monkeypatch.setattr(adapting, "_PROBED_NUMBERS", most)
        found.append(adapt(agent, suite, suite, trials=600)["tested"]["tasks"]["dark"])
    all_, some = kept[1::2]  # the part of the tested
    assert len(all_.features) == 600 and len(some.features) == len(some.lengths) == len(some.instances) == 256
    for key in ("return", "attempts", "rewards", "trials"):
        assert found[0][key] == found[1][key]
    assert some.rewards.shape == all_.rewards.shape == (600, 100)


@pytest.mark.parametrize("name", ["meta-mix", "dark-room-shift"])
def test_rewards_are_on_the_scale_of_training(name: str) -> None:
    plain = load_suite(name)
    trained = plain.with_values("reward_scale", dict.fromkeys(plain.task_names, 1000.0))
    scales: list[list[float]] = []

    class Seen(Agent):
        def remember(self, observation: Any, *rest: Any) -> Any:
            scales[-1].append(float(observation["previous_reward"].abs().max()))
            return super().remember(observation, *rest)

    agent = untrained(trained)
    agent.__class__ = Seen
    found = []
    for suite in (trained, plain):  # the run's own, and the same as its name alone gives it
        scales.append([])
        found.append(adapt(agent, trained, suite, trials=3))
    assert scales[0] == scales[1] and max(scales[0]) >= 1000.0
    assert found[0] == found[1]


def test_a_horizon_stays_whatever_the_attempts() -> None:
    suite = load_suite("dark-room")
    (task,) = suite.tasks
    for given, changed in ((60, 60), (None, None)):
        how = "terminate" if given else "truncate"
        horizon = replace(suite, tasks=(replace(task, attempts=12, max_steps=given, at_max_steps=how),))
        assert [t.max_steps for t in _with_attempts(horizon, 4).tasks] == [changed]
    cut = replace(suite, tasks=(replace(task, attempts=2, max_steps=40),))
    assert [t.max_steps for t in _with_attempts(cut, 5).tasks] == [100]


def test_tasks_that_are_alike_are_measured_on_instances_of_their_own() -> None:
    """The interval of a mean over tasks takes them for independent; who plays is measured on the same ones."""
    suite = load_suite("dark-room")
    twins = replace(suite, tasks=(*suite.tasks, replace(suite.tasks[0], name="twin")))
    agent = untrained(twins)
    found = adapt(agent, twins, twins, trials=40)["tested"]["tasks"]
    assert found["dark"]["rewards"] != found["twin"]["rewards"]
    assert found["dark"] == adapt(agent, twins, suite, trials=40)["tested"]["tasks"]["dark"]
    evaluated = evaluate(agent, twins, trials=40, seed=0, greedy=False)["tasks"]
    for name, entry in evaluated.items():
        assert entry["return"] == pytest.approx(found[name]["return"], abs=1e-5)


def test_unpaid_attempts_count_in_no_score() -> None:
    suite = load_suite("dark-room")
    warmed = replace(suite, tasks=(replace(suite.tasks[0], warmup_attempts=2, attempts=2),))
    (entry,) = adapt(untrained(suite), suite, warmed, trials=30)["tested"]["tasks"].values()
    assert len(entry["attempts"]) == 4 and entry["warmup_attempts"] == 2
    assert entry["return"] == pytest.approx(sum(entry["attempts"][2:]))
    assert entry["score"] == pytest.approx(np.mean(entry["attempt_scores"][2:]))


def test_a_task_is_played_as_the_one_that_it_was_in_training() -> None:
    trained = load_suite("meta-mix")
    dark, other = load_suite("dark-room"), load_suite("dark-key-door")
    assert places_in_training(trained, trained.tasks) == [0, 1, 2, 3]
    assert places_in_training(trained, dark.tasks) == [trained.task_names.index("dark")]
    assert places_in_training(trained, other.tasks) == [4]
    assert places_in_training(trained, trained.subset(trained.task_names[::-1]).tasks) == [3, 2, 1, 0]
    assert places_in_training(load_suite("dark-room-shift"), dark.tasks) == [1]  # other goals: another task
    scaled = [replace(task, reward_scale=1000.0, attempts=2) for task in trained.tasks]
    assert places_in_training(trained, scaled) == [0, 1, 2, 3]
    twice = replace(dark, tasks=(dark.tasks[0], replace(dark.tasks[0], name="again")))
    assert places_in_training(twice, twice.tasks) == [0, 1]
    assert places_in_training(twice, [replace(dark.tasks[0], name="third")]) == [2]


def test_an_agent_with_nothing_for_a_task_that_it_never_saw_refuses_it() -> None:
    suite = load_suite("meta-mix")
    config = small_run("meta-mix")
    heads = replace(config, sharing=replace(config.sharing, heads="task"))
    agent = build_agent(heads, suite, build_rescaling(heads, suite)).eval()
    assert adapt(agent, suite, load_suite("dark-room"), trials=2)["tested"]
    with pytest.raises(
        ValueError, match=r"'dark-key-door': training on 'meta-mix' never saw key-door.*unseen-tasks mean"
    ):
        adapt(agent, suite, load_suite("dark-key-door"), trials=2)
    mean = replace(heads, sharing=replace(heads.sharing, unseen_tasks="mean"))
    agent = build_agent(mean, suite, build_rescaling(mean, suite)).eval()
    assert adapt(agent, suite, load_suite("dark-key-door"), trials=2)["tested"]
