"""The source ``babyai:NAME``: minigrid's BabyAI levels."""

from typing import TYPE_CHECKING, Any, ClassVar

from tasks.babyai.levels import NAMES
from tasks.registry import nearest
from tasks.task import Task

if TYPE_CHECKING:
    import gymnasium

OBSERVATIONS = ("view", "full-grid", "image")
"""What the agent can be shown, see `tasks.babyai.simulator.BabyaiEnv`."""
OPTIONS = ("observation", "max_steps")
"""What `Task.options` may hold."""


class Babyai:
    """BabyAI levels by their names: minigrid's ids without "BabyAI-" and the version."""

    slow: ClassVar[bool] = True
    """A step costs tens of microseconds and a new layout milliseconds, all of it Python."""
    extra: ClassVar[str | None] = None
    """minigrid comes with the toolkit."""

    @staticmethod
    def names() -> tuple[str, ...]:
        """All levels: the 68 of AMAGO-2, then the others."""
        return NAMES

    @staticmethod
    def task(name: str, **protocol: Any) -> Task:
        """A level by its name, with the settings of `Task` that differ from one plain attempt.

        Raises:
            ValueError: there is no such level, or its ``options`` are none of `make`.
        """
        if name not in NAMES:
            raise ValueError(f"unknown babyai task {name!r}; {nearest(name, NAMES)}")
        options = protocol.get("options", {})
        for key in options:
            if key not in OPTIONS:
                raise ValueError(f"task 'babyai:{name}': unknown option {key!r}; {nearest(key, OPTIONS)}")
        _check(name, **options)
        return Task(name=name, id=f"babyai:{name}", **protocol)

    @classmethod
    def make(cls, name: str, observation: str = "view", max_steps: int | None = None) -> "gymnasium.Env[Any, Any]":
        """A simulator of a level.

        Args:
            name: the level.
            observation: "view": the 7 x 7 cells before the agent; "full-grid": all cells; "image": the view as pixels.
            max_steps: length of an episode, at least 1; None: the level's own. It is also the measure of the
                reward, 1 - 0.9 * step / max_steps, so returns compare only where it is the same.
        Raises:
            ValueError: there is no such level or option.
        """
        cls.task(name)
        _check(name, observation, max_steps)
        from tasks.babyai.simulator import BabyaiEnv

        return BabyaiEnv(name, observation=observation, max_steps=max_steps)


def _check(name: str, observation: Any = "view", max_steps: Any = None) -> None:
    if observation not in OBSERVATIONS:
        hint = nearest(observation, OBSERVATIONS) if isinstance(observation, str) else ""
        raise ValueError(
            f"task 'babyai:{name}': expected observation to be one of {', '.join(OBSERVATIONS)}, "
            f"got {observation!r}; {hint}".removesuffix("; ")
        )
    if max_steps is not None and (isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1):
        raise ValueError(f"task 'babyai:{name}': max_steps must be an integer from 1, or None, got {max_steps!r}")
