"""Rooms, point robots, the hallway: exact optima, and references that find and keep what they look for."""

import dataclasses
import random
from collections import deque
from typing import Any

import numpy as np
import pytest

from baselines.references import points, rooms
from baselines.references.families import family_of
from baselines.references.play import Played, play
from tasks.meta.distributions import Cells, goal_points
from tasks.registry import load_suite, make_simulator
from tasks.scores import load_reference
from tasks.task import Task


def attempts_at(task_id: str, attempts: int) -> Task:
    """A task of so many attempts."""
    return dataclasses.replace(load_suite(task_id).tasks[0], attempts=attempts)


def play_one(task: Task, name: str, trials: int = 300) -> Played:
    """Play one of the references that fit."""
    return play(task, family_of(task).references[name], trials=trials, seed=0)


@pytest.mark.parametrize(
    ("task_id", "value"),
    [
        ("room:dark", 20 - 40 / 9),
        ("room:dark-hard", 1.0),
        ("room:key-door", 2.0),
        ("room:key-door-hard", 2.0),
        ("hallway:sign", 1.0),
        ("tmaze:10", 1.0),
    ],
)
def test_known_instances_are_worth_what_the_suites_say(task_id: str, value: float) -> None:
    assert family_of(load_suite(task_id).tasks[0]).known().mean() == pytest.approx(value)


def test_who_knows_key_and_door_is_paid_as_a_search_through_all_walks_finds() -> None:
    """A breadth-first search in the simulator itself, with too few steps for some."""
    side, steps = 5, 6
    env: Any = make_simulator(load_suite("room:key-door").tasks[0])
    moves = type(env)(side, steps, Cells.of("all", side=side)).moves
    found = rooms.key_door_values(side, tuple(range(side * side)), steps).reshape(side * side, -1)
    for key in range(side * side):
        for door in (0, 7, key):
            best, queue, met = 0, deque([(side * side // 2, False, 0)]), set()
            while queue:
                cell, has_key, time = queue.popleft()
                if (cell, has_key) in met or time == steps:
                    continue
                met.add((cell, has_key))
                if has_key and cell == door:
                    best = 2
                    continue
                takes = not has_key and cell == key
                best = max(best, int(takes or has_key))
                queue.extend((after, has_key or takes, time + 1) for after in moves[cell])
            assert found[key, door] == best


@pytest.mark.parametrize(("room", "most"), [("room:dark", 15.56), ("room:key-door", 2.0)])
@pytest.mark.parametrize("name", ["posterior-sampling", "nearest-first"])
def test_walkers_find_the_goal_and_go_straight_to_it_from_then_on(room: str, most: float, name: str) -> None:
    task = attempts_at(room, 12)
    family = family_of(task)
    found = play(task, family.references[name], trials=300, seed=0)
    first, last = found.attempts[0], found.attempts[-1]
    assert first < 0.4 * most and last > 0.8 * most and last < most + 0.6
    if name == "nearest-first":
        assert last > 0.97 * most


def test_to_sweep_is_better_than_to_sample() -> None:
    task = attempts_at("room:dark", 5)
    swept, sampled = (play_one(task, name).result for name in ("nearest-first", "posterior-sampling"))
    assert swept.interval[0] > sampled.interval[1]


def test_a_walker_looks_only_where_goals_are() -> None:
    task = load_suite("room:dark", attempts=2).tasks[0]
    task = dataclasses.replace(task, options={"goals": [[0, 0]]})
    assert play_one(task, "posterior-sampling", trials=2).attempts == (12.0, 12.0)
    assert family_of(task).known().tolist() == [12.0]


@pytest.mark.parametrize(("name", "mean"), [("reads-the-sign", 2.0), ("posterior-sampling", 1.5)])
def test_posterior_sampling_never_reads_the_sign(name: str, mean: float) -> None:
    found = play_one(attempts_at("hallway:sign", 2), name, trials=1000)
    assert found.result.mean == pytest.approx(mean, abs=0.06)
    assert found.attempts[1] == 1.0


@pytest.mark.parametrize("task_id", ["point:dense", "point:sparse", "point:dense-discrete", "point:sparse-discrete"])
@pytest.mark.parametrize("goals", ["half-circle", "square", [20, 60]])
def test_point_samplers_end_near_the_optimum(task_id: str, goals: Any) -> None:
    task = dataclasses.replace(attempts_at(task_id, 8), options={"goals": goals})
    known, found = family_of(task).known().mean(), play_one(task, "posterior-sampling", trials=64)
    assert found.attempts[-1] > known - (0.6 if "dense" in task_id else 4.0)
    assert found.attempts[-1] > found.attempts[0] or goals == [20, 60]


def test_a_known_goal_is_walked_to_as_the_shipped_optimum_says() -> None:
    known = {
        task_id: family_of(load_suite(task_id).tasks[0]).known().mean()
        for task_id in ("point:dense", "point:sparse", "point:dense-discrete", "point:sparse-discrete")
    }
    for task_id, value in known.items():
        reference = load_reference(task_id)
        assert reference is not None and reference.best == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("goals", ["half-circle", "square", [[0, 30], [90, 100]]])
def test_no_goal_is_further_from_a_candidate_than_is_said(goals: Any) -> None:
    distribution, generator = goal_points(goals), random.Random(0)
    places, most = points.candidates(distribution, 200)
    drawn = np.array([distribution.draw(generator) for _ in range(500)])
    nearest = np.linalg.norm(drawn[:, None] - places, axis=-1).min(axis=1)
    assert nearest.max() <= most and nearest.max() > most / 2


def test_rewards_outside_the_prior_are_refused() -> None:
    task = attempts_at("room:dark", 8)
    wrong = dataclasses.replace(task, options={"goals": "extrapolation"})
    make = family_of(dataclasses.replace(task, options={"goals": [[4, 4], [4, 5]]})).references["posterior-sampling"]
    with pytest.raises(ValueError, match="no cell is left"):
        play(wrong, make, trials=2, seed=0)
    point = dataclasses.replace(attempts_at("point:dense", 1), options={"goals": [0, 10]})
    with pytest.raises(ValueError, match="no goal is left"):
        play(attempts_at("point:dense", 1), family_of(point).references["posterior-sampling"], trials=8, seed=0)


def test_there_are_two_choices() -> None:
    with pytest.raises(ValueError, match="'sampled' or 'nearest', got 'fast'"):
        rooms.Walker(1, np.random.default_rng(0), side=3, cells=(0,), goals=1, choice="fast")  # type: ignore[arg-type]
