"""Any environment that Gymnasium knows: ``gym:CartPole-v1``, or ``gym:my_module:MyEnv-v0``, which imports the module.

Source: Towers et al. 2024, "Gymnasium: A Standard Interface for Reinforcement Learning Environments".
Departs: from `gymnasium.make` in its wrappers. The checker and the guard of the order of calls are left out (trials
check what they use); the time limit of the registration stays.
"""

import copy
import importlib
from typing import TYPE_CHECKING, Any

from tasks.registry import nearest
from tasks.task import Task

if TYPE_CHECKING:
    import gymnasium

PLAIN = (
    "Acrobot-v1",
    "Blackjack-v1",
    "CartPole-v1",
    "FrozenLake-v1",
    "FrozenLake8x8-v1",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
)
"""Ids that every Gymnasium registers and that need no further package: known without importing it."""


class Gym:
    """The source ``gym:ID``; a task's options are those of `make`."""

    slow: bool = False
    extra: str | None = None

    @classmethod
    def task(cls, name: str, **protocol: Any) -> Task:
        """The environment ``ID``, or ``module:ID``, under the name ``ID``.

        Raises:
            ValueError: no such id is registered; the message names the nearest ones.
            ImportError: the module cannot be imported.
        """
        if name not in PLAIN:
            _registration(name)
        return Task(name=name.rpartition(":")[2], id=f"gym:{name}", **protocol)

    @staticmethod
    def make(name: str, *, action_repeat: int = 1, rescale: bool = False, **options: Any) -> "gymnasium.Env[Any, Any]":
        """A simulator: the environment and its time limit.

        Args:
            action_repeat: how often each action is taken; the rewards add up, and a step is what so many were.
            rescale: bring observations from their bounds to [-1, 1].
            options: keyword arguments of `gymnasium.make`.
        Raises:
            ValueError: no such id is registered, or it cannot be wrapped like this.
            ImportError: it needs a package that is not installed; the message is Gymnasium's own.
            TypeError: it takes no such option.
        """
        import gymnasium

        from tasks.gym_wrappers import ActionRepeat, rescaled

        if type(action_repeat) is not int or action_repeat < 1:
            raise ValueError(f"action_repeat: expected a whole number of at least 1, found {action_repeat!r}")
        if type(rescale) is not bool:
            raise ValueError(f"rescale: expected true or false, found {rescale!r}")
        registration = copy.deepcopy(_registration(name))
        registration.order_enforce = False
        try:
            env = gymnasium.make(registration, disable_env_checker=True, **options)
        except gymnasium.error.DependencyNotInstalled as error:
            raise ImportError(f"gym:{name}: {error}") from error
        env = rescaled(env) if rescale else env
        return env if action_repeat == 1 else ActionRepeat(env, action_repeat)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Every id that is registered now, sorted."""
        import gymnasium

        return tuple(sorted(gymnasium.registry))


def _registration(name: str) -> Any:
    """What Gymnasium has registered under an id."""
    module, colon, identifier = name.rpartition(":")
    if colon:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ImportError(f"gym:{name}: the module {module!r} cannot be imported: {error}") from error
    import gymnasium

    if identifier not in gymnasium.registry:
        hint = nearest(identifier, gymnasium.registry)
        if not hint.startswith("did you mean"):
            hint = "a package's environments are registered on its import: write gym:MODULE:ID"
        raise ValueError(f"unknown gym task {name!r}; {hint}")
    return gymnasium.registry[identifier]
