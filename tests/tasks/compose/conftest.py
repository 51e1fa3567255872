"""For suite files: a way to write one and to hear what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tasks.compose.problems import Problem, SuiteFileError
from tasks.compose.suite_file import load_suite_file
from tasks.suite import Suite

Write = Callable[..., Path]
Load = Callable[[str], Suite]
Wrong = Callable[[str], list[tuple[int, str, str]]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a suite file, indented as the test is."""

    def to_file(text: str, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))
        return path

    return to_file


@pytest.fixture
def load(write: Write) -> Load:
    """The suite that a text describes."""
    return lambda text: load_suite_file(write(text))


@pytest.fixture
def wrong(write: Write) -> Wrong:
    """Line, problem and remedy of everything that is wrong with a text."""

    def find(text: str) -> list[tuple[int, str, str]]:
        with pytest.raises(SuiteFileError) as refused:
            load_suite_file(write(text))
        problems: tuple[Problem, ...] = refused.value.problems
        message = str(refused.value)
        assert all(str(problem) in message for problem in problems)
        return [(problem.place.line, problem.what, problem.remedy) for problem in problems]

    return find
