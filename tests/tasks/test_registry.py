"""Names, overrides, and what a wrong name is answered with."""

import pytest

from tasks.registry import SUITES, load_suite, make_simulator, nearest
from tasks.task import Task


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_is_loaded_under_its_own_name(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name and suite.description


def test_a_single_task_is_a_suite() -> None:
    suite = load_suite("popgym:HigherLowerEasy")
    assert suite.name == "popgym:HigherLowerEasy" and suite.task_names == ("HigherLowerEasy",)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("popgym-28", r"unknown suite 'popgym-28'; did you mean popgym-27"),
        ("xyz", r"unknown suite 'xyz'; known are: popgym-27, popgym-quick, .*popgym:NAME, .*FILE.yaml"),
        ("popgym:autoencodeeasy", r"unknown popgym task 'autoencodeeasy'; did you mean AutoencodeEasy"),
        ("popgym:VelocityOnlyCartPoleEasy", r"did you mean VelocityOnlyCartpoleEasy"),
        ("popgim:AutoencodeEasy", r"unknown source of tasks 'popgim'; did you mean popgym"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load_suite(name)


def test_overrides_reach_every_task() -> None:
    suite = load_suite(
        "popgym-27", invalid_actions="mask", reward_scales={"MineSweeperEasy": 3.0}, attempts=4, warmup_attempts=0
    )
    assert suite.invalid_actions == "mask"
    assert {(task.attempts, task.warmup_attempts) for task in suite.tasks} == {(4, 0)}
    assert {task.name: task.reward_scale for task in suite.tasks if task.reward_scale != 1} == {"MineSweeperEasy": 3.0}


def test_nonsense_overrides_are_refused() -> None:
    with pytest.raises(ValueError, match="'random' or 'mask', got 'clip'"):
        load_suite("popgym-27", invalid_actions="clip")
    with pytest.raises(ValueError, match="attempts >= 1"):
        load_suite("popgym-27", attempts=0)
    with pytest.raises(ValueError, match="did you mean MineSweeperEasy"):
        load_suite("popgym-27", reward_scales={"MineSweeper": 1.0})


def test_a_simulator_without_a_source_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown source of tasks 'chess'"):
        make_simulator(Task(name="t", id="chess:t"))


def test_nearest_lists_everything_when_nothing_is_near() -> None:
    assert nearest("q", ["alpha", "beta"]) == "known are: alpha, beta"
