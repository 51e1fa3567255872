"""Every kind of mistake in a suite file: its line, what is wrong, what to do."""

from pathlib import Path

import pytest

from tasks.compose.problems import SuiteFileError
from tasks.compose.suite_file import load_suite_file
from tasks.registry import load_suite
from tests.tasks.compose.conftest import Write, Wrong

# A text, and the line, a part of the problem and a part of the remedy of its only mistake.
MISTAKES = [
    # keys
    ("samplng: uniform\ntasks: [gym:CartPole-v1]", 1, "unknown key 'samplng'", "did you mean sampling"),
    ("tasks:\n- id: gym:CartPole-v1\n  weigth: 2", 3, "unknown key 'weigth'", "did you mean weight"),
    ("defaults:\n  attempt: 2\ntasks: [gym:CartPole-v1]", 2, "unknown key 'attempt'", "did you mean attempts"),
    ("defaults:\n  id: a:b\ntasks: [gym:CartPole-v1]", 2, "unknown key 'id'", "known are"),
    ("include:\n- suite: popgym-quick\n  exept: []", 3, "unknown key 'exept'", "did you mean except"),
    (
        "tasks:\n- id: gym:CartPole-v1\n  attempts: 1\n  attempts: 2",
        4,
        "'attempts' stands twice, first in line 3",
        "leave",
    ),
    ("tasks: [gym:CartPole-v1]\n3: x", 2, "expected text as a key, found 3", "quotes"),
    ("tasks:\n- &a {id: gym:CartPole-v1}\n- <<: *a\n  id: gym:Acrobot-v1", 3, "merge key", "defaults:"),
    # names that nobody knows
    ("tasks: [popgym:AutoencodeEazy]", 1, "unknown popgym task 'AutoencodeEazy'", "did you mean AutoencodeEasy"),
    ("tasks: [gym:CartPol-v1]", 1, "unknown gym task 'CartPol-v1'", "did you mean CartPole-v1"),
    ("tasks:\n- popgim:AutoencodeEasy", 2, "unknown source of tasks 'popgim'", "did you mean popgym"),
    ("tasks:\n- popgym-27", 2, "expected a task's id 'source:name', found 'popgym-27'", "include:"),
    ("include: popgym-28", 1, "unknown suite 'popgym-28'", "did you mean popgym-27"),
    ("include:\n- missing.yaml", 2, "there is no file", "files are sought beside mine.yaml"),
    ("tasks:\n- id: gym:no_such_module:X-v0", 2, "'no_such_module' cannot be imported", "run.py suites"),
    # types
    ("- gym:CartPole-v1", 1, "expected keys such as tasks:, found a list", "docs/suites.md"),
    ("", 1, "found an empty file", "docs/suites.md"),
    ("tasks: gym:CartPole-v1", 1, "tasks: expected a list, found the text", "dash"),
    ("tasks: [gym:CartPole-v1, 3]", 1, "expected a task's id or a mapping with one, found 3", "popgym:"),
    ("tasks:\n- gym:CartPole-v1\n- {name: x}", 3, "a task without id", "id: source:name"),
    ("name: no\ntasks: [gym:CartPole-v1]", 1, "name: expected some text, found false", "quotes"),
    ("defaults: 3\ntasks: [gym:CartPole-v1]", 1, "defaults: expected a mapping, found 3", "attempts"),
    ("tasks: [gym:CartPole-v1]\ninclude: [3]", 2, "expected a suite's name", "popgym-27"),
    ("include: {suite: popgym-quick, except: 3}", 1, "except: expected a list of task names, found 3", "[A, B]"),
    ("include: {suite: popgym-quick, rename: [a]}", 1, "rename: expected a mapping", "{"),
    ("include: {suite: popgym-quick, rename: {HigherLowerEasy: 3}}", 1, "rename: expected a name, found 3", "quotes"),
    ("include: {suite: popgym-quick, prefix: 3}", 1, "prefix: expected some text, found 3", "quotes"),
    ("include: {suite: popgym-quick, change: 3}", 1, "change: expected a mapping", "{"),
    ("include: {suite: popgym-quick, change: {HigherLowerEasy: 3}}", 1, "change: expected settings", "reward_scale"),
    ("invalid_actions: clip\ntasks: [gym:CartPole-v1]", 1, "expected random or mask, found the text 'clip'", "mask"),
    ("sampling: unifrom\ntasks: [gym:CartPole-v1]", 1, "sampling: expected uniform or", "did you mean uniform"),
    (
        "tasks: [gym:CartPole-v1]\ndescription: !!python/name:os.system",
        2,
        "the tag !!python/name:os.system",
        "leave it",
    ),
    ("tasks: &a [*a]", 1, "an alias (*) refers to what it is itself a part of", "write the value out"),
    # circles, names, choices
    ("include: mine.yaml", 1, "in a circle: mine.yaml > mine.yaml", "take one"),
    ("tasks:\n- gym:CartPole-v1\n- gym:CartPole-v1", 3, "name 'CartPole-v1' is taken by", "name:"),
    ("include: popgym-quick\ntasks: [popgym:HigherLowerEasy]", 2, "'HigherLowerEasy' is taken by", "prefix:"),
    ("include:\n- suite: popgym-quick\n  only: [HigherLower]", 3, "only: popgym-quick has no task", "HigherLowerEasy"),
    ("include: {suite: popgym-quick, only: ['*Hard']}", 1, "only: popgym-quick has no task '*Hard'", "known are"),
    ("include: {suite: popgym-quick, except: ['*']}", 1, "no task of this include is left", "choose fewer"),
    ("tasks: [gym:CartPole-v1, {include: popgym-quick}]", 1, "'include' is no setting of a task", "beside tasks:"),
    ("tasks:\n- id: gym:CartPole-v1\n  only: [a]", 3, "'only' is no setting of a task", "in include:"),
    ("include: popgym-27\nexcept:\n- MineSweeper", 3, "except: popgym-27 has no task 'MineSweeper'", "MineSweeperEasy"),
    ("include: popgym-27\nrename: {X: y}", 2, "rename: popgym-27 has no task 'X'", "lists its 27 tasks"),
    ("include: {suite: popgym-quick, change: {X: {}}}", 1, "change: popgym-quick has no task 'X'", "known are"),
    ("tasks: [gym:CartPole-v1]\nexcept: [a]", 2, "'except' without an include", "include:"),
    ("include: [popgym:HigherLowerEasy, popgym:RepeatFirstEasy]\nonly: [a]", 2, "for one suite", "into that entry"),
    (
        "include:\n- popgym-27\n- {suite: popgym-quick, prefix: q/}",
        1,
        "different invalid_actions: mask and random",
        "say",
    ),
    ("tasks:\n- {id: gym:CartPole-v1, split: test}", 1, "no task to train on, only held-out ones", "split: test"),
    ("name: x", 1, "no task to train on", "tasks:"),
    # third parties
    ("tasks:\n- make: no_such_package:f", 2, "'no_such_package' cannot be imported: ModuleNotFoundError", "install"),
    ("tasks:\n- make: json:lodas", 2, "json has no 'lodas'", "did you mean load"),
    ("tasks:\n- make: json", 2, "expected make 'module:factory', found 'json'", "my_package"),
    ("tasks:\n- make: string:digits", 2, "expected a function or class, found '0123456789'", "name what builds"),
    (
        "tasks:\n- make: fractions:Fraction\n  options: {numeratr: 3}",
        2,
        "unexpected keyword argument 'numeratr'",
        "numerator",
    ),
    ("tasks:\n- id: popgym:HigherLowerEasy\n  options: {size: 3}", 2, "unexpected keyword argument 'size'", "it takes"),
    # YAML itself
    ("tasks: [gym:CartPole-v1", 1, "this is no YAML", "indentation"),
    ("tasks:\n- gym:CartPole-v1\n bad: 3", 3, "this is no YAML", "indentation"),
    ("tasks: [gym:CartPole-v1]\nname: 2020-13-45", 2, "cannot be read", "quotes"),
]
BAD_VALUES = [
    ("reward_scale: 0", "a finite number above 0"),
    ("reward_scale: -1.5", "a finite number above 0"),
    ("reward_scale: .nan", "a finite number above 0"),
    ("reward_scale: .inf", "a finite number above 0"),
    ("reward_scale: two", "a finite number above 0"),
    ("reward_scale: true", "a finite number above 0"),
    ("weight: 0", "a finite number above 0"),
    ("weight: [1]", "a finite number above 0"),
    ("attempts: 0", "a whole number of at least 1"),
    ("attempts: 1.5", "a whole number of at least 1"),
    ("attempts: yes", "a whole number of at least 1"),
    ("warmup_attempts: -1", "a whole number of at least 0"),
    ("max_steps: 0", "a whole number of at least 1"),
    ("instance: new", "fresh or same"),
    ("split: validation", "train or test"),
    ("seeds: 3", "a range of seeds [low, high)"),
    ("seeds: [5, 5]", "0 <= low < high"),
    ("seeds: [-1, 5]", "0 <= low < high"),
    ("seeds: [0, 99999999999999999999]", "0 <= low < high"),
    ("test_seeds: [0.5, 3]", "a range of seeds [low, high)"),
    ("test_seeds: [1, 2, 3]", "a range of seeds [low, high)"),
    ("options: 3", "a mapping of options"),
]


@pytest.mark.parametrize(("text", "line", "what", "remedy"), MISTAKES, ids=lambda part: str(part)[:50])
def test_a_mistake_is_named_with_its_line_and_remedy(
    text: str, line: int, what: str, remedy: str, wrong: Wrong
) -> None:
    found = wrong(text)
    assert len(found) == 1, found
    assert found[0][0] == line, found
    assert what in found[0][1] and remedy in found[0][2], found


@pytest.mark.parametrize("within", ["entry", "defaults", "include", "change"])
@pytest.mark.parametrize(("field", "expected"), BAD_VALUES, ids=lambda part: str(part))
def test_a_value_that_cannot_be_is_refused_wherever_it_stands(
    field: str, expected: str, within: str, wrong: Wrong
) -> None:
    texts = {
        "entry": f"tasks:\n- id: gym:CartPole-v1\n  {field}",
        "defaults": f"defaults:\n\n  {field}\ntasks: [gym:CartPole-v1]",
        "include": f"include:\n- suite: popgym-quick\n  {field}",
        "change": f"include: {{suite: popgym-quick, change: {{\n  HigherLowerEasy: {{\n  {field}}}}}}}",
    }
    # With "uniform" a weight is a mistake of its own.
    line, what, remedy = next(found for found in wrong(texts[within]) if "expected" in found[1])
    key, _, value = field.partition(": ")
    assert line == 3 and what.startswith(f"{key}: expected") and expected in what and remedy
    assert "found" in what and (value in what or within == "yes" or "true" in what or "nan" in what or "inf" in what)


def test_everything_is_reported_at_once_in_the_order_of_the_lines(wrong: Wrong) -> None:
    found = wrong("""
        samplng: uniform
        include:
        - popgym-28
        - {suite: popgym-quick, except: [HigherLower]}
        tasks:
        - id: popgym:Nothing
          attempts: 0
          reward_scale: -1
        - popgim:X
        - make: no_such_package:f
          id: 3
        """)
    assert [line for line, _, _ in found] == [1, 3, 4, 6, 7, 8, 9, 10, 11]


def test_a_weight_that_nobody_looks_at_is_a_mistake(wrong: Wrong, write: Write) -> None:
    text = "tasks:\n- id: gym:CartPole-v1\n  weight: 2\n"
    assert [(line, "no difference" in what) for line, what, _ in wrong(text)] == [(3, True)]
    assert load_suite_file(write(f"sampling: weighted\n{text}")).tasks[0].weight == 2


def test_a_circle_of_files_is_found(write: Write) -> None:
    write("include: b.yaml", "a.yaml")
    write("include: sub/c.yaml\ntasks: [gym:CartPole-v1]", "b.yaml")
    write("include: ../a.yaml", "sub/c.yaml")
    with pytest.raises(SuiteFileError, match=r"sub/c.yaml:1: .* in a circle: a.yaml > b.yaml > c.yaml > a.yaml"):
        load_suite_file(write("include: a.yaml", "top.yaml"))


def test_two_ways_to_one_file_are_no_circle(write: Write) -> None:
    write("tasks: [gym:CartPole-v1]", "leaf.yaml")
    write("include: leaf.yaml", "a.yaml")
    write("include: {suite: leaf.yaml, prefix: other-}", "b.yaml")
    suite = load_suite_file(write("include: [a.yaml, b.yaml]", "top.yaml"))
    assert suite.task_names == ("CartPole-v1", "other-CartPole-v1")


def test_problems_of_an_included_file_are_named_by_that_file(write: Write) -> None:
    inner = write("tasks:\n- gym:CartPol-v1\n", "inner.yaml")
    outer = write("include: inner.yaml\ntasks: [gym:Acrobot-v2]\n", "outer.yaml")
    with pytest.raises(SuiteFileError) as refused:
        load_suite_file(outer)
    assert {(problem.place.file, problem.place.line) for problem in refused.value.problems} == {(inner, 2), (outer, 2)}


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: x\ndescription: \xff\xfe\n")
    with pytest.raises(SuiteFileError, match=r"mine.yaml:2: expected text in UTF-8"):
        load_suite_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.yaml", tmp_path):
        with pytest.raises(SuiteFileError, match="cannot be read"):
            load_suite_file(path)


def test_control_characters_and_deep_nesting_are_problems(write: Write) -> None:
    for text in ("name: \x07", "tasks: " + "[" * 3000):
        with pytest.raises(SuiteFileError, match=r"mine\.yaml:1: "):
            load_suite_file(write(text))


def test_nothing_is_built_while_the_text_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> None:
        pytest.fail("a simulator was built")

    monkeypatch.setattr("tasks.registry.make_simulator", build)
    monkeypatch.setattr("tasks.compose.survey.make_simulator", build)
    assert load_suite(str(write("include: popgym-27\ntasks: [gym:CartPole-v1]"))).num_tasks == 28
