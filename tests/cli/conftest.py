"""For the command line's tests: a way to call it, and one tiny run that is trained once."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jaxtyping
import pytest

import run

SUITE = "popgym:RepeatFirstEasy"
TINY = [
    *("--steps", "960", "--start-steps", "300", "--slots", "4", "--steps-per-update", "32", "--log-every", "1"),
    *("--width", "8", "--attention-heads", "2", "--layers", "1", "--context", "8", "--head-width", "8"),
    *("--sequences", "4", "--evaluate-trials", "2", "--evaluate-every", "480", "--checkpoint-every", "320"),
    *("--measure-every", "5", "--learn-threads", "1"),
]


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """Standard error in one line, without the frame around it."""
        return " ".join(word for word in self.err.split() if word.strip("│╭╮╰╯─-+|"))


Call = Callable[..., Answer]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Whole runs go without the checks of shapes, as in tests/mtrl/training; comes after tests/conftest.py."""
    jaxtyping.config.update("jaxtyping_disable", True)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """`python run.py ARGUMENTS` in this process."""

    def answer(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["run.py", *map(str, arguments)])
        capsys.readouterr()
        try:
            code = run.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Answer(code, *capsys.readouterr())

    return answer


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one task that came to its end; copy it to change it."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert run.main(["train", SUITE, *TINY, "--out", str(out)]) == 0
    return out
