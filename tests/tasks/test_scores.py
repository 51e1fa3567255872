"""Normalised scores and the figures they rest on."""

from dataclasses import replace
from typing import Any

import pytest

from tasks.registry import load_suite, make_simulator
from tasks.scores import Reference, _data, load_known, load_played, load_reference, normalised, reference_of


def test_random_scores_zero_and_best_scores_one() -> None:
    reference = Reference(random=-0.5, random_interval=(-0.6, -0.4), best=1.0, source="x")
    assert [normalised(value, reference) for value in (-0.5, 1.0, 0.25, -2.0)] == [0.0, 1.0, 0.5, -1.0]


def test_a_published_zero_takes_the_random_policys_place() -> None:
    reference = Reference(random=3.0, random_interval=(2.0, 4.0), best=10.0, source="x", zero=5.0)
    assert [normalised(value, reference) for value in (5.0, 10.0, 3.0)] == [0.0, 1.0, -0.4]


def test_a_trial_of_several_attempts_is_measured_against_as_many_times_as_much() -> None:
    one, three = (load_reference("popgym:MineSweeperEasy", attempts=attempts) for attempts in (1, 3))
    assert one is not None and three is not None and one.best is not None
    assert (three.random, three.best) == (3 * one.random, 3 * one.best)
    assert three.random_interval == (3 * one.random_interval[0], 3 * one.random_interval[1])


def test_a_best_that_is_of_so_many_attempts_holds_for_these_alone() -> None:
    for task, of in (("bandit:bernoulli-5x10", 1), ("mdp:tabular-10x5x10", 10)):
        found = {attempts: load_reference(task, attempts=attempts) for attempts in (1, 5, 10)}
        assert [attempts for attempts, one in found.items() if one and one.best is not None] == [of]
    assert load_known("mdp:tabular-10x5x10") == pytest.approx(21.83, abs=0.05)
    assert load_known("popgym:RepeatFirstEasy") is None


@pytest.mark.parametrize(
    ("name", "protocol", "known"),
    [
        ("bandit:bernoulli-5x10", {}, True),
        ("bandit:bernoulli-5x10", {"max_steps": 10}, True),
        ("bandit:bernoulli-5x10", {"warmup_attempts": 2}, False),  # pulls that are not paid teach as much as others
        ("mdp:tabular-10x5x10", {"attempts": 10}, True),
        ("mdp:tabular-10x5x10", {"attempts": 10, "instance": "fresh"}, False),
        ("room:dark", {"attempts": 5, "warmup_attempts": 2, "instance": "fresh"}, True),  # of who knows the goal
        ("popgym:RepeatFirstEasy", {"attempts": 2, "warmup_attempts": 1}, True),  # published returns: any attempt's
    ],
)
def test_a_best_is_of_a_protocol(name: str, protocol: dict[str, Any], known: bool) -> None:
    (task,) = load_suite(name).tasks
    played = replace(task, **protocol)
    found, of_as_many = reference_of(played), load_reference(name, attempts=played.attempts)
    assert found is not None and of_as_many is not None and of_as_many.best is not None
    assert (found.best, found.source) == ((of_as_many.best, of_as_many.source) if known else (None, ""))
    assert found.random == of_as_many.random


@pytest.mark.parametrize(
    ("name", "attempts", "warmup", "steps"),
    [
        ("room:dark", 3, 0, 60),
        ("room:key-door", 125, 0, 125 * 50),
        ("point:dense", 2, 1, 60),
        ("tmaze:30", 1, 0, 31),
        ("popgym:RepeatFirstEasy", 4, 0, 4 * 51),
        ("popgym:AutoencodeEasy", 1, 1, 2 * 103),
        ("gym:CartPole-v1", 1, 0, 500),
        ("clash:45", 2, 0, 2),
        ("procgen:coinrun", 2, 0, 500),  # what the shipped suites play
    ],
)
def test_trials_that_are_cut_are_measured_against_nothing(name: str, attempts: int, warmup: int, steps: int) -> None:
    task = replace(load_suite(name).tasks[0], attempts=attempts, warmup_attempts=warmup)
    assert reference_of(replace(task, max_steps=steps)) == reference_of(task) is not None
    assert reference_of(replace(task, max_steps=steps - 1)) is None


@pytest.mark.parametrize(
    "cut", [{"at_max_steps": "terminate"}, {"warmup_attempts": 1}, {"at_max_steps": "terminate", "attempts": 4}]
)
@pytest.mark.parametrize("name", ["procgen:coinrun", "babyai:GoToObj"])
def test_trials_that_may_be_cut_have_no_score(name: str, cut: dict[str, Any]) -> None:
    task = load_suite(name).tasks[0]
    assert reference_of(replace(task, max_steps=2500, **cut)) is None  # how long attempts can be is not on file
    assert reference_of(replace(task, max_steps=None, attempts=4)) is not None


@pytest.mark.parametrize(("attempts", "known"), [(1, True), (10, True), (11, False)])
def test_procgens_own_limits_are_for_so_many_attempts(attempts: int, known: bool) -> None:
    task = load_suite("procgen-5").tasks[0]
    assert (reference_of(replace(task, attempts=attempts, max_steps=2500)) is not None) == known
    assert reference_of(replace(task, attempts=attempts, max_steps=250 * attempts)) is not None


@pytest.mark.parametrize(
    ("name", "options", "known"),
    [
        ("babyai:GoToObj", {"observation": "image"}, True),
        ("babyai:GoToObj", {"max_steps": 5}, False),  # the measure of the reward, too
        ("gym:Acrobot-v1", {"action_repeat": 4, "rescale": True}, True),
        ("gym:CartPole-v1", {"sutton_barto_reward": True}, False),
        ("procgen:coinrun", {"use_backgrounds": False}, True),
    ],
)
def test_options_that_make_other_returns_leave_no_score(name: str, options: dict[str, Any], known: bool) -> None:
    task = load_suite(name).tasks[0]
    plain, found = reference_of(task), reference_of(replace(task, options=options))
    assert plain is not None and (found is not None) == known
    if found is not None:
        assert (found.random, found.best) == (plain.random, plain.best)
        # Actions at random get further where each is held: what the random policy reaches is not on file.
        assert found.random_interval == (None if "action_repeat" in options else plain.random_interval)


@pytest.mark.parametrize("source", ["popgym", "gym", "clash"])
def test_attempts_have_at_most_the_steps_that_are_on_file(source: str) -> None:
    published = _data(f"{source}_best.json")
    assert set(published["attempt_steps"]) == set(published["tasks"])
    for name, most in published["attempt_steps"].items():
        simulator = make_simulator(load_suite(name).tasks[0])
        told = getattr(simulator.unwrapped, "max_episode_length", simulator.spec and simulator.spec.max_episode_steps)
        simulator.reset(seed=0)
        simulator.action_space.seed(0)
        steps, over = 0, False
        while not over:
            _, _, terminated, truncated, _ = simulator.step(simulator.action_space.sample())
            steps, over = steps + 1, terminated or truncated
        assert told in (most, None) and steps <= most
        if told is None:
            assert steps == most


@pytest.mark.parametrize(("repeat", "steps"), [(4, 125), (3, 167)])
def test_an_attempt_has_fewer_steps_where_actions_are_repeated(repeat: int, steps: int) -> None:
    task = replace(load_suite("gym:Acrobot-v1").tasks[0], options={"action_repeat": repeat})
    assert reference_of(replace(task, max_steps=steps)) == reference_of(task) is not None
    assert reference_of(replace(task, max_steps=steps - 1)) is None


@pytest.mark.parametrize("suite", ["classic-control", "procgen-quick", "procgen-5", "babyai-quick", "meta-mix"])
def test_shipped_suites_have_scores(suite: str) -> None:
    for task in load_suite(suite).tasks:
        reference = reference_of(task)
        assert reference is not None and reference.best is not None


def test_attempts_are_known_to_be_as_long_as_their_simulators_say() -> None:
    steps = _data("meta_best.json")["attempt_steps"]
    assert set(_data("meta_random.json")["tasks"]) == set(steps) >= set(_data("meta_best.json")["tasks"])
    for name, count in steps.items():
        assert make_simulator(load_suite(name).tasks[0]).most_steps == count


def test_without_a_best_there_is_no_score() -> None:
    assert normalised(0.3, Reference(random=0.0, random_interval=(0.0, 0.0), best=None, source="")) is None
    assert normalised(0.3, None) is None


@pytest.mark.parametrize("suite", ["popgym-27", "popgym-quick"])
def test_every_task_of_the_suites_has_both_ends(suite: str) -> None:
    for task in load_suite(suite).tasks:
        reference = load_reference(task.id)
        assert reference is not None and reference.best is not None and reference.source
        low, high = reference.random_interval
        assert low < reference.random < high < low + 0.05
        assert reference.best > high + 0.05


def test_published_bests_are_the_papers() -> None:
    best = {
        name: load_reference(f"popgym:{name}")
        for name in ("AutoencodeEasy", "CountRecallEasy", "HigherLowerEasy", "MineSweeperEasy")
    }
    assert [reference.best for reference in best.values() if reference] == [-0.28, 0.88, 0.53, 0.70]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AutoencodeHard", -0.5),
        ("RepeatPreviousMedium", -0.5),
        ("RepeatFirstHard", -0.5),
        ("HigherLowerHard", 0.0),
        ("MultiarmedBanditEasy", 0.0),
    ],
)
def test_measured_random_returns_are_what_chance_gives(name: str, expected: float) -> None:
    reference = load_reference(f"popgym:{name}")
    assert reference is not None
    half = (reference.random_interval[1] - reference.random_interval[0]) / 2
    assert abs(reference.random - expected) < 2 * half  # about four standard errors


@pytest.mark.parametrize("task_id", ["popgym:NoSuchTask", "chess:Queen", "popgym:BattleshipEasy"])
def test_an_unmeasured_task_has_no_reference(task_id: str) -> None:
    assert load_reference(task_id) is None and load_played(task_id) == {}


def test_references_of_meta_tasks_have_a_return_for_every_attempt_and_step() -> None:
    for suite in ("bandits", "dark-room", "dark-key-door", "tabular-mdp", "point-robot", "hallway-sign"):
        for task in load_suite(suite).tasks:
            played = load_played(task.id)
            assert len(played) >= 1, task.id
            for found in played.values():
                assert len(found.attempts) == task.attempts
                assert sum(found.attempts) == pytest.approx(sum(found.rewards), rel=1e-3, abs=1e-3)
    optimum = load_played("bandit:bernoulli-5x10")["bayes-optimal"]
    assert optimum.attempts == pytest.approx([6.66], abs=0.04)
