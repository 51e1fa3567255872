"""How an episode goes: frames, marks, ends, mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from tasks.procgen import Procgen
from tasks.procgen.simulator import MARK

Get = Callable[[str], Any]
STILL = 4


def test_it_is_a_gymnasium_environment() -> None:
    env = Procgen.make("chaser")
    check_env(env, skip_render_check=True)
    env.close()


def test_only_later_attempts_are_marked_and_in_every_frame(simulator: Get) -> None:
    climber = simulator("climber")
    plain = [climber.reset(seed=3)[0], *(climber.step(5)[0] for _ in range(10))]
    first = [climber.reset(seed=3, options={"attempt": 0})[0], *(climber.step(5)[0] for _ in range(10))]
    second = [climber.reset(seed=3, options={"attempt": 1})[0], *(climber.step(5)[0] for _ in range(10))]
    np.testing.assert_array_equal(plain, first)
    marked = np.array(plain)
    assert marked[:, :MARK, :MARK].any(axis=(1, 2, 3)).all()
    marked[:, :MARK, :MARK] = 0
    np.testing.assert_array_equal(marked, second)
    assert climber.marks_attempts
    np.testing.assert_array_equal(climber.reset(seed=3)[0], plain[0])


@pytest.mark.parametrize("option", ["use_backgrounds", "use_monochrome_assets"])
def test_another_look_changes_the_frames_and_nothing_that_happens(option: str, simulator: Get) -> None:
    usual, other = simulator("starpilot"), Procgen.make("starpilot", **{option: option != "use_backgrounds"})
    actions = np.random.default_rng(1).integers(15, size=300).tolist()
    frames, events = [], []
    for game in (usual, other):
        seen, told = [game.reset(seed=11)[0]], []
        for action in actions:
            frame, reward, terminated, truncated, _ = game.step(action)
            seen.append(frame)
            told.append((reward, terminated, truncated))
            if terminated:
                break
        frames.append(seen)
        events.append(told)
    other.close()
    assert events[0] == events[1] and any(reward for reward, *_ in events[0])
    assert all((a != b).any() for a, b in zip(*frames, strict=True))
    if option == "use_backgrounds":
        assert np.mean(np.array(frames[1]).any(axis=-1)) < 0.2


def test_with_one_theme_things_look_alike_on_all_levels() -> None:
    """A floor of coinrun, which has several materials."""
    one = Procgen.make("coinrun", use_backgrounds=False, restrict_themes=True)
    floors = {one.reset(seed=level)[0][-1, 0].tobytes() for level in range(8)}
    one.close()
    assert len(floors) == 1


def test_frames_are_copies(simulator: Get) -> None:
    plunder = simulator("plunder")
    frame, _ = plunder.reset(seed=1)
    kept = frame.copy()
    for _ in range(5):
        plunder.step(7)
    np.testing.assert_array_equal(frame, kept)


@pytest.mark.parametrize(
    ("name", "limit"), [("maze", 500), ("leaper", 500), ("heist", 1000), ("jumper-memory", 2000), ("maze-memory", 500)]
)
def test_the_clock_truncates_and_the_last_frame_is_of_the_level_that_ended(
    name: str, limit: int, simulator: Get, fresh: Callable[[str, int], Any]
) -> None:
    env, new = simulator(name), fresh(name, 11)
    assert env.time_limit == limit
    first_frame, _ = env.reset(seed=11)
    for _ in range(limit - 1):
        frame, *_, terminated, truncated, info = env.step(STILL)
        assert not terminated and not truncated and info == {}
        assert new.step(STILL) == (0.0, False)
    np.testing.assert_array_equal(frame, new.frame())
    last, reward, terminated, truncated, info = env.step(STILL)
    assert (reward, terminated, truncated, info) == (0.0, False, True, {"level_complete": False})
    assert new.step(STILL) == (0.0, True)  # the library says only that it is over
    np.testing.assert_array_equal(new.frame(), first_frame)  # and shows the level's beginning
    if name != "leaper":  # where cars drive on, the last frame differs from the one before
        np.testing.assert_array_equal(last, frame)


def test_an_end_of_the_games_own_in_the_last_step_terminates(simulator: Get) -> None:
    env = simulator("coinrun")
    actions: list[int] = []
    env.reset(seed=0)
    generator = np.random.default_rng(2)
    while True:
        actions.append(int(generator.integers(6, 9)))
        frame, reward, terminated, *_ = env.step(actions[-1])
        if terminated:
            break
    env.reset(seed=0)
    limit = env.time_limit
    try:
        env.time_limit = len(actions)  # as if the clock ran out in that very step
        for action in actions[:-1]:
            assert not any(env.step(action)[2:4])
        again, reward_again, terminated, truncated, _ = env.step(actions[-1])
    finally:
        env.time_limit = limit
    assert (reward_again, terminated, truncated) == (reward, True, False)
    np.testing.assert_array_equal(again, frame)


def test_a_terminated_episode_returns_the_frame_before_not_the_next_level(simulator: Get) -> None:
    fruitbot = simulator("fruitbot")
    shown = [fruitbot.reset(seed=2)[0]]
    while True:
        frame, _, terminated, truncated, _ = fruitbot.step(STILL)
        if terminated:
            break
        shown.append(frame)
    assert not truncated
    np.testing.assert_array_equal(frame, shown[-1])
    assert not np.array_equal(frame, shown[0])
    with pytest.raises(ResetNeeded):
        fruitbot.step(STILL)


@pytest.mark.parametrize("action", [-1, 15, 100])
def test_an_action_that_is_none_is_refused_and_nothing_moves(action: int, simulator: Get) -> None:
    ninja = simulator("ninja")
    ninja.reset(seed=9)
    with pytest.raises(ValueError, match=f"procgen:ninja: expected an action from 0 to 14, got {action}"):
        ninja.step(action)
    after = ninja.step(7)[0]
    ninja.reset(seed=9)
    np.testing.assert_array_equal(after, ninja.step(np.int64(7))[0])


def test_a_closed_simulator_refuses_to_go_on() -> None:
    env = Procgen.make("dodgeball")
    env.reset(seed=0)
    env.close()
    env.close()
    with pytest.raises(ResetNeeded):
        env.step(0)
    with pytest.raises(RuntimeError, match=r"procgen:dodgeball: reset\(\) after close\(\)"):
        env.reset(seed=0)
