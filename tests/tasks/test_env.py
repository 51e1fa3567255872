"""One task is a Gymnasium environment."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from tasks.popgym import TWENTY_SEVEN
from tasks.registry import load_suite
from tasks.suite import Suite


@pytest.fixture(scope="module")
def popgym_27() -> Suite:
    return load_suite("popgym-27")


@pytest.mark.parametrize("name", TWENTY_SEVEN)
def test_gymnasiums_checker_accepts_every_task(popgym_27: Suite, name: str) -> None:
    check_env(popgym_27.make_env(name, seed=0), skip_render_check=True)


@pytest.mark.parametrize("protocol", [{"warmup_attempts": 0}, {"warmup_attempts": 2, "attempts": 3}])
@pytest.mark.parametrize("name", ["MineSweeperEasy", "AutoencodeEasy", "NoisyPositionOnlyCartPoleHard"])
def test_gymnasiums_checker_accepts_other_protocols(protocol: dict[str, int], name: str) -> None:
    check_env(load_suite("popgym-27", **protocol).make_env(name, seed=0), skip_render_check=True)  # type: ignore[arg-type]


def test_gymnasiums_checker_accepts_masked_actions() -> None:
    check_env(load_suite("popgym:CountRecallEasy", invalid_actions="mask").make_env(0, seed=0), skip_render_check=True)


def test_every_observation_of_a_trial_is_in_the_space(popgym_27: Suite) -> None:
    for name in ("MineSweeperEasy", "VelocityOnlyCartpoleEasy", "CountRecallHard"):
        env = popgym_27.make_env(name, seed=1)
        env.action_space.seed(0)
        observation, _ = env.reset()
        over = False
        while not over:
            assert env.observation_space.contains(observation)
            observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
            over = terminated or truncated
        assert env.observation_space.contains(observation)


def test_an_observation_is_a_copy(counters: Callable[..., Suite]) -> None:
    env = counters().make_env("count", seed=0)
    first, _ = env.reset()
    kept = {key: np.copy(value) for key, value in first.items()}
    env.step(1)
    for key, value in kept.items():
        np.testing.assert_array_equal(first[key], value)


def test_reset_with_a_seed_starts_anew_and_without_one_goes_on(
    counters: Callable[..., Suite], shown: Callable[[np.ndarray], int]
) -> None:
    env = counters(simulator={"hidden": True}).make_env("count", seed=5)
    stream = [shown(env.reset()[0]["vector"]) for _ in range(4)]
    assert len(set(stream)) > 1
    assert [shown(env.reset(seed=seed)[0]["vector"]) for seed in (5, None, None, None)] == stream


def test_step_outside_a_trial_asks_for_reset(counters: Callable[..., Suite]) -> None:
    env = counters(simulator={"length": 1}).make_env("count", seed=0)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)
    env.reset()
    env.step(0)
    with pytest.raises(ResetNeeded, match="ended"):
        env.step(0)
    env.reset()
    env.close()
    with pytest.raises(ResetNeeded):
        env.step(0)


@pytest.mark.parametrize("action", [0.5, "0", None, np.zeros(2, int)])
def test_an_action_that_is_no_integer_is_refused(counters: Callable[..., Suite], action: Any) -> None:
    env = counters().make_env("count", seed=0)
    env.reset()
    with pytest.raises(ValueError, match="expected an integer as action"):
        env.step(action)
