"""Suites: one space for all tasks, and errors that name what is wrong."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from tasks.registry import load_suite
from tasks.suite import Suite
from tasks.task import Task

Suites = Callable[..., Suite]


def test_spaces_are_padded_to_the_widest_task(counters: Suites) -> None:
    suite = counters()
    assert suite.num_actions == 5 and suite.observation_widths == (1000, 1000)
    assert suite.action_mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert suite.observation_space["vector"].shape == (1001,)
    assert suite.observation_space["previous_action"] == spaces.Discrete(6)
    assert not suite.action_mask.flags.writeable


def test_padding_is_zero() -> None:
    suite = load_suite("popgym-27")
    envs = suite.make_vector(8, seed=0)
    observation, infos = envs.reset()
    tasks, generator = infos["task_id"], np.random.default_rng(0)
    for _ in range(300):
        for row, task in zip(observation["vector"], tasks, strict=True):
            assert not row[suite.observation_widths[task] : -1].any()
        observation, *_, infos = envs.step(generator.integers(27, size=8))
        tasks = infos["next_task_id"]


def test_reward_scales_replace_and_leave_the_others() -> None:
    suite = load_suite("popgym-quick").with_reward_scales({"RepeatFirstEasy": 100.0})
    assert [task.reward_scale for task in suite.tasks] == [100.0, 1.0, 1.0, 1.0, 1.0]
    assert suite.with_reward_scales({"RepeatFirstEasy": 0.1}).tasks[0].reward_scale == 0.1
    with pytest.raises(ValueError, match="did you mean RepeatFirstEasy"):
        suite.with_reward_scales({"RepeatFirst": 2.0})


def test_a_suite_is_loaded_with_other_weights_scales_and_fewer_tasks() -> None:
    """What is said of tasks that are left out is no mistake; a name that the suite never had is one."""
    suite = load_suite(
        "popgym-quick",
        only=("HigherLowerEasy", "RepeatFirstEasy"),
        weights={"RepeatFirstEasy": 3.0, "RepeatPreviousEasy": 2.0},
        reward_scales={"HigherLowerEasy": 10.0, "MultiarmedBanditEasy": 0.1},
    )
    assert [(t.name, t.weight, t.reward_scale) for t in suite.tasks] == [
        ("HigherLowerEasy", 1.0, 10.0),
        ("RepeatFirstEasy", 3.0, 1.0),
    ]
    for wrong in ({"only": ("RepeatFirst",)}, {"weights": {"RepeatFirst": 2.0}}):
        with pytest.raises(ValueError, match="did you mean RepeatFirstEasy"):
            load_suite("popgym-quick", **wrong)  # type: ignore[arg-type]


def test_a_subset_keeps_the_order_asked_for() -> None:
    suite = load_suite("popgym-27").subset(["MineSweeperEasy", "AutoencodeEasy"])
    assert suite.task_names == ("MineSweeperEasy", "AutoencodeEasy")
    assert suite.num_actions == 16


def test_a_task_is_found_by_name_or_place(counters: Suites) -> None:
    suite = counters()
    assert suite.task_id("wide") == suite.task_id(1) == 1
    with pytest.raises(ValueError, match=r"suite 'counters' has no task 'wid'; did you mean wide\?"):
        suite.task_id("wid")
    with pytest.raises(ValueError, match="has 2 tasks, 0 to 1; got -1"):
        suite.make_env(-1, seed=0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"name": ""}, "needs a name"),
        ({"id": "AutoencodeEasy"}, "expected an id 'source:name'"),
        ({"reward_scale": 0.0}, "finite number above 0"),
        ({"reward_scale": float("nan")}, "finite number above 0"),
        ({"attempts": 0}, "attempts >= 1"),
        ({"warmup_attempts": -1}, "warmup_attempts >= 0"),
        ({"instance": "new"}, "'fresh' or 'same', got 'new'"),
        ({"max_steps": 0}, "max_steps must be at least 1"),
        ({"weight": 0.0}, "weight must be a finite number above 0"),
        ({"seeds": (5, 5)}, "0 <= low < high"),
        ({"test_seeds": (-1, 5)}, "0 <= low < high"),
    ],
)
def test_a_task_refuses_nonsense(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Task(**({"name": "t", "id": "s:t"} | settings))


def test_a_suite_refuses_nonsense() -> None:
    task = Task(name="t", id="s:t")
    with pytest.raises(ValueError, match="has no tasks"):
        Suite(name="s", tasks=())
    with pytest.raises(ValueError, match="found twice: t"):
        Suite(name="s", tasks=(task, task))
    with pytest.raises(ValueError, match="'random' or 'mask', got 'clip'"):
        Suite(name="s", tasks=(task,), invalid_actions="clip")  # type: ignore[arg-type]


def test_an_unplayable_simulator_is_named(counter: type) -> None:
    class Endless(counter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.action_space = spaces.Box(-np.inf, np.inf, (1,))

    suite = Suite(name="s", tasks=(Task(name="lever", id="t:lever", make=Endless),))
    with pytest.raises(ValueError, match="task 'lever': expected continuous actions with finite bounds"):
        suite.make_env(0, seed=0)


def test_continuous_and_discrete_tasks_do_not_mix(counter: type) -> None:
    class Lever(counter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.action_space = spaces.Box(-1, 1, (1,))

    tasks = (Task(name="lever", id="t:lever", make=Lever), Task(name="count", id="t:count", make=counter))
    with pytest.raises(ValueError, match="in all tasks or in none; they are in lever, and discrete in count"):
        _ = Suite(name="s", tasks=tasks).num_actions


def test_the_package_exports_what_it_lists() -> None:
    import tasks

    assert tasks.Suite is Suite and tasks.load_suite is load_suite
    assert all(getattr(tasks, name) is not None for name in tasks._EXPORTS)
    with pytest.raises(AttributeError, match="no attribute 'suites'"):
        _ = tasks.suites


def test_a_suite_that_has_been_played_can_be_pickled() -> None:
    suite = load_suite("point-robot")
    envs = suite.make_vector(2, seed=0)
    envs.reset()
    envs.step(np.zeros((2, 2), np.float32))
    assert pickle.loads(pickle.dumps(suite)).observation_space == suite.observation_space
