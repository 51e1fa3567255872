"""What each task of a suite shows and takes, measured by building its simulator once.

The suite's own spaces are padded over all its tasks; these are each task's alone, so the two tell the padding.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from tasks.registry import make_simulator
from tasks.suite import Suite
from tasks.task import Task

if TYPE_CHECKING:
    import gymnasium

TRIALS_OWN = ("previous_action", "previous_reward", "attempt_start", "time", "present")
"""Keys of an observation that come from the trial, not from the simulator."""


@dataclass(frozen=True)
class TaskSpaces:
    """A task's own spaces, before padding."""

    observation: dict[str, tuple[int, ...]]
    """Shape of each key that the simulator fills ("vector", "image", "grid", "tokens")."""
    continuous: bool
    """Whether actions are numbers rather than choices."""
    actions: int
    """How many actions there are to choose from, or how many numbers a continuous action has."""
    problem: str | None = None
    """What cannot be played, if anything; then there are no shapes."""

    @property
    def numbers(self) -> int:
        """Numbers in an observation."""
        return sum(prod(shape) for shape in self.observation.values())


def task_spaces(suite: Suite, task: Task) -> TaskSpaces:
    """Build a task's simulator once and read its spaces. What goes wrong is in `TaskSpaces.problem`.

    Args:
        suite: says what becomes of invalid actions.
    """
    from gymnasium import spaces

    simulator: gymnasium.Env[Any, Any] | None = None
    try:
        simulator = make_simulator(task)
        actions = simulator.action_space
        continuous = isinstance(actions, spaces.Box)
        own = alone(suite, replace(task, make=_Given(simulator)))
        shapes = {
            key: tuple(space.shape or ())
            for key, space in own.observation_space.spaces.items()
            if key not in TRIALS_OWN
        }
        size = prod(actions.shape) if isinstance(actions, spaces.Box) else own.num_actions
        return TaskSpaces(shapes, continuous, size)
    except Exception as error:  # code of others may raise anything
        message = str(error).removeprefix(f"task {task.name!r}: ")
        if not isinstance(error, (ValueError, ImportError)):
            message = f"{type(error).__name__}: {message}"
        return TaskSpaces({}, False, 0, problem=message)
    finally:
        if simulator is not None:
            simulator.close()


def padding(suite: Suite, found: list[TaskSpaces]) -> list[float]:
    """The share of zeros of padding in each task's observation, in [0, 1]."""
    padded = sum(prod(space.shape or ()) for key, space in suite.observation_space.items() if key not in TRIALS_OWN)
    return [1.0 - spaces.numbers / padded if padded else 0.0 for spaces in found]


def speed(suite: Suite, task: Task, seconds: float) -> float:
    """Steps a second of the random policy in one environment, trials and padding included.

    Args:
        seconds: how long to measure, beyond the first trial's beginning.
    """
    steps = play(suite, task, seed=0)
    next(steps)
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or count == 0:
        next(steps)
        count += 1
    steps.close()
    return count / elapsed


def play(suite: Suite, task: Task, *, seed: int) -> "Generator[dict[str, Any], None, None]":
    """The infos of one random step after another, trial after trial, without end."""
    env = alone(suite, task).make_env(0, seed=seed)
    env.action_space.seed(seed)
    try:
        env.reset()
        while True:
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            yield info
            if terminated or truncated:
                env.reset()
    finally:
        env.close()


def alone(suite: Suite, task: Task) -> Suite:
    """A suite of this task, so that nothing is padded and every action is the task's own."""
    return replace(suite, name=task.name, tasks=(task,), held_out=(), sampling="uniform", like=None)


class _Given:
    """A task's `make` that hands over a simulator which is there already."""

    def __init__(self, simulator: Any) -> None:
        self.simulator = simulator

    def __call__(self, **options: Any) -> Any:
        return self.simulator
