"""Any Gymnasium environment as a task."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from tasks.gym_source import PLAIN, Gym
from tasks.gym_wrappers import rescaled
from tasks.registry import load_suite, told


def wrappers(env: gymnasium.Env) -> list[type]:  # type: ignore[type-arg]
    found = []
    while isinstance(env, gymnasium.Wrapper):
        found.append(type(env))
        env = env.env
    return found


def test_the_time_limit_stays_and_the_checks_go() -> None:
    env = Gym.make("CartPole-v1")
    assert wrappers(env) == [TimeLimit]
    assert {OrderEnforcing, PassiveEnvChecker} <= set(wrappers(gymnasium.make("CartPole-v1")))
    assert gymnasium.spec("CartPole-v1").order_enforce  # the registration is as it was


def test_the_plain_ids_are_gymnasiums() -> None:
    assert set(PLAIN) <= set(Gym.names()) and len(set(PLAIN)) == len(PLAIN)


def test_a_trial_is_the_environments_own_episode() -> None:
    ours = load_suite("gym:CartPole-v1").make_env(0, seed=3)
    ours.reset()
    theirs = gymnasium.make("CartPole-v1")
    seed = int(
        np.random.Generator(np.random.PCG64(np.random.SeedSequence(3, spawn_key=(0,)))).integers(2**63 - 1, size=2)[0]
    )
    theirs.reset(seed=seed)
    over = False
    while not over:
        seen, reward, terminated, truncated, _ = ours.step(1)
        expected, paid, *ends, _ = theirs.step(1)
        np.testing.assert_array_equal(seen["vector"][:4], expected)
        assert (reward, [terminated, truncated]) == (paid, ends)
        over = terminated or truncated


def test_options_reach_the_environment() -> None:
    assert Gym.make("FrozenLake-v1", map_name="8x8").observation_space.n == 64  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="no_such_option"):
        Gym.make("CartPole-v1", no_such_option=1)


def test_a_wrong_id_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown gym task 'CartPol-v1'; did you mean CartPole-v1"):
        load_suite("gym:CartPol-v1")
    with pytest.raises(ValueError, match="gym:MODULE:ID"):
        load_suite("gym:Xyzzy")
    with pytest.raises(ImportError, match="no_such_module"):
        load_suite("gym:no_such_module:X-v0")


def test_a_module_before_the_id_is_imported() -> None:
    code = (
        "from tasks.gym_source import Gym\n"
        "task = Gym.task('minigrid:MiniGrid-Empty-5x5-v0')\n"
        "assert (task.name, task.id) == ('MiniGrid-Empty-5x5-v0', 'gym:minigrid:MiniGrid-Empty-5x5-v0')\n"
        "assert Gym.make('minigrid:MiniGrid-Empty-5x5-v0').action_space.n == 7\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_plain_ids_are_known_without_gymnasium() -> None:
    code = (
        "import sys\n"
        "from tasks.registry import load_suite\n"
        "assert load_suite('classic-control').num_tasks == 3\n"
        "assert 'gymnasium' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_repeated_action_adds_up_and_ends_with_the_episode() -> None:
    ours, theirs = Gym.make("CartPole-v1", action_repeat=4), gymnasium.make("CartPole-v1")
    np.testing.assert_array_equal(ours.reset(seed=5)[0], theirs.reset(seed=5)[0])
    paid = 0.0
    while True:
        seen, reward, terminated, truncated, _ = ours.step(1)
        earned = 0.0
        for _ in range(4):
            expected, one, *ends, _ = theirs.step(1)
            earned += float(one)
            if any(ends):
                break
        np.testing.assert_array_equal(seen, expected)
        assert (reward, [terminated, truncated]) == (earned, ends)
        paid += earned
        if any(ends):
            break
    assert paid % 4  # the last action was cut short


def test_bounds_become_one_and_what_has_none_stays() -> None:
    ours, theirs = Gym.make("CartPole-v1", rescale=True), gymnasium.make("CartPole-v1")
    seen, expected = ours.reset(seed=1)[0], theirs.reset(seed=1)[0]
    high = theirs.observation_space.high  # type: ignore[attr-defined]
    np.testing.assert_allclose(seen, expected / [high[0], 1, high[2], 1], rtol=1e-6)
    np.testing.assert_array_equal(ours.observation_space.high, np.float32([1, np.inf, 1, np.inf]))  # type: ignore[attr-defined]
    car, space = Gym.make("MountainCar-v0", rescale=True), gymnasium.make("MountainCar-v0").observation_space
    low, high = car.observation(space.low), car.observation(space.high)  # type: ignore[attr-defined]
    np.testing.assert_allclose([low, high], [[-1, -1], [1, 1]], atol=1e-6)
    assert ours.observation_space.contains(seen) and seen.dtype == np.float32


@pytest.mark.parametrize("times", [0, -1, 1.5, 1.0, True, "4"])
def test_an_impossible_repetition_is_refused(times: object) -> None:
    with pytest.raises(ValueError, match="action_repeat: expected a whole number of at least 1"):
        Gym.make("CartPole-v1", action_repeat=times)  # type: ignore[arg-type]


def test_rescaling_is_asked_for_by_true() -> None:
    with pytest.raises(ValueError, match="rescale: expected true or false, found 'off'"):
        Gym.make("CartPole-v1", rescale="off")  # type: ignore[arg-type]


def test_wide_bounds_are_bounds_and_the_largest_number_is_none() -> None:
    space = gymnasium.spaces.Box(np.array([-2e4, -1.7e308, -np.inf]), np.array([2e4, 1.7e308, 1.0]), dtype=np.float64)
    env = gymnasium.make("CartPole-v1").unwrapped
    env.observation_space = space
    found = rescaled(env)
    np.testing.assert_array_equal(found.observation_space.low, [-1, -np.inf, -np.inf])  # type: ignore[attr-defined]
    np.testing.assert_allclose(found.observation(np.array([1e4, 3.0, 0.5])), [0.5, 3, 0.5])  # type: ignore[attr-defined]


def test_what_an_environment_tells_of_itself_is_heard_through_the_wrappers() -> None:
    env = Gym.make("CartPole-v1", action_repeat=2, rescale=True)
    assert told(env, "marks_attempts") is None and told(env, "instance") is None
    env.unwrapped.marks_attempts, env.unwrapped.instance = True, (0.5,)  # type: ignore[attr-defined]
    assert told(env, "marks_attempts") is True and told(env, "instance") == (0.5,)


@pytest.mark.parametrize("name", ["FrozenLake-v1", "Blackjack-v1"])
def test_what_has_no_bounds_to_bring_to_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="rescale: expected observations in a Box"):
        Gym.make(name, rescale=True)


def test_classic_control_repeats_and_rescales() -> None:
    options = [task.options for task in load_suite("classic-control").tasks]
    assert [dict(o) for o in options] == [
        {"rescale": True},
        {"rescale": True, "action_repeat": 4},
        {"rescale": True, "action_repeat": 4},
    ]
