"""The trial mechanism, followed by hand on a counting simulator (see conftest)."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from tasks.suite import Suite
from tasks.task import Task
from tasks.trial import SimulatorError

Suites = Callable[..., Suite]


def play(
    suite: Suite, actions: list[int], *, seed: int = 0, task: str = "count"
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Observations (one more than actions) and (reward, terminated, truncated, info) of each step."""
    env = suite.make_env(task, seed=seed)
    observations, steps = [env.reset()[0]], []
    for action in actions:
        observation, *rest = env.step(action)
        observations.append(observation)
        steps.append(tuple(rest))
    return observations, steps


def test_a_trial_with_warm_up_worked_by_hand(counters: Suites, shown: Callable[[np.ndarray], int]) -> None:
    suite = counters(warmup_attempts=1, attempts=1, reward_scale=10.0, simulator={"length": 2})
    observations, steps = play(suite, [0, 1, 2, 0])

    assert [shown(o["vector"]) for o in observations] == [
        0,
        1,
        0,
        1,
        2,
    ]  # the third is already the second attempt's first
    assert [o["attempt_start"] for o in observations] == [1, 0, 1, 0, 0]
    assert [int(o["time"]) for o in observations] == [0, 1, 2, 3, 4]
    assert [o["previous_action"] for o in observations] == [5, 0, 1, 2, 0]  # 5: none yet
    assert [float(o["previous_reward"]) for o in observations] == [0, 10, 20, 30, 10]  # seen in the warm-up, too
    assert [reward for reward, *_ in steps] == [0, 0, 30, 10]  # paid in the second attempt only
    assert [info["raw_reward"] for *_, info in steps] == [1, 2, 3, 1]
    assert [info["attempt"] for *_, info in steps] == [0, 0, 1, 1]
    assert [info["paid"] for *_, info in steps] == [False, False, True, True]
    assert [terminated for _, terminated, _, _ in steps] == [False, False, False, True]
    assert not any(truncated for _, _, truncated, _ in steps)
    assert steps[-1][3]["trial"] == {
        "task_id": 0,
        "raw_return": 4.0,
        "attempt_returns": [3.0, 4.0],
        "cut": False,
        "length": 4,
    }
    assert steps[-1][3]["task_name"] == "count"
    assert all("trial" not in info for *_, info in steps[:-1])


def test_all_paid_attempts_count_in_the_return(counters: Suites) -> None:
    _, steps = play(counters(attempts=3, simulator={"length": 1}), [0, 1, 2])
    assert steps[-1][3]["trial"]["raw_return"] == 6.0
    assert [reward for reward, *_ in steps] == [1, 2, 3]


@pytest.mark.parametrize(
    ("ends", "terminated", "truncated"),
    [("terminated", True, False), ("truncated", False, True), ("both", True, False)],
)
def test_a_trial_ends_as_its_last_attempt_does(counters: Suites, ends: str, terminated: bool, truncated: bool) -> None:
    _, steps = play(counters(warmup_attempts=1, simulator={"length": 2, "ends": ends}), [0] * 4)
    assert [step[1:3] for step in steps[:-1]] == [(False, False)] * 3
    assert steps[-1][1:3] == (terminated, truncated)


def test_max_steps_truncates_the_whole_trial(counters: Suites) -> None:
    _, steps = play(counters(attempts=3, max_steps=4, simulator={"length": 3}), [0] * 4)
    assert steps[-1][1:3] == (False, True)
    assert steps[-1][3]["trial"]["attempt_returns"] == [3.0, 1.0] and steps[-1][3]["trial"]["cut"]


def test_a_horizon_ends_the_whole_trial_for_good(counters: Suites) -> None:
    _, steps = play(counters(attempts=3, max_steps=4, at_max_steps="terminate", simulator={"length": 3}), [0] * 4)
    assert steps[-1][1:3] == (True, False)
    with pytest.raises(ValueError, match="at_max_steps 'terminate' needs max_steps"):
        counters(at_max_steps="terminate")


def test_max_steps_at_a_boundary_shows_where_the_trial_would_go_on(
    counters: Suites, shown: Callable[[np.ndarray], int]
) -> None:
    observations, steps = play(counters(attempts=2, max_steps=3, simulator={"length": 3}), [0] * 3)
    assert steps[-1][1:3] == (False, True)
    assert observations[-1]["attempt_start"] == 1 and shown(observations[-1]["vector"]) == 0
    assert not steps[-1][3]["trial"]["cut"]  # the first attempt came to its own end


def test_max_steps_does_not_hide_a_termination(counters: Suites) -> None:
    _, steps = play(counters(max_steps=3, simulator={"length": 3}), [0] * 3)
    assert steps[-1][1:3] == (True, False)


def test_reward_scale_scales_the_trained_reward_alone(counters: Suites) -> None:
    plain, scaled = (play(counters(reward_scale=scale), [0, 1, 2]) for scale in (1.0, 0.25))
    for (reward, *_, info), (other_reward, *_, other_info) in zip(plain[1], scaled[1], strict=True):
        assert other_reward == 0.25 * reward
        assert other_info["raw_reward"] == info["raw_reward"]
    assert plain[1][-1][3]["trial"] == scaled[1][-1][3]["trial"]
    for one, other in zip(plain[0], scaled[0], strict=True):
        assert other["previous_reward"] == 0.25 * one["previous_reward"]


@pytest.mark.parametrize("instance", ["same", "fresh"])
def test_attempts_meet_the_same_instance_or_a_fresh_one(
    counters: Suites, shown: Callable[[np.ndarray], int], instance: str
) -> None:
    suite = counters(attempts=5, instance=instance, simulator={"length": 1, "hidden": True})
    observations, _ = play(suite, [0] * 4)
    assert len({shown(o["vector"]) for o in observations}) == (1 if instance == "same" else 5)
    again, _ = play(suite, [0] * 4, seed=1)
    assert shown(again[0]["vector"]) != shown(observations[0]["vector"])


def test_instances_do_not_depend_on_the_actions(counters: Suites, shown: Callable[[np.ndarray], int]) -> None:
    suite = counters(attempts=2, simulator={"length": 1, "hidden": True})
    seen = []
    for actions in ([0, 0], [4, 4]):  # 4 is replaced, which draws
        env = suite.make_env("count", seed=0)
        trials = []
        for _ in range(3):
            trials.append(shown(env.reset()[0]["vector"]))
            for action in actions:
                trials.append(shown(env.step(action)[0]["vector"]))
        seen.append(trials)
    assert seen[0] == seen[1]


def test_an_invalid_action_is_replaced_by_a_random_valid_one_and_flagged() -> None:
    simulators: list[Any] = []

    class Recorder(gymnasium.Env[int, int]):
        observation_space, action_space = spaces.Discrete(2), spaces.Discrete(3)

        def __init__(self) -> None:
            self.played: list[int] = []
            simulators.append(self)

        def reset(
            self, *, seed: int | None = None, options: dict[str, Any] | None = None
        ) -> tuple[int, dict[str, Any]]:
            return 0, {}

        def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
            self.played.append(action)
            return 0, 0.0, False, False, {}

    class Wide(Recorder):
        action_space = spaces.Discrete(5)

    suite = Suite(
        name="s", tasks=(Task(name="narrow", id="t:n", make=Recorder), Task(name="wide", id="t:w", make=Wide))
    )
    env = suite.make_env("narrow", seed=3)
    observation, _ = env.reset()
    assert observation["vector"][-1] == 0
    flags = []
    for action in [4, 2] * 300:
        observation, *_ = env.step(action)
        flags.append(observation["vector"][-1])
        assert observation["previous_action"] == action  # the choice, not its replacement
    assert flags == [1.0, 0.0] * 300
    played = simulators[-1].played
    assert set(played[1::2]) == {2}
    counts = np.bincount(played[0::2], minlength=3)
    assert counts.sum() == 300 and counts.min() > 70  # uniform: 100 each, standard deviation 8


def test_the_flag_outlives_an_attempt_boundary(counters: Suites) -> None:
    observations, _ = play(counters(attempts=2, simulator={"length": 1}), [4, 0])
    assert observations[1]["attempt_start"] == 1
    assert [o["vector"][-1] for o in observations] == [0.0, 1.0, 0.0]


def test_mask_mode_refuses_what_the_task_does_not_have(counters: Suites) -> None:
    suite = counters(invalid_actions="mask")
    assert suite.observation_space["vector"].shape == (1000,)  # no flag
    env = suite.make_env("count", seed=0)
    _, info = env.reset()
    assert info["action_mask"].tolist() == [True, True, True, False, False]
    _, _, _, _, info = env.step(2)
    assert info["action_mask"].tolist() == [True, True, True, False, False]
    with pytest.raises(ValueError, match=r"slot 0, task 'count': expected an action from 0 to 2 .*3 actions.*got 3"):
        env.step(3)


@pytest.mark.parametrize("action", [-1, 5, 1000])
def test_an_action_beyond_the_action_set_is_refused(counters: Suites, action: int) -> None:
    env = counters().make_env("count", seed=0)
    env.reset()
    with pytest.raises(ValueError, match=rf"slot 0, task 'count': expected an action from 0 to 4, got {action}"):
        env.step(action)


class Hostile(gymnasium.Env[Any, Any]):
    """Answers whatever it is told to at its second step."""

    def __init__(self, space: "spaces.Space[Any]", observation: Any = None, reward: Any = 0.0) -> None:
        self.observation_space, self.action_space = space, spaces.Discrete(2)
        self.good = np.zeros(space.shape, space.dtype) if space.shape else 0
        self.observation, self.reward = self.good if observation is None else observation, reward

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.count = 0
        return self.good, {}

    def step(self, action: Any) -> Any:
        self.count += 1
        if self.count < 2:
            return self.good, 0.0, False, False, {}
        if isinstance(self.observation, Exception):
            raise self.observation
        return self.observation, self.reward, False, False, {}


BOX, PLACE, PLACES = spaces.Box(-1, 1, (2,)), spaces.Discrete(3), spaces.MultiDiscrete([2, 3])
MANY_PLACES = spaces.MultiDiscrete([3] * 30)
LONG = spaces.Box(-1, 1, (100,))


@pytest.mark.parametrize(
    ("space", "observation", "reward", "says"),
    [
        (BOX, np.array([0, np.nan], np.float32), 0.0, "finite float32 numbers"),
        (BOX, np.array([np.inf, 0], np.float32), 0.0, "finite float32 numbers"),
        (BOX, np.array([1e300, 0.0]), 0.0, "finite float32 numbers"),
        (LONG, np.full(100, np.nan), 0.0, "finite float32 numbers"),
        (LONG, np.r_[np.zeros(99), -np.inf], 0.0, "finite float32 numbers"),
        (BOX, np.zeros(3, np.float32), 0.0, r"shape \(2,\), got shape \(3,\)"),
        (BOX, "left", 0.0, r"shape \(2,\), got shape \(\)"),
        (PLACE, 3, 0.0, "integer from 0 to 2, got 3"),
        (PLACE, -1, 0.0, "integer from 0 to 2, got -1"),
        (PLACE, 0.5, 0.0, "integer from 0 to 2, got 0.5"),
        (PLACE, (), 0.0, "TypeError"),
        (PLACES, np.array([1, 3]), 0.0, "integer from 0 to 2, got 3"),
        (PLACES, np.array([1, -1]), 0.0, "integer from 0 to 2, got -1"),
        (PLACES, np.array([1.0, np.nan]), 0.0, "integer from 0 to 2, got nan"),
        (MANY_PLACES, np.r_[np.zeros(29, int), 3], 0.0, "integer from 0 to 2, got 3"),
        (MANY_PLACES, np.r_[np.zeros(29), np.nan], 0.0, "integer from 0 to 2, got nan"),
        (PLACES, np.array([1]), 0.0, r"shape \(2,\), got shape \(1,\)"),
        (BOX, None, float("nan"), "finite float32 once scaled, got nan"),
        (BOX, None, np.float64("inf"), "finite float32 once scaled, got inf"),
        (BOX, None, -1e39, "finite float32 once scaled, got -1e"),
        (BOX, None, None, "expected a number as reward, got None of type NoneType"),
        (BOX, None, "1", "expected a number as reward, got '1' of type str"),
        (BOX, None, 1j, "expected a number as reward"),
        (BOX, None, np.zeros(2), "expected a number as reward"),
        (BOX, KeyError("board"), 0.0, "KeyError: 'board'"),
    ],
)
def test_a_simulator_fault_names_task_seed_and_step(space: Any, observation: Any, reward: Any, says: str) -> None:
    task = Task(name="bad", id="t:bad", make=lambda: Hostile(space, observation, reward))
    env = Suite(name="s", tasks=(task,)).make_env("bad", seed=0)
    env.reset()
    env.step(0)
    with pytest.raises(
        SimulatorError, match=rf"task 'bad' \(simulator reset with seed \d+, attempt 0, step 1.*{says}"
    ) as caught:
        env.step(0)
    assert caught.value.__cause__ is not None
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset()  # and goes on with a new simulator
    env.step(0)


def test_a_fault_in_reset_names_task_and_seed() -> None:
    class Broken(Hostile):
        def reset(self, **_: Any) -> Any:
            return np.array([np.nan, 0.0]), {}

    env = Suite(name="s", tasks=(Task(name="bad", id="t:bad", make=lambda: Broken(BOX)),)).make_env("bad", seed=0)
    with pytest.raises(SimulatorError, match=r"task 'bad' \(simulator reset with seed \d+"):
        env.reset()


def test_a_reward_that_its_scale_lifts_out_of_range_is_a_fault() -> None:
    task = Task(name="bad", id="t:bad", make=lambda: Hostile(BOX, None, 1e38), reward_scale=100.0)
    env = Suite(name="s", tasks=(task,)).make_env("bad", seed=0)
    env.reset()
    env.step(0)
    with pytest.raises(SimulatorError, match="finite float32 once scaled"):
        env.step(0)


@pytest.mark.parametrize("reward", [1, True, np.float32(1), np.int8(1), np.bool_(True), np.array(1.0)])
def test_every_kind_of_number_is_a_reward(reward: Any) -> None:
    env = Suite(name="s", tasks=(Task(name="t", id="t:t", make=lambda: Hostile(BOX, None, reward)),)).make_env(
        0, seed=0
    )
    env.reset()
    env.step(0)
    assert env.step(0)[1] == 1.0
