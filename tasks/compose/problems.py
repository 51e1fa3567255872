"""What is wrong with a suite file: where, what, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file."""

    file: Path
    line: int
    """Counted from 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a suite file."""

    place: Place
    what: str
    """What was expected and what was found."""
    remedy: str
    """What to write instead."""
    lacking: bool = False
    """Whether the file is right and only this machine lacks a package: the suite can be described, not played."""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}; {self.remedy}"


class SuiteFileError(ValueError):
    """A suite file that cannot be played; the message has a line for every problem.

    Args:
        problems: at least one.
    """

    def __init__(self, file: Path, problems: Iterable[Problem]) -> None:
        self.file, self.problems = file, tuple(problems)
        count = len(self.problems)
        title = f"{file} has {count} problem{'s' if count > 1 else ''}:"
        super().__init__("\n".join([title, *(f"  {problem}" for problem in self.problems)]))


class Problems:
    """Problems as they are found, each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, place: Place, what: str, remedy: str, *, lacking: bool = False) -> None:
        """Note a problem; the same one again makes no difference."""
        self._found[Problem(place, what, remedy, lacking)] = None

    def add_error(self, place: Place, error: BaseException, remedy: str) -> None:
        """Note what an exception says; what stands behind its first semicolon is its own remedy."""
        what, _, own = str(error).partition("; ")
        self.add(place, what or type(error).__name__, own or remedy)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def sorted(self) -> tuple[Problem, ...]:
        """By file, in the order in which the files came up, then by line."""
        files = list(dict.fromkeys(problem.place.file for problem in self._found))
        return tuple(sorted(self._found, key=lambda problem: (files.index(problem.place.file), problem.place.line)))
