"""A window on a simulator: what it shows and what it was told, without a difference to the one who plays it."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from tasks.compose.watch import with_drawing
from tasks.suite import Suite


@dataclass(frozen=True)
class Sight:
    """What a simulator shows at one moment."""

    observation: Any
    """As it comes from the simulator, before padding."""
    picture: NDArray[np.uint8] | None
    """[height, width, 3]; None if it does not draw."""


class Window(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps the last sight, that at the end of the last attempt, and the last action as the simulator was given it."""

    def __init__(self, simulator: "gymnasium.Env[Any, Any]") -> None:
        super().__init__(simulator)
        self.draws = simulator.render_mode == "rgb_array"
        self.is_open = False
        self.played: Any = None
        self._observation: Any = None

    def open(self) -> None:
        """From now on look after every step."""
        self.is_open = True
        self.now = self.after_step = self._look()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        answer = self.env.reset(seed=seed, options=options)
        self._observation = answer[0]
        if self.is_open:
            self.now = self._look()
        return answer

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        answer = self.env.step(action)
        self.played, self._observation = action, answer[0]
        if self.is_open:
            self.now = self.after_step = self._look()
        return answer

    def _look(self) -> Sight:
        return Sight(copy.deepcopy(self._observation), self._picture())  # simulators may write into theirs again

    def _picture(self) -> NDArray[np.uint8] | None:
        if not self.draws:
            return None
        try:
            frame = np.asarray(self.env.render())
        except Exception:  # what draws is often optional; the observation is shown in its place
            self.draws = False
            return None
        return frame.astype(np.uint8) if frame.ndim == 3 and frame.shape[2] == 3 else None


def with_windows(suite: Suite, task_id: int) -> tuple[Suite, list[Window]]:
    """The same suite, with windows on the simulators of one task; they are listed as they are made."""
    windows: list[Window] = []
    task = suite.tasks[task_id]

    def make(**_: Any) -> Window:
        windows.append(Window(with_drawing(task)))
        return windows[-1]

    tasks = (*suite.tasks[:task_id], replace(task, make=make), *suite.tasks[task_id + 1 :])
    return replace(suite, tasks=tasks), windows


def action_names(simulator: "gymnasium.Env[Any, Any]", actions: tuple[Any, ...]) -> tuple[str, ...]:
    """What to call the actions: the simulator's own words, as Atari's have them or in `action_names`; else its numbers.

    Args:
        actions: as the simulator takes them, in the order of the agent's.
    """
    inside = simulator.unwrapped
    names = getattr(inside, "action_names", None)
    if names is None and hasattr(inside, "get_action_meanings"):
        names = inside.get_action_meanings()
    if names is not None and len(names) == len(actions):
        return tuple(str(name).lower() if str(name).isupper() and len(str(name)) > 1 else str(name) for name in names)
    return tuple(spell(action) for action in actions)


def spell(action: Any) -> str:
    """A simulator's own action in a few letters."""
    return " ".join(str(part) for part in np.ravel(action).tolist())
