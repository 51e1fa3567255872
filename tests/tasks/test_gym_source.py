"""Any Gymnasium environment as a task."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from tasks.gym_source import PLAIN, Gym
from tasks.registry import load_suite


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
