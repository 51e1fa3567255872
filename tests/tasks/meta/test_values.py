"""The best returns that documents state, found again by playing or by another way of counting."""

import math
from typing import Any

import numpy as np
import pytest

from tasks.meta import hallway, tmaze
from tasks.meta.distributions import Arc, Cells, goal_points
from tasks.meta.point import MOVES
from tasks.registry import load_suite, make_simulator
from tasks.scores import load_reference, normalised


def simulator(name: str) -> Any:
    return make_simulator(load_suite(name).tasks[0])


def best(name: str) -> float:
    reference = load_reference(name)
    assert reference is not None and reference.best is not None
    return reference.best


def towards(cell: int, goal: int, side: int) -> int:
    (y, x), (v, u) = divmod(cell, side), divmod(goal, side)
    return 0 if x > u else 1 if x < u else 2 if y > v else 3 if y < v else 4


def walk(env: Any) -> float:
    """What a straight way to the goal, or to key and door, earns."""
    cell, total, terminated, door = env.start(), 0.0, False, False
    env._left = env.steps  # the goal has been set by hand
    while not terminated:
        goal = (env.door if door else env.key) if hasattr(env, "door") else env.goal
        cell, reward, terminated, *_ = env.step(towards(cell, goal, env.side))
        door = door or reward == 1.0
        total += reward
    return total


@pytest.mark.parametrize("goals", ["all", "train", "interpolation", "extrapolation"])
def test_the_optimum_of_the_dark_room(goals: str) -> None:
    env, returns = simulator("room:dark"), []
    for env.goal in Cells.of(goals, side=9).cells:
        returns.append(walk(env))
    exact = 20 - np.mean([abs(cell % 9 - 4) + abs(cell // 9 - 4) for cell in Cells.of(goals, side=9).cells])
    assert np.mean(returns) == pytest.approx(exact)
    assert best("room:dark" if goals == "all" else f"room:dark@{goals}") == pytest.approx(exact, abs=1e-4)
    assert goals != "all" or round(exact, 1) == 15.6


@pytest.mark.parametrize("name", ["room:dark-hard", "room:key-door", "room:key-door-hard"])
def test_the_farthest_goals_can_be_reached(name: str) -> None:
    env = simulator(name)
    corners = (0, env.side - 1, env.side**2 - 1, env.centre)
    if hasattr(env, "goal"):
        returns = [walk(env) for env.goal in corners]
    else:
        returns = [walk(env) for env.key in corners for env.door in corners]
    assert set(returns) == {best(name)}


@pytest.mark.parametrize(
    "name",
    ["dense", "sparse", "dense-discrete", "sparse-discrete", "dense@0..70+110..180", "dense@70..110", "dense@180..360"],
)
def test_the_optimum_of_the_point_robot_with_a_known_goal(name: str) -> None:
    """Played greedily, which is best, from goals spread evenly."""
    env = simulator(f"point:{name}")
    goals = goal_points(name.partition("@")[2] or "half-circle")
    assert isinstance(goals, Arc)
    returns = []
    for low, high in goals.degrees.parts:
        for degrees in np.arange(low + 0.25, high, 0.5):
            env.start()
            env.goal = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            env._left, x, y, total = env.steps, 0.0, 0.0, 0.0
            for _ in range(env.steps):
                move = [min(max(goal - place, -0.1), 0.1) for goal, place in zip(env.goal, (x, y), strict=True)]
                action: Any = move
                if "discrete" in name:
                    action = MOVES.index((round(move[0] / 0.1), round(move[1] / 0.1)))
                (x, y), reward, *_ = env.step(action)
                total += reward
            returns.append(total)
    assert np.mean(returns) == pytest.approx(best(f"point:{name}"), abs=0.02)


def hall(actions: str, goal: int) -> tuple[list[int], float]:
    env = simulator("hallway:sign")
    seed = 0
    while env.goal != goal or not env._left:
        env.reset(seed=(seed := seed + 1))
    seen, total = [], 0.0
    for action in actions:
        observation, reward, terminated, *_ = env.step("LRUD".index(action))
        seen.append(observation)
        total += reward
        if terminated:
            break
    return seen, total


def test_the_hallway_pays_one_who_reads_the_sign_and_half_as_much_in_the_dark() -> None:
    ends = {0: (hallway.SIGN_LEFT, "L"), 2 * hallway.HALF: (hallway.SIGN_RIGHT, "R")}
    for goal, (sign, way) in ends.items():
        seen, total = hall("DDUU" + 4 * way, goal)
        assert seen[1] == sign and len(seen) <= hallway.STEPS and total == 1.0 == best("hallway:sign")
        assert hall(4 * way, goal)[1] == 1.0
    for way in "LR":  # one end an attempt: the wrong one ends it
        assert sorted(hall(4 * way + 8 * "LR"[way == "L"], goal)[1] for goal in ends) == [0.0, 1.0]


def test_without_reading_the_hallway_looks_the_same_until_an_end_pays() -> None:
    """No information by step 12 other than from the sign or an end, so the first attempt earns 1/2 at most."""
    for actions in ("LLLRRRRRRLLL", "DUDUDUDLRUUU", "UDLRUDLRUDLR"):
        assert hall(actions, 0) == hall(actions, 2 * hallway.HALF)


def test_the_hallway_cannot_be_tried_twice_in_an_attempt() -> None:
    env = simulator("hallway:sign")
    env.reset(seed=0)
    ends = [env.step(hallway.LEFT)[2] for _ in range(hallway.HALF)]
    assert ends == [False] * (hallway.HALF - 1) + [True]


@pytest.mark.parametrize("length", [1, 10, 30])
def test_the_t_maze_measures_recall_alone(length: int) -> None:
    env = simulator(f"tmaze:{length}")
    firsts = set()
    for seed in range(8):
        first = env.reset(seed=seed)[0]
        firsts.add(first)
        turn = {tmaze.SIGN_UP: tmaze.UP, tmaze.SIGN_DOWN: tmaze.DOWN}[first]
        for turned, expected in ((turn, 1.0), (tmaze.UP + tmaze.DOWN - turn, 0.0), (tmaze.RIGHT, 0.0)):
            env.reset(seed=seed)
            played = [env.step(tmaze.RIGHT) for _ in range(length)]
            assert [seen for seen, *_ in played] == [tmaze.CORRIDOR] * (length - 1) + [tmaze.JUNCTION]
            seen, reward, terminated, *_ = env.step(turned)
            assert sum(step[1] for step in played) + reward == expected and terminated
            assert seen == {tmaze.UP: tmaze.ARM_UP, tmaze.DOWN: tmaze.ARM_DOWN, tmaze.RIGHT: tmaze.JUNCTION}[turned]
    assert firsts == {tmaze.SIGN_UP, tmaze.SIGN_DOWN}


@pytest.mark.parametrize("action", [tmaze.UP, tmaze.LEFT, tmaze.DOWN])
def test_whoever_does_not_walk_on_pays_one_in_all(action: int) -> None:
    env = simulator("tmaze:10")
    env.reset(seed=0)
    assert sum(env.step(action)[1] for _ in range(11)) == pytest.approx(-1.0)


def test_the_t_maze_can_be_walked_back() -> None:
    env = simulator("tmaze:2")
    env.reset(seed=0)
    played = [env.step(action)[:2] for action in (tmaze.RIGHT, tmaze.LEFT, tmaze.RIGHT)]
    assert played == [(tmaze.CORRIDOR, 0.0), (tmaze.CORRIDOR, -0.5), (tmaze.CORRIDOR, 0.0)]


def test_random_references_agree_with_what_is_known_exactly() -> None:
    for name, exact in (
        ("bandit:bernoulli-5x10", 5.0),
        ("bandit:bernoulli-50x500", 250.0),
        ("bandit:gaussian-10x100", 0.0),
        ("mdp:tabular-10x5x10", 10.0),
    ):
        reference = load_reference(name)
        assert reference is not None
        low, high = reference.random_interval
        assert low - (high - low) / 2 < exact < high + (high - low) / 2
    ten = load_reference("mdp:tabular-10x5x10", attempts=10)
    assert ten is not None and ten.best == pytest.approx(156.2) and normalised(156.2, ten) == pytest.approx(1.0)


def test_every_task_of_the_suites_has_a_random_reference_below_the_best() -> None:
    for suite in ("bandits", "tabular-mdp", "dark-room", "dark-key-door", "point-robot", "hallway-sign", "tmaze"):
        for name in (
            suite,
            "meta-mix",
            "bandits-shift",
            "dark-room-shift",
            "point-robot-shift",
            "tmaze-shift",
            "tabular-mdp-shift",
        ):
            for task in load_suite(name).all_tasks:
                reference = load_reference(task.id)
                assert reference is not None
                assert reference.best is None or reference.random < reference.best, task.id
