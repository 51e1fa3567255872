"""A simulator that can be followed by hand, and suites of it."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from tasks.suite import Suite
from tasks.task import Task


class Counter(gymnasium.Env[int, int]):
    """Shows how many steps it has done, pays the action plus one, ends after `length` steps.

    With `hidden` it shows a number that its seed decides in place of the count.
    """

    def __init__(self, length: int = 3, *, ends: str = "terminated", actions: int = 3, hidden: bool = False) -> None:
        self.length, self.ends, self.hidden = length, ends, hidden
        self.observation_space = spaces.Discrete(1000)
        self.action_space = spaces.Discrete(actions)
        self.seeds: list[int | None] = []
        self.played: list[int] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.count, self.secret = 0, int(self.np_random.integers(1000))
        self.seeds.append(seed)
        return self._shown(), {}

    def step(self, action: int) -> tuple[int, Any, bool, bool, dict[str, Any]]:
        self.played.append(action)
        self.count += 1
        over = self.count == self.length
        both = self.ends == "both"
        return (
            self._shown(),
            action + 1,
            over and (both or self.ends == "terminated"),
            over and (both or self.ends == "truncated"),
            {},
        )

    def _shown(self) -> int:
        return self.secret if self.hidden else self.count


@pytest.fixture
def counter() -> type[Counter]:
    return Counter


@pytest.fixture
def counters() -> Callable[..., Suite]:
    """A suite of one task, "count", beside a "wide" one with 5 actions."""

    def make(*, invalid_actions: str = "random", simulator: dict[str, Any] | None = None, **protocol: Any) -> Suite:
        count = Task(name="count", id="test:count", make=lambda: Counter(**(simulator or {})), **protocol)
        wide = Task(name="wide", id="test:wide", make=lambda: Counter(2, actions=5))
        return Suite(name="counters", tasks=(count, wide), invalid_actions=invalid_actions)  # type: ignore[arg-type]

    return make


@pytest.fixture
def shown() -> Callable[[np.ndarray], int]:
    """The number behind a one-hot observation."""
    return lambda vector: int(vector[:1000].argmax())
