"""Tasks and suites of a package that is installed beside the repository, which knows nothing of it."""

import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from tasks.compose.check import check_suite_file
from tasks.compose.extras import missing_extra
from tasks.compose.plugins import SOURCE_GROUP, SUITE_GROUP, plugins
from tasks.registry import SUITES, find_source, load_suite, make_simulator
from tests.tasks.compose.conftest import Write

EXAMPLE = Path(__file__).parents[3] / "docs" / "suites.md"
ENTRY_POINTS = f"""
[{SOURCE_GROUP}]
corridor = corridors.tasks:Corridor
broken = corridors.missing:Nothing
hollow = corridors.tasks:Hallway
[{SUITE_GROUP}]
corridors-2 = corridors.tasks:corridors_2
"""
METADATA = """
Metadata-Version: 2.1
Name: corridors
Version: 1.0
Provides-Extra: maps
Requires-Dist: no-such-map-package>=1; extra == "maps"
"""


def example() -> str:
    """The module that the documentation shows."""
    text = EXAMPLE.read_text()
    start = text.index("```python\n# corridors/tasks.py")
    return text[start + len("```python\n") : text.index("```", start + 10)]


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What `pip install` leaves behind: the package and its dist-info, in a folder on the path."""
    site = tmp_path_factory.mktemp("site")
    (site / "corridors").mkdir()
    (site / "corridors" / "__init__.py").write_text('"""A third party."""\n')
    (site / "corridors" / "tasks.py").write_text(example())
    info = site / "corridors-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA.lstrip())
    (info / "entry_points.txt").write_text(ENTRY_POINTS.lstrip())
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    yield site
    sys.path.remove(str(site))
    for name in [name for name in sys.modules if name.partition(".")[0] == "corridors"]:
        del sys.modules[name]


def test_announcing_imports_nothing() -> None:
    sys.modules.pop("corridors", None)
    assert {"corridor", "broken"} <= set(plugins(SOURCE_GROUP)) and "corridors-2" in plugins(SUITE_GROUP)
    assert "corridors" not in sys.modules
    assert "corridors-2" not in SUITES


def test_a_third_partys_task_is_played_like_any_other() -> None:
    suite = load_suite("corridor:long")
    env = suite.make_env(0, seed=0)
    env.reset()
    steps, over = 0, False
    while not over:
        _, reward, terminated, truncated, _ = env.step(1)
        steps, over = steps + 1, terminated or truncated
    assert (steps, reward, terminated) == (20, 1.0, True)


def test_a_third_partys_suite_is_found_by_name() -> None:
    suite = load_suite("corridors-2")
    assert (suite.name, suite.task_names) == ("corridors-2", ("short", "long"))


def test_its_tasks_stand_beside_ours_in_a_file(write: Write) -> None:
    path = write("""
        include: {suite: corridors-2, prefix: theirs/}
        invalid_actions: mask
        tasks:
        - popgym:HigherLowerEasy
        - id: corridor:long
          options: {length: 3}
        - id: custom:made
          name: made
          make: corridors.tasks:Hallway
          options: {length: 4}
        """)
    checked = check_suite_file(path)
    assert checked.problems == () and checked.suite is not None
    suite = checked.suite
    assert suite.task_names == ("theirs/short", "theirs/long", "HigherLowerEasy", "long", "made")
    assert [task.id for task in suite.tasks[-2:]] == ["corridor:long", "custom:made"]
    envs = suite.make_vector(5, seed=0, task_of_slot=range(5))
    envs.reset()
    ended: set[int] = set()
    for step in range(1, 5):
        *_, infos = envs.step(np.array([1, 1, 1, 1, 1]))
        ended |= {slot for slot, _ in infos.get("trials", ()) if (slot, step) in {(3, 3), (4, 4)}}
    assert ended == {3, 4}  # the corridors of three and four steps


def test_a_task_made_by_a_factory_can_be_sent_to_another_process(write: Write) -> None:
    path = write("tasks: [{make: corridors.tasks:Hallway, options: {length: 4}}]")
    (task,) = load_suite(str(path)).tasks
    assert (task.name, task.id) == ("Hallway", "custom:Hallway")
    assert make_simulator(pickle.loads(pickle.dumps(task))).length == 4  # type: ignore[attr-defined]


def test_options_of_an_included_factory_are_changed(write: Write) -> None:
    write("tasks: [{make: corridors.tasks:Hallway, name: hall, options: {length: 4}}]", "inner.yaml")
    path = write("include: {suite: inner.yaml, options: {length: 7}}")
    (task,) = load_suite(str(path)).tasks
    assert make_simulator(task).length == 7 and dict(task.options) == {"length": 7}  # type: ignore[attr-defined]
    bad = write("include: {suite: inner.yaml, options: {lenth: 7}}")
    with pytest.raises(ValueError, match=r"'lenth'; did you mean length\?"):
        load_suite(str(bad))


def test_names_near_a_third_partys_are_offered() -> None:
    with pytest.raises(ValueError, match="unknown source of tasks 'coridor'; did you mean corridor"):
        load_suite("coridor:long")
    with pytest.raises(ValueError, match="unknown suite 'coridors-2'; did you mean corridors-2"):
        load_suite("coridors-2")
    with pytest.raises(ValueError, match="unknown corridor 'lang'; did you mean long"):
        load_suite("corridor:lang")


def test_a_broken_plugin_is_named_with_its_package(write: Write) -> None:
    with pytest.raises(ImportError, match=r"'broken' of corridors \(corridors.missing:Nothing\) cannot be imported"):
        find_source("broken")
    with pytest.raises(ValueError, match=r"'hollow' of corridors .*: expected a class with task\(name\), make\(name\)"):
        find_source("hollow")
    problems = check_suite_file(write("tasks:\n- broken:x\n- hollow:y\n- corridor:lang")).problems
    assert [problem.place.line for problem in problems] == [2, 3, 4]


def test_a_missing_extra_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    source = find_source("corridor")
    monkeypatch.setattr(source, "extra", "maps")
    found = missing_extra("corridor", source)
    assert found is not None
    assert "needs no-such-map-package, which is not installed" in found and "pip install 'corridors[maps]'" in found
    path = write("tasks:\n- corridor:long")
    checked = check_suite_file(path)
    (problem,) = checked.problems
    assert checked.suite is None and not checked.spaces
    assert problem.place.line == 2 and "no-such-map-package" in problem.what and "corridors[maps]" in problem.remedy
    assert load_suite(str(path)).task_names == ("long",)  # it can be listed all the same
    (problem,) = check_suite_file(write("include: corridors-2")).problems
    assert problem.place.line == 1 and "no-such-map-package" in problem.what


def test_our_own_extras_are_read_from_our_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    source = type("Source", (), {"extra": "dev"})
    assert missing_extra("popgym", source) is None
    monkeypatch.setattr("tasks.compose.extras._installed", lambda name: name != "hypothesis")
    found = missing_extra("popgym", source)
    assert found is not None and found.startswith("needs hypothesis, which is not installed")


def test_a_factory_that_raises_is_a_problem_of_its_line(write: Write, installed: Path) -> None:
    (installed / "corridors" / "faulty.py").write_text(
        dedent("""
        import gymnasium

        class Faulty(gymnasium.Env):
            def __init__(self):
                raise RuntimeError("no licence")
        """)
    )
    importlib.invalidate_caches()
    (problem,) = check_suite_file(write("tasks:\n- gym:CartPole-v1\n- make: corridors.faulty:Faulty")).problems
    assert problem.place.line == 3 and problem.what == "task 'Faulty': RuntimeError: no licence"
