"""What a task looks like: the random policy plays it, and the first steps are kept as they come from the simulator."""

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from tasks.compose.survey import TRIALS_OWN, alone
from tasks.registry import make_simulator
from tasks.suite import Suite
from tasks.task import Task


@dataclass
class Sight:
    """The first steps of a trial, and what the random policy earns over several."""

    task: Task
    frames: dict[str, list[NDArray[np.uint8]]] = field(default_factory=dict)
    """By key: the steps' "image", "grid", and, without an image, "render" (the simulator's own drawing, RGB)."""
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    """The flat "vector" of each step."""
    rewards: list[float] = field(default_factory=list)
    """Raw reward of each step of the first trial; one fewer than the observations at most."""
    mission: str = ""
    """What the simulator asks for in words, if it does."""
    returns: list[float] = field(default_factory=list)
    """Raw return of the paid attempts, a trial."""
    steps: int = 0
    """Steps of all trials."""
    seconds: float = 0.0
    """Time that they took, without the first trial's pictures."""

    @property
    def mean(self) -> float:
        """Mean return of the random policy."""
        return float(np.mean(self.returns))

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the mean, by the normal approximation; None for a single trial."""
        if len(self.returns) < 2:
            return None
        half = 1.96 * float(np.std(self.returns, ddof=1)) / math.sqrt(len(self.returns))
        return self.mean - half, self.mean + half


class _Window(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps what the simulator draws, as long as it is open."""

    def __init__(self, simulator: "gymnasium.Env[Any, Any]", frames: list[NDArray[np.uint8]]) -> None:
        super().__init__(simulator)
        self.frames, self.is_open = frames, simulator.render_mode == "rgb_array"

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        answer = self.env.reset(seed=seed, options=options)
        self._look()
        return answer

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        answer = self.env.step(action)
        self._look()
        return answer

    def _look(self) -> None:
        if not self.is_open:
            return
        try:
            frame = np.asarray(self.env.render())
        except Exception:  # what draws is often optional, and a preview does without
            self.is_open = False
            return
        if frame.ndim == 3 and frame.shape[2] == 3:
            self.frames.append(frame.astype(np.uint8))


def watch(suite: Suite, task: Task, *, trials: int, seed: int, steps: int) -> Sight:
    """Let the random policy play a task.

    Args:
        suite: says what becomes of invalid actions; the policy draws from the task's own.
        trials: at least 1.
        steps: how many of the first trial's are kept.
    """
    sight = Sight(task)
    windows: list[_Window] = []

    def make(**_: Any) -> _Window:
        windows.append(_Window(with_drawing(task), []))
        return windows[-1]

    env = alone(suite, replace(task, make=make)).make_env(0, seed=seed)
    env.action_space.seed(seed)
    observation, _ = env.reset()
    window = windows[-1]  # those before it, if any, were made for their spaces
    sight.mission = mission_of(window)
    over = False
    _keep(sight, observation)
    while not over:
        if len(sight.rewards) == steps:
            window.is_open = False
        observation, _, terminated, truncated, info = env.step(env.action_space.sample())
        over = terminated or truncated
        if len(sight.rewards) < steps:
            sight.rewards.append(info["raw_reward"])
            if not over:
                _keep(sight, observation)
    window.is_open = False
    _note(sight, info)
    start = time.perf_counter()
    for _ in range(trials - 1):
        env.reset()
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            over = terminated or truncated
        _note(sight, info)
    sight.seconds = time.perf_counter() - start
    env.close()
    if window.frames and "image" not in sight.frames:  # an image tells enough
        sight.frames["render"] = window.frames
    return sight


def _keep(sight: Sight, observation: dict[str, Any]) -> None:
    for key, value in observation.items():
        if key == "vector":
            sight.vectors.append(np.array(value, np.float32))
        elif key not in TRIALS_OWN and np.ndim(value) == 3:
            sight.frames.setdefault(key, []).append(np.array(value, np.uint8))


def _note(sight: Sight, info: dict[str, Any]) -> None:
    sight.returns.append(float(info["trial"]["raw_return"]))
    sight.steps += int(info["trial"]["length"])


def mission_of(simulator: "gymnasium.Env[Any, Any]") -> str:
    """A simulator's ``mission``, or that of the simulator inside it."""
    outer = simulator.unwrapped
    found = getattr(outer, "mission", None) or getattr(getattr(outer, "simulator", None), "mission", None)
    return found if isinstance(found, str) else ""


def with_drawing(task: Task) -> "gymnasium.Env[Any, Any]":
    """A simulator that draws itself if it can; else one that does not."""
    if task.make is None and "render_mode" not in task.options:
        try:
            simulator = make_simulator(replace(task, options={**task.options, "render_mode": "rgb_array"}))
            simulator.reset(seed=0)
            simulator.render()
        except Exception:  # any simulator may refuse in its own way
            return make_simulator(task)
        return simulator
    return make_simulator(task)
