"""What a suite file means: defaults, includes, names, splits; and the same in Python."""

from dataclasses import replace
from pathlib import Path

import pytest

import tasks
from tasks.compose.parts import compose, including
from tasks.gym_source import Gym
from tasks.registry import SOURCES, load_suite
from tasks.suite import Suite
from tests.tasks.compose.conftest import Load, Write

FILES = sorted((Path(tasks.__file__).parent / "suites").glob("*.yaml"))


def test_an_entry_sets_every_field_of_its_task(load: Load) -> None:
    suite = load("""
        name: all
        description: Everything at once.
        invalid_actions: mask
        sampling: weighted
        tasks:
        - id: gym:CartPole-v1
          name: pole
          options: {sutton_barto_reward: true}
          reward_scale: 1e-2
          attempts: 2
          warmup_attempts: 1
          instance: same
          max_steps: 300
          seeds: [0, 100]
          test_seeds: [100, 200]
          weight: 2
        """)
    (task,) = suite.tasks
    expected = replace(
        Gym.task("CartPole-v1"),
        options={"sutton_barto_reward": True},
        reward_scale=0.01,
        attempts=2,
        warmup_attempts=1,
        instance="same",
        max_steps=300,
        seeds=(0, 100),
        test_seeds=(100, 200),
        weight=2.0,
        name="pole",
    )
    assert task == expected and task.id == "gym:CartPole-v1"
    assert (suite.name, suite.description) == ("all", "Everything at once.")
    assert (suite.invalid_actions, suite.sampling) == ("mask", "weighted")


def test_a_file_is_named_after_itself_and_drawn_uniformly(load: Load) -> None:
    suite = load("tasks: [popgym:HigherLowerEasy, gym:CartPole-v1]")
    assert (suite.name, suite.invalid_actions, suite.sampling) == ("mine", "random", "uniform")
    assert suite.task_names == ("HigherLowerEasy", "CartPole-v1")
    assert suite.tasks[0] == load_suite("popgym:HigherLowerEasy").tasks[0]


def test_an_entry_wins_over_defaults_and_its_options_are_added_to_theirs(load: Load) -> None:
    suite = load("""
        defaults: {attempts: 3, reward_scale: 10, options: {sutton_barto_reward: true}}
        tasks:
        - {id: gym:CartPole-v1, name: a}
        - {id: gym:CartPole-v1, name: b, attempts: 1, options: {sutton_barto_reward: false}}
        """)
    assert [(task.attempts, task.reward_scale) for task in suite.tasks] == [(3, 10.0), (1, 10.0)]
    assert [dict(task.options) for task in suite.tasks] == [
        {"sutton_barto_reward": True},
        {"sutton_barto_reward": False},
    ]


def test_defaults_do_not_reach_included_tasks(load: Load) -> None:
    suite = load("defaults: {attempts: 3}\ninclude: popgym-quick\ntasks: [gym:CartPole-v1]")
    assert [task.attempts for task in suite.tasks] == [1, 1, 1, 1, 1, 3]


def test_an_include_alone_is_the_suite_itself(load: Load) -> None:
    for name in ("popgym-27", "popgym-quick"):
        suite, original = load(f"include: {name}"), load_suite(name)
        assert (suite.tasks, suite.invalid_actions) == (original.tasks, original.invalid_actions)


def test_patterns_choose_every_task_that_they_match_once(load: Load) -> None:
    suite = load(
        """
        include:
        - suite: popgym-27
          only: ["*LowerEasy", "Repeat*Easy", RepeatFirstHard, "RepeatFirst????"]
        - suite: popgym-27
          except: ["*Easy", "*Medium", "Count*"]
          prefix: hard/
        """
    )
    names = [task.name for task in load_suite("popgym-27").tasks]
    repeat = [name for name in names if name in ("RepeatFirstEasy", "RepeatPreviousEasy")]
    first = ["HigherLowerEasy", *repeat, "RepeatFirstHard"]
    hard = [f"hard/{name}" for name in names if name.endswith("Hard") and not name.startswith("Count")]
    assert [task.name for task in suite.tasks] == first + hard
    in_python = including(load_suite("popgym-27"), only=["*LowerEasy", "Repeat*Easy"], without=["RepeatP*"])
    assert [task.name for task in in_python.tasks] == ["HigherLowerEasy", "RepeatFirstEasy"]


def test_only_except_rename_prefix_and_overrides(load: Load) -> None:
    suite = load("""
        invalid_actions: random
        include:
        - suite: popgym-quick
          only: [MultiarmedBanditEasy, HigherLowerEasy]
          rename: {HigherLowerEasy: cards}
          prefix: quick/
          reward_scale: 5
          change: {MultiarmedBanditEasy: {attempts: 4, reward_scale: 7}}
        - suite: popgym-27
          except: [MineSweeperEasy]
          warmup_attempts: 0
        """)
    assert suite.task_names[:2] == ("quick/MultiarmedBanditEasy", "cards")
    assert [(task.reward_scale, task.attempts) for task in suite.tasks[:2]] == [(5.0, 4), (5.0, 1)]
    assert suite.num_tasks == 28 and "MineSweeperEasy" not in suite.task_names
    assert {task.warmup_attempts for task in suite.tasks} == {0}
    assert suite.tasks[1].id == "popgym:HigherLowerEasy"


def test_the_short_form_of_one_include(load: Load) -> None:
    short = load("include: popgym-27\nexcept: [MineSweeperEasy]\nprefix: p/")
    long = load("include: [{suite: popgym-27, except: [MineSweeperEasy], prefix: p/}]")
    assert short.tasks == long.tasks and short.num_tasks == 26


def test_held_out_tasks_are_apart_and_stay_so_when_included(load: Load, write: Write) -> None:
    write("tasks: [gym:CartPole-v1, {id: gym:Acrobot-v1, split: test}]", "inner.yaml")
    suite = load("include: inner.yaml\ntasks: [{id: gym:MountainCar-v0, split: test}]")
    assert suite.task_names == ("CartPole-v1",)
    assert [task.name for task in suite.held_out] == ["Acrobot-v1", "MountainCar-v0"]
    assert load("include: {suite: inner.yaml, split: train}").held_out == ()


def test_files_are_sought_beside_the_one_that_includes(load: Load, write: Write) -> None:
    write("include: leaf.yaml", "deep/inner.yaml")
    write("tasks: [gym:CartPole-v1]", "deep/leaf.yaml")
    assert load("include: deep/inner.yaml").task_names == ("CartPole-v1",)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_is_found_by_its_name(path: Path) -> None:
    if path.stem == "mixed" and not {"babyai", "procgen"} <= set(SOURCES):
        pytest.skip("its simulators are not there")
    suite = load_suite(path.stem)
    assert suite.name == path.stem == load_suite(str(path)).name and suite.description


def test_load_suite_takes_a_file_and_its_overrides(write: Write) -> None:
    path = write("tasks: [gym:CartPole-v1]")
    suite = load_suite(str(path), invalid_actions="mask", attempts=2, reward_scales={"CartPole-v1": 4.0})
    assert (suite.invalid_actions, suite.tasks[0].attempts, suite.tasks[0].reward_scale) == ("mask", 2, 4.0)


# The same in Python


def test_python_composes_what_a_file_does(load: Load) -> None:
    quick = including(
        load_suite("popgym-quick"),
        only=["MultiarmedBanditEasy", "HigherLowerEasy"],
        rename={"HigherLowerEasy": "cards"},
        prefix="quick/",
        reward_scale=5.0,
    )
    poles = Suite(name="poles", tasks=(Gym.task("CartPole-v1", max_steps=500),), invalid_actions="mask")
    by_hand = compose("mine", [quick, poles], description="Of hand.")
    by_file = load("""
        description: Of hand.
        include:
        - suite: popgym-quick
          only: [MultiarmedBanditEasy, HigherLowerEasy]
          rename: {HigherLowerEasy: cards}
          prefix: quick/
          reward_scale: 5
        tasks: [{id: gym:CartPole-v1, max_steps: 500}]
        """)
    assert by_hand == by_file


def test_python_refuses_what_a_file_refuses() -> None:
    quick = load_suite("popgym-quick")
    with pytest.raises(ValueError, match="has no task 'HigherLower'; did you mean HigherLowerEasy"):
        including(quick, without=["HigherLower"])
    with pytest.raises(ValueError, match="different invalid_actions: mask and random; say invalid_actions="):
        compose("x", [quick, load_suite("popgym-27")])
    with pytest.raises(ValueError, match="HigherLowerEasy"):
        compose("x", [quick, quick])
    with pytest.raises(ValueError, match="at least one suite"):
        compose("x", [])
    with pytest.raises(ValueError, match="'train', 'test' or None"):
        including(quick, split="dev")
