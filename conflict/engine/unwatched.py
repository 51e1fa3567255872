"""Work whose operations nobody watches.

A `TorchFunctionMode` is asked about every operation, in backward passes too. Where many are small (the steps of a
recurrence, the gradients of K tasks) the asking costs more than they do.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

_P = ParamSpec("_P")
_R = TypeVar("_R")


def unwatched(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, with all modes and overrides of operations off while it runs."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with torch._C.DisableTorchFunction():
            return function(*args, **kwargs)

    return run
