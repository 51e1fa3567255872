"""Suites whose tasks see different kinds of things, and continuous actions."""

import json

import numpy as np
import pytest

from tasks.suite import Suite
from tasks.task import Task
from tests.tasks.simulators import image, lever, mixed, numbers, words


def test_every_task_fills_its_own_keys_and_leaves_the_others_zero() -> None:
    suite = mixed()
    assert suite.keys == ("grid", "image", "tokens", "vector")
    assert suite.present.tolist() == [[0, 1, 0, 1], [0, 1, 0, 1], [1, 0, 1, 1], [0, 0, 0, 1]]  # all have the flag
    space = suite.observation_space
    assert space["image"].shape == (20, 20, 3) and space["image"].dtype == np.uint8
    assert space["present"].shape == (4,)
    envs = suite.make_vector(6, seed=3)
    observation, infos = envs.reset()
    generator = np.random.default_rng(0)
    met = set()
    for _ in range(80):
        for i, task in enumerate(infos.get("next_task_id", infos["task_id"])):
            met.add(int(task))
            assert observation["present"][i].tolist() == suite.present[task].tolist()
            for key in ("grid", "image", "tokens"):
                assert bool(observation[key][i].any()) == (key in suite.interfaces[task].keys)
            if task == 0:
                assert not observation["image"][i, 16:].any() and not observation["image"][i, :, 16:].any()
            assert bool(observation["vector"][i, :-1].any()) == (task == 3)
        observation, *_, infos = envs.step(generator.integers(5, size=6))
        assert {key: value.dtype for key, value in observation.items()} == {
            key: part.dtype for key, part in space.spaces.items()
        }
    assert met == {0, 1, 2, 3}


def test_masked_suites_of_equal_keys_have_neither_flag_nor_presence() -> None:
    tasks = (Task(name="a", id="t:a", make=words), Task(name="b", id="t:b", make=words))
    for invalid in ("mask", "random"):
        keys = set(Suite(name="s", tasks=tasks, invalid_actions=invalid).observation_space.spaces)  # type: ignore[arg-type]
        assert keys == {"grid", "tokens", "previous_action", "previous_reward", "attempt_start", "time"}


def test_what_is_held_out_counts_for_the_spaces_and_is_never_drawn() -> None:
    held = Task(name="held", id="t:large", make=image, options={"size": 24, "actions": 7}, test_seeds=(100, 200))
    suite = Suite(name="s", tasks=(Task(name="t", id="t:small", make=image),), held_out=(held,))
    assert suite.observation_space["image"].shape == (24, 24, 3) and suite.num_actions == 7 and suite.num_tasks == 1
    test = suite.holdout()
    assert test is not None and test.task_names == ("held",) and test.tasks[0].seeds == (100, 200)
    assert test.observation_space == suite.observation_space and test.action_space == suite.action_space
    assert suite.testing().holdout() is None
    observation, _ = test.make_env(0, seed=0).reset()
    assert test.observation_space.contains(observation)


def test_training_and_testing_draw_from_their_own_seeds() -> None:
    task = Task(name="t", id="t:n", make=numbers, seeds=(0, 5), test_seeds=(5, 9), attempts=2)
    suite = Suite(name="s", tasks=(task,))
    for found, span in ((suite, range(5)), (suite.testing(), range(5, 9))):
        envs = found.make_vector(2, seed=0)
        envs.reset()
        drawn = set()
        for _ in range(200):
            drawn |= {seed for slot in envs._group.slots for seed in slot.seeds}  # type: ignore[union-attr]
            envs.step(np.zeros(2, np.int64))
        assert drawn == set(span)


def test_continuous_actions_are_scaled_padded_and_continued_exactly() -> None:
    tasks = (
        Task(name="two", id="t:two", make=lever, options={"size": 2, "high": 3.0}),
        Task(name="one", id="t:one", make=lever, options={"size": 1}),
    )
    suite = Suite(name="levers", tasks=tasks)
    assert suite.continuous and suite.action_space.shape == (2,)
    assert suite.action_mask.tolist() == [[True, True], [True, False]]
    assert suite.observation_space["previous_action"].shape == (2,) and suite.keys == ("vector",)
    envs = suite.make_vector(2, seed=0, task_of_slot=[0, 1])
    observation, _ = envs.reset()
    assert not observation["previous_action"].any()
    actions = np.array([[0.5, -1.0], [0.25, 0.75]], np.float32)
    observation, reward, *_ = envs.step(actions)
    np.testing.assert_allclose(reward, [1.5 - 3.0, 0.25])
    np.testing.assert_array_equal(observation["previous_action"], actions)
    state = json.loads(json.dumps(envs.state_dict()))
    again = suite.make_vector(2, seed=9, task_of_slot=[0, 1])
    resumed, _ = again.load_state_dict(state)
    assert all(np.array_equal(resumed[key], observation[key]) for key in observation)
    for wrong in (np.zeros((2, 3)), np.array([[0.0, np.nan], [0.0, 0.0]])):
        with pytest.raises(ValueError, match=r"expected .*numbers"):
            envs.step(wrong)
    env = suite.make_env("two", seed=0)
    env.reset()
    assert env.step(np.array([1.0, 1.0]))[1] == pytest.approx(6.0)


def test_the_attempt_is_told_to_simulators_that_ask_for_it() -> None:
    made = []

    def make(marks: bool) -> object:
        made.append(numbers())
        made[-1].marks_attempts = marks  # type: ignore[attr-defined]
        return made[-1]

    for marks in (True, False):
        task = Task(name="t", id="t:n", make=make, options={"marks": marks}, attempts=2, warmup_attempts=1)
        env = Suite(name="s", tasks=(task,)).make_env(0, seed=0)
        env.reset()
        for _ in range(14):
            env.step(0)
        expected = [{"attempt": 0}, {"attempt": 1}, {"attempt": 2}] if marks else [None] * 3
        assert made[-1].attempts == expected
