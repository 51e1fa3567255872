"""What a film tells: a scene that stays, and a story that grows with every moment of a trial."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mtrl.report.video.window import Sight
from tasks.task import Task

_REMEMBERED = 24
"""Latest moments that are kept whole; of earlier ones only the numbers are."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is the same in all of a film's frames."""

    run: str
    suite: str
    task: Task
    held_out: bool
    """Whether training never saw it."""
    steps: int
    """Of training, when the checkpoint was written."""
    discount: float
    """The acting one."""
    action_names: tuple[str, ...]
    """The task's own actions; of continuous ones their numbers."""
    continuous: bool
    others: int
    """Actions of other tasks that can be chosen too; they come after the task's own, and are replaced."""
    trials: int
    seed: int
    greedy: bool
    experts: tuple[int, ...] = ()
    """How many there are in each mixture of the backbone."""
    heads: tuple[tuple[str, float], ...] = ()
    """Of the other tasks' policy heads, the cosine with this task's, the nearest first; empty: tasks share one, or the
    task has none of its own."""


@dataclass(frozen=True, kw_only=True)
class Thought:
    """What the agent thinks before it acts. Values are on the raw scale."""

    value: float | None
    """None where the critics have no unit for the task: it is held out, and theirs is each task's own."""
    action_values: NDArray[np.float64] | None
    policy: NDArray[np.float64]
    """Probabilities [action], or quantiles [3, size] of continuous actions."""
    entropy: float
    gates: tuple[NDArray[np.float64], ...] = ()
    """Weights of the experts, for each mixture."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A state, how it was reached, and what the agent does in it."""

    trial: int
    """From 0."""
    step: int
    """Actions since the trial began."""
    attempt: int
    """From 0, warm-up attempts included."""
    paid: bool
    sight: Sight
    mission: str
    reward: float | None
    """Raw; None where an attempt begins."""
    return_: float
    """Raw, of the paid attempts, up to here."""
    thought: Thought | None
    """None where the attempt has ended: there is nothing to decide."""
    action: int | NDArray[np.float64] | None
    """The agent's."""
    played: Any
    """What the simulator was told, in its own form."""
    end: Literal["attempt", "trial"] | None = None


class Story:
    """A trial as far as it has gone."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.recent: deque[Moment] = deque(maxlen=_REMEMBERED)
        self.returns: list[tuple[int, float]] = []
        """(step, return so far)."""
        self.rewards: list[tuple[int, float, bool]] = []
        """(step, reward, whether it was paid), where it is not 0."""
        self.values: list[tuple[int, float]] = []
        """(step, value)."""
        self.attempts: list[tuple[int, bool]] = []
        """(first step, whether it is paid)."""

    @property
    def now(self) -> Moment:
        """The latest moment."""
        return self.recent[-1]

    def add(self, moment: Moment) -> None:
        """Go on by a moment."""
        if not self.recent or self.now.attempt != moment.attempt:
            self.attempts.append((moment.step, moment.paid))
        self.recent.append(moment)
        self.returns.append((moment.step, moment.return_))
        if moment.reward:
            self.rewards.append((moment.step, moment.reward, moment.paid))
        if moment.thought is not None and moment.thought.value is not None:
            self.values.append((moment.step, moment.thought.value))
