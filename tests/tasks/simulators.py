"""Simulators of every kind, and faulty ones; importable, so that workers can build them."""

import os
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from tasks.suite import Suite
from tasks.task import Task


class Noise(gymnasium.Env[Any, Any]):
    """Draws its observations from its seed; an episode takes `length` steps."""

    def __init__(self, space: "spaces.Space[Any]", actions: "spaces.Space[Any]", length: int = 5) -> None:
        self.observation_space, self.action_space, self.length = space, actions, length
        self.attempts: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.attempts.append(options)
        self.count = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        self.last = action
        return self.observation_space.sample(), float(np.sum(action)), self.count == self.length, False, {}


def image(size: int = 16, actions: int = 3) -> Noise:
    """An image of its own size."""
    return Noise(spaces.Box(0, 255, (size, size, 3), np.uint8), spaces.Discrete(actions))


def words(actions: int = 3) -> Noise:
    """A grid and a sentence."""
    space = spaces.Dict({"grid": spaces.Box(1, 10, (7, 7, 3), np.uint8), "tokens": spaces.Box(1, 29, (4,), np.int64)})
    return Noise(space, spaces.Discrete(actions))


def numbers(actions: int = 3) -> Noise:
    """Four numbers."""
    return Noise(spaces.Box(1.0, 2.0, (4,)), spaces.Discrete(actions))


def lever(size: int = 2, high: float = 1.0) -> Noise:
    """Continuous actions."""
    return Noise(spaces.Box(-1.0, 1.0, (3,)), spaces.Box(-high, high, (size,)))


class ColouredSquare(gymnasium.Env[Any, Any]):
    """The colour of a square at a random place is the action that pays 1; eight steps."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0, 255, (64, 64, 3), np.uint8)
        self.action_space = spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        return self._draw(), {}

    def step(self, action: Any) -> Any:
        reward = float(action == self.colour)
        self.count += 1
        return self._draw(), reward, self.count == 8, False, {}

    def _draw(self) -> Any:
        self.colour = int(self.np_random.integers(3))
        frame = self.np_random.integers(0, 60, (64, 64, 3)).astype(np.uint8)
        y, x = self.np_random.integers(0, 52, 2)
        frame[y : y + 12, x : x + 12, self.colour] = 220
        return frame


class Faulty(Noise):
    """Does something wrong at one step of the episodes whose seed is divisible by `every`."""

    def __init__(self, kind: str, every: int = 3, at: int = 2) -> None:
        super().__init__(spaces.Box(1.0, 2.0, (4,)), spaces.Discrete(3))
        self.kind, self.every, self.at = kind, every, at

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.bad = seed is not None and seed % self.every == 0
        if self.bad and self.kind == "reset":
            raise RuntimeError("no level for this seed")
        if self.bad and self.kind == "hang in reset":
            time.sleep(3600)
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        observation, reward, *ends = super().step(action)
        if self.bad and self.count == self.at:
            match self.kind:
                case "raise":
                    raise RuntimeError("the physics blew up")
                case "nan":
                    observation = np.full(4, np.nan, np.float32)
                case "reward":
                    reward = float("inf")
                case "shape":
                    observation = np.zeros(5, np.float32)
                case "hang":
                    time.sleep(3600)
                case "die":
                    os._exit(9)
        return (observation, reward, *ends)


def mixed(**settings: Any) -> Suite:
    """Tasks whose observations have nothing in common."""
    tasks = (
        Task(name="small", id="t:small", make=image, options={"size": 16}),
        Task(name="large", id="t:large", make=image, options={"size": 20, "actions": 5}),
        Task(name="words", id="t:words", make=words),
        Task(name="numbers", id="t:numbers", make=numbers),
    )
    return Suite(name="mixed", tasks=tasks, **settings)


def faulty(kind: str, *, every: int = 3, **settings: Any) -> Suite:
    """One task that fails now and then, and one that does not."""
    tasks = (
        Task(name="sound", id="t:sound", make=numbers),
        Task(name="faulty", id="t:faulty", make=Faulty, options={"kind": kind, "every": every}),
    )
    return Suite(name="faulty", tasks=tasks, **settings)
