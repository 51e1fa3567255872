"""Our own arithmetic, of which no `TorchFunctionMode` need be told.

A mode is asked about every operation, in backward passes too. Where many are small (the steps of a recurrence, the
gradients of K tasks) the asking costs more than they do. Users' code keeps their modes and tensor subclasses.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

_P = ParamSpec("_P")
_R = TypeVar("_R")


def unwatched(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, with all modes and overrides of operations off while it runs. It must not call users' code, nor
    unpack what autograd saved, which may run users' code again."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with torch._C.DisableTorchFunction():
            return function(*args, **kwargs)

    return run


def users_modes() -> Any:
    """A context around a call of users' code within a function that is `unwatched`."""
    return torch._C._EnableTorchFunction()
