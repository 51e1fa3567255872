"""What only the simulators show: spaces that cannot be flattened, kinds of actions, missing packages; and padding."""

from pathlib import Path
from typing import Any

import gymnasium
import pytest
from gymnasium import spaces

import tasks
from tasks.compose.check import check_suite_file
from tasks.compose.survey import padding, play, speed, task_spaces
from tasks.registry import SOURCES, load_suite
from tasks.suite import Suite
from tasks.task import Task
from tests.tasks.compose.conftest import Write


class Still(gymnasium.Env[Any, Any]):
    """Shows a sample of any space, takes any action, ends after three steps. Counts how often it is built."""

    built = 0

    def __init__(self, seen: str = "box", actions: str = "discrete") -> None:
        type(self).built += 1
        self.observation_space = {
            "box": spaces.Box(0, 1, (3,)),
            "text": spaces.Text(5),
            "dict": spaces.Dict({"a": spaces.Discrete(2), "b": spaces.MultiDiscrete([3, 2])}),
        }[seen]
        self.action_space = {
            "discrete": spaces.Discrete(4),
            "multi": spaces.MultiDiscrete([2, 3]),
            "box": spaces.Box(-2, 2, (3,)),
            "text": spaces.Text(5),
        }[actions]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return self.observation_space.sample(), 1.0, self.count == 3, False, {}


@pytest.fixture
def stills(monkeypatch: pytest.MonkeyPatch) -> type[Still]:
    """The class as a module's, so that a file can name it."""
    import types

    module = types.ModuleType("still_life")
    module.Still = Still  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "still_life", module)
    monkeypatch.setattr(Still, "built", 0)
    return Still


def entry(name: str, **options: str) -> str:
    return f"- {{make: still_life:Still, name: {name}, options: {options}}}\n"


def test_a_file_without_problems_builds_every_simulator_once(write: Write, stills: type[Still]) -> None:
    path = write("tasks:\n" + entry("a") + entry("b", seen="dict", actions="multi"))
    checked = check_suite_file(path)
    assert checked.problems == () and checked.suite is not None
    assert stills.built == 2
    assert {name: of_task.actions for name, of_task in checked.spaces.items()} == {"a": 4, "b": 6}


def test_a_text_with_problems_builds_nothing(write: Write, stills: type[Still]) -> None:
    path = write("tasks:\n" + entry("a") + entry("b", seen="text") + "- gym:Nothing-v0\n")
    (problem,) = check_suite_file(path).problems
    assert stills.built == 0 and problem.place.line == 4


def test_every_space_that_cannot_be_flattened_is_named_with_its_line(write: Write, stills: type[Still]) -> None:
    path = write("tasks:\n" + entry("fine") + entry("poem", seen="text") + entry("speech", actions="text"))
    problems = check_suite_file(path).problems
    assert [(problem.place.line, problem.what[:13]) for problem in problems] == [
        (3, "task 'poem': "),
        (4, "task 'speech'"),
    ]
    assert all("expected" in problem.what and problem.remedy for problem in problems)


def test_continuous_among_discrete_actions_is_a_problem(write: Write, stills: type[Still]) -> None:
    path = write("tasks:\n" + entry("a") + entry("b") + entry("lever", actions="box"))
    checked = check_suite_file(path)
    assert checked.suite is None
    (problem,) = checked.problems
    assert "'lever' has continuous actions, while 2 of the suite's tasks have discrete ones" in problem.what
    assert problem.place.line == 4 and "suite of their own" in problem.remedy
    alone = check_suite_file(write("tasks:\n" + entry("lever", actions="box") + "- gym:Pendulum-v1"))
    assert alone.problems == () and alone.suite is not None and alone.suite.continuous
    assert [of_task.actions for of_task in alone.spaces.values()] == [3, 1]


def test_a_missing_package_is_a_problem_with_what_to_install(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(_: Task) -> None:
        raise ImportError("labyrinths need the package mazelib: pip install mazelib")

    monkeypatch.setattr("tasks.compose.survey.make_simulator", make)
    (problem,) = check_suite_file(write("tasks:\n- popgym:LabyrinthEscapeEasy")).problems
    assert problem.place.line == 2 and "pip install mazelib" in problem.what and "install it" in problem.remedy


def test_padding_is_the_share_of_numbers_that_no_task_has(stills: type[Still]) -> None:
    suite = load_suite("classic-control")
    found = [task_spaces(suite, task) for task in suite.tasks]
    assert [of_task.observation["vector"] for of_task in found] == [(4,), (6,), (2,)]
    assert padding(suite, found) == pytest.approx([1 / 3, 0, 2 / 3])


def test_play_goes_on_from_trial_to_trial_with_the_tasks_own_actions(stills: type[Still]) -> None:
    suite = Suite(
        name="s", tasks=(Task(name="a", id="t:a", make=Still), Task(name="b", id="t:b", make=Still, attempts=2))
    )
    steps = play(suite, suite.tasks[1], seed=0)
    ends = [place for place in range(1, 25) if "trial" in next(steps)]
    assert ends == [6, 12, 18, 24]
    steps.close()
    assert speed(suite, suite.tasks[0], 0.01) > 0


@pytest.mark.parametrize("path", sorted((Path(tasks.__file__).parent / "suites").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_shipped_suites_are_fine(path: Path) -> None:
    if path.stem == "mixed" and not {"babyai", "procgen"} <= set(SOURCES):
        pytest.skip("its simulators are not there")
    checked = check_suite_file(path)
    assert checked.problems == () and checked.suite is not None
