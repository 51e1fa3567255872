"""Many trials side by side: the same bits on any number of slots, and exact continuation."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from tasks.registry import load_suite
from tasks.suite import Suite
from tasks.trial import SimulatorError
from tasks.vector import SuiteVectorEnv


@pytest.fixture(scope="module")
def popgym_27() -> Suite:
    return load_suite("popgym-27")


def actions_of(suite: Suite, num_slots: int, steps: int, *, seed: int = 0) -> NDArray[np.int64]:
    """``[step, slot]``; a slot's own sequence, whatever the number of slots."""
    columns = [np.random.default_rng([seed, slot]).integers(suite.num_actions, size=steps) for slot in range(num_slots)]
    return np.stack(columns, axis=1)


def record(envs: SuiteVectorEnv, actions: NDArray[np.int64]) -> list[list[Any]]:
    """Everything that each slot sees, by slot."""
    seen: list[list[Any]] = [[] for _ in range(envs.num_envs)]
    for row in actions:
        observation, reward, terminated, truncated, infos = envs.step(row)
        trials = dict(infos.get("trials", ()))
        for slot, stream in enumerate(seen):
            over = terminated[slot] or truncated[slot]
            stream.append(
                (
                    {key: value[slot].tobytes() for key, value in observation.items()},
                    (reward[slot].tobytes(), bool(terminated[slot]), bool(truncated[slot])),
                    [
                        infos[key][slot].tobytes()
                        for key in ("raw_reward", "attempt", "paid", "task_id", "next_task_id")
                    ],
                    {key: value[slot].tobytes() for key, value in infos["final_obs"].items()} if over else None,
                    trials.get(slot),
                )
            )
            assert over == (slot in trials)
    return seen


@pytest.mark.parametrize("fixed", [False, True])
def test_a_slot_sees_the_same_bits_on_any_number_of_slots(popgym_27: Suite, fixed: bool) -> None:
    streams = {}
    for num_slots in (1, 3, 8):
        tasks = [(5 * slot) % 27 for slot in range(num_slots)] if fixed else None
        envs = popgym_27.make_vector(num_slots, seed=7, task_of_slot=tasks)
        envs.reset()
        streams[num_slots] = record(envs, actions_of(popgym_27, num_slots, 1500))
    assert streams[1] == streams[3][:1]
    assert streams[3] == streams[8][:3]
    assert streams[8][0] != streams[8][1]


def test_reset_with_a_seed_repeats_the_stream_and_another_seed_does_not(popgym_27: Suite) -> None:
    envs, actions = popgym_27.make_vector(2, seed=1), actions_of(popgym_27, 2, 200)
    envs.reset()
    one = record(envs, actions)
    envs.reset(seed=1)
    assert record(envs, actions) == one
    envs.reset(seed=2)
    assert record(envs, actions) != one


def test_one_task_alone_is_slot_zero_of_a_vector(popgym_27: Suite) -> None:
    task = popgym_27.task_id("MineSweeperEasy")
    env, envs = popgym_27.make_env(task, seed=3), popgym_27.make_vector(1, seed=3, task_of_slot=[task])
    one, many = env.reset()[0], envs.reset()[0]
    for action in actions_of(popgym_27, 1, 300)[:, 0]:
        for key, value in one.items():
            np.testing.assert_array_equal(value, many[key][0])
        one, reward, terminated, truncated, _ = env.step(int(action))
        many, rewards, terminations, truncations, _ = envs.step(np.array([action]))
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        if terminated or truncated:
            one, _ = env.reset()


@pytest.mark.parametrize("invalid_actions", ["random", "mask"])
def test_a_loaded_state_goes_on_with_the_same_bits(invalid_actions: str) -> None:
    suite = load_suite("popgym-27", invalid_actions=invalid_actions)
    envs = suite.make_vector(5, seed=11)
    observation, infos = envs.reset()
    actions = actions_of(suite, 5, 500) if invalid_actions == "random" else np.zeros((500, 5), np.int64)
    record(envs, actions[:217])
    state = json.loads(json.dumps(envs.state_dict()))
    observation, _, _, _, infos = envs.step(actions[217])
    other = suite.make_vector(5, seed=999)
    other.load_state_dict(state)
    again, _, _, _, other_infos = other.step(actions[217])
    for key, value in observation.items():
        assert value.tobytes() == again[key].tobytes()
    assert (infos["next_task_id"] == other_infos["next_task_id"]).all()
    assert record(envs, actions[218:]) == record(other, actions[218:])


def test_loading_returns_the_observation_of_that_moment(popgym_27: Suite) -> None:
    envs = popgym_27.make_vector(4, seed=0)
    envs.reset()
    for row in actions_of(popgym_27, 4, 60):
        observation, _, _, _, infos = envs.step(row)
    loaded, loaded_infos = popgym_27.make_vector(4, seed=1).load_state_dict(envs.state_dict())
    for key, value in observation.items():
        np.testing.assert_array_equal(value, loaded[key])
    np.testing.assert_array_equal(infos["next_task_id"], loaded_infos["task_id"])


def test_a_foreign_state_is_refused(popgym_27: Suite, counters: Callable[..., Suite]) -> None:
    envs = popgym_27.make_vector(2, seed=0)
    with pytest.raises(ResetNeeded):
        envs.state_dict()
    envs.reset()
    state = envs.state_dict()
    with pytest.raises(ValueError, match="2 slots, this environment has 3"):
        popgym_27.make_vector(3, seed=0).load_state_dict(state)
    with pytest.raises(ValueError, match="another suite: its tasks"):
        counters().make_vector(2, seed=0).load_state_dict(state)
    with pytest.raises(ValueError, match="its invalid_actions is random, expected mask"):
        load_suite("popgym-27", invalid_actions="mask").make_vector(2, seed=0).load_state_dict(state)
    with pytest.raises(ValueError, match="its task_of_slot is None"):
        popgym_27.make_vector(2, seed=0, task_of_slot=[0, 0]).load_state_dict(state)
    with pytest.raises(ValueError, match="'slots' and 'protocol'"):
        envs.load_state_dict({})


def test_infos_and_final_observation_worked_by_hand(
    counters: Callable[..., Suite], shown: Callable[[np.ndarray], int]
) -> None:
    envs = counters(warmup_attempts=1, reward_scale=2.0, simulator={"length": 1}).make_vector(
        2, seed=0, task_of_slot=[0, 1]
    )
    _, infos = envs.reset()
    assert infos["task_id"].tolist() == [0, 1]
    observation, reward, terminated, truncated, infos = envs.step(np.array([2, 1]))
    assert (reward.tolist(), infos["raw_reward"].tolist(), infos["paid"].tolist()) == ([0, 2], [3, 2], [False, True])
    assert observation["attempt_start"].tolist() == [1, 0]
    assert not terminated.any() and not truncated.any() and "final_obs" not in infos and "trials" not in infos
    observation, reward, terminated, truncated, infos = envs.step(np.array([1, 0]))
    assert (reward.tolist(), terminated.tolist(), truncated.tolist()) == ([4, 1], [True, True], [False, False])
    assert [shown(row) for row in infos["final_obs"]["vector"]] == [1, 2]
    assert infos["final_obs"]["time"].tolist() == [2, 2]
    assert infos["final_obs"]["previous_reward"].tolist() == [4, 1]
    assert [shown(row) for row in observation["vector"]] == [0, 0]  # already the next trial
    assert observation["time"].tolist() == [0, 0] and observation["attempt_start"].tolist() == [1, 1]
    assert observation["previous_action"].tolist() == [5, 5] and observation["previous_reward"].tolist() == [0, 0]
    assert infos["trials"] == [
        (0, {"task_id": 0, "raw_return": 2.0, "attempt_returns": [3.0, 2.0], "cut": False, "length": 2}),
        (1, {"task_id": 1, "raw_return": 3.0, "attempt_returns": [3.0], "cut": False, "length": 2}),
    ]


def test_tasks_are_drawn_uniformly_and_named_by_the_infos(counters: Callable[..., Suite]) -> None:
    envs = counters(simulator={"length": 2}).make_vector(4, seed=0)
    _, infos = envs.reset()
    now, counts = infos["task_id"], np.zeros(2, int)
    for _ in range(400):
        *_, infos = envs.step(np.zeros(4, int))
        assert (infos["task_id"] == now).all()
        for _, trial in infos.get("trials", ()):
            counts[trial["task_id"]] += 1
        now = infos["next_task_id"]
    assert counts.sum() == 800 and counts.min() > 340


def test_it_is_a_gymnasium_vector_environment(popgym_27: Suite) -> None:
    envs = popgym_27.make_vector(3, seed=0)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    observation, _ = envs.reset()
    assert envs.observation_space.contains(observation)
    assert envs.single_action_space.n == popgym_27.num_actions == 27
    observation, reward, terminated, truncated, infos = envs.step(envs.action_space.sample())
    assert envs.observation_space.contains(observation)
    assert (reward.dtype, terminated.dtype, truncated.dtype) == (np.float32, bool, bool)
    dtypes = {key: infos[key].dtype for key in ("raw_reward", "attempt", "paid", "task_id", "next_task_id")}
    assert dtypes == {
        "raw_reward": np.float32,
        "attempt": np.int32,
        "paid": bool,
        "task_id": np.int32,
        "next_task_id": np.int32,
    }
    envs.close()
    with pytest.raises(ResetNeeded):
        envs.step(envs.action_space.sample())


def test_returned_arrays_stay_as_they_were(popgym_27: Suite) -> None:
    envs = popgym_27.make_vector(2, seed=0)
    observation, _ = envs.reset()
    kept = {key: value.copy() for key, value in observation.items()}
    for row in actions_of(popgym_27, 2, 20):
        envs.step(row)
    for key, value in kept.items():
        np.testing.assert_array_equal(observation[key], value)


def test_a_refused_action_moves_no_slot(popgym_27: Suite) -> None:
    envs, twin = (popgym_27.make_vector(2, seed=0, task_of_slot=[0, 1]) for _ in range(2))
    envs.reset()
    twin.reset()
    with pytest.raises(ValueError, match="slot 1, task 'AutoencodeMedium': expected an action from 0 to 26, got 27"):
        envs.step(np.array([0, 27]))
    for row in actions_of(popgym_27, 2, 5):
        np.testing.assert_array_equal(envs.step(row)[0]["vector"], twin.step(row)[0]["vector"])


def test_mask_mode_tells_and_checks_each_slots_own_actions() -> None:
    suite = load_suite("popgym-27", invalid_actions="mask")
    envs = suite.make_vector(2, seed=0, task_of_slot=[0, suite.task_id("CountRecallEasy")])
    _, infos = envs.reset()
    assert infos["action_mask"].sum(axis=1).tolist() == [4, 27]
    *_, infos = envs.step(np.array([3, 26]))
    assert infos["action_mask"].sum(axis=1).tolist() == [4, 27]
    with pytest.raises(ValueError, match=r"slot 0, task 'AutoencodeEasy': expected an action from 0 to 3 .*got 4"):
        envs.step(np.array([4, 0]))


@pytest.mark.parametrize(
    "actions", [np.zeros(3, int), np.zeros(2), np.zeros((2, 1), int), np.zeros(2, bool), ["a", "b"]]
)
def test_actions_of_another_shape_or_kind_are_refused(popgym_27: Suite, actions: Any) -> None:
    envs = popgym_27.make_vector(2, seed=0)
    envs.reset()
    with pytest.raises(ValueError, match="expected 2 integers as actions, one a slot"):
        envs.step(actions)


def test_after_a_simulator_fault_the_vector_asks_for_reset(counters: Callable[..., Suite], counter: type) -> None:
    class Fragile(counter):  # type: ignore[misc]
        def step(self, action: int) -> Any:
            if action == 2:
                raise RuntimeError("board lost")
            return super().step(action)

    from tasks.task import Task

    suite = Suite(name="s", tasks=(Task(name="fragile", id="t:f", make=Fragile),))
    envs = suite.make_vector(2, seed=0)
    envs.reset()
    with pytest.raises(SimulatorError, match=r"task 'fragile'.*RuntimeError: board lost"):
        envs.step(np.array([0, 2]))
    with pytest.raises(ResetNeeded):
        envs.step(np.array([0, 0]))
    envs.reset()
    envs.step(np.array([0, 0]))


def test_nonsense_settings_are_refused(popgym_27: Suite) -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        popgym_27.make_vector(0, seed=0)
    with pytest.raises(ValueError, match="a task for each of 2 slots, got 1"):
        popgym_27.make_vector(2, seed=0, task_of_slot=[0])
    with pytest.raises(ValueError, match="27 tasks, 0 to 26; got 27"):
        popgym_27.make_vector(1, seed=0, task_of_slot=[27])
