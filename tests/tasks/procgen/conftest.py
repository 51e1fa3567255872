"""Simulators that are made once, and new environments of the package itself to compare them with."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tasks.procgen import Procgen


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_spec("procgen") is None:
        missing = pytest.mark.skip(reason="the package procgen-mirror is not installed (no wheel for this Python?)")
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(missing)


@pytest.fixture(scope="session")
def simulator() -> Iterator[Callable[[str], Any]]:
    """One simulator a task, used by all tests: whatever one does to it must not matter to another."""
    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in made:
            made[name] = Procgen.make(name)
        return made[name]

    yield get
    for simulator in made.values():
        simulator.close()


class Fresh:
    """A new environment of the package, for one level."""

    def __init__(self, name: str, level: int) -> None:
        game, _, mode = name.partition("-")
        self.env = _gym3_environment()(
            num=1,
            env_name=game,
            distribution_mode=mode or "easy",
            num_levels=1,
            start_level=level,
            num_threads=0,
            rand_seed=level % 1000,
        )

    def frame(self) -> np.ndarray:
        return self.env.observe()[1]["rgb"][0]

    def level(self) -> int:
        return int(self.env.get_info()[0]["level_seed"])

    def step(self, action: int) -> tuple[float, bool]:
        self.env.act(np.array([action]))
        reward, _, first = self.env.observe()
        return float(reward[0]), bool(first[0])


@pytest.fixture
def fresh() -> Iterator[Callable[[str, int], Fresh]]:
    with contextlib.ExitStack() as stack:

        def make(name: str, level: int) -> Fresh:
            new = Fresh(name, level)
            stack.callback(new.env.close)
            return new

        yield make


@cache
def _gym3_environment() -> Any:
    """`ProcgenGym3Env`, without what the package does when it is imported: registering its games in the old gym."""
    spec, path = find_spec("procgen"), list(sys.path)
    assert spec is not None
    package = ModuleType("procgen")
    package.__spec__, package.__path__ = spec, list(spec.submodule_search_locations or ())
    sys.modules["procgen"] = package
    try:
        from procgen.env import ProcgenGym3Env
    finally:
        del sys.modules["procgen"]
        sys.path[:] = path  # the package adds a folder of its builder's
    return ProcgenGym3Env
