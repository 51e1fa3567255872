"""The fields of a task that a suite file may set: what each one takes, and what is said when it does not get that."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tasks.compose.marked import REFUSED, Marked
from tasks.compose.problems import Problems
from tasks.registry import nearest

LARGEST_SEED = 2**63 - 1


class _RefusedError(Exception):
    """Args: what was expected; what to write."""


def _count(least: int) -> Callable[[Marked], int]:
    def read(marked: Marked) -> int:
        if type(marked.value) is not int or marked.value < least:
            raise _RefusedError(f"a whole number of at least {least}", f"write e.g. {max(least, 1)}")
        return marked.value

    return read


def _positive(marked: Marked) -> float:
    value = marked.value
    if type(value) not in (int, float) or not math.isfinite(value) or value <= 0 or value > 1e30:
        raise _RefusedError("a finite number above 0", "write e.g. 1.0")
    return float(value)


def _choice(*choices: str) -> Callable[[Marked], str]:
    def read(marked: Marked) -> str:
        if marked.value not in choices:
            hint = nearest(marked.value, choices) if isinstance(marked.value, str) else f"write e.g. {choices[0]}"
            raise _RefusedError(" or ".join(choices), hint)
        return str(marked.value)

    return read


def _text(marked: Marked) -> str:
    if not isinstance(marked.value, str) or not marked.value.strip():
        raise _RefusedError("some text", "put it in quotes if it looks like something else")
    return marked.value


def _seeds(marked: Marked) -> tuple[int, int]:
    pair = marked.plain
    if not isinstance(pair, list) or len(pair) != 2 or any(type(end) is not int for end in pair):
        raise _RefusedError("a range of seeds [low, high)", "write e.g. [0, 1000]")
    low, high = pair
    if not 0 <= low < high <= LARGEST_SEED:
        raise _RefusedError(
            f"a range of seeds [low, high) with 0 <= low < high <= {LARGEST_SEED}", "write e.g. [0, 1000]"
        )
    return low, high


def _options(marked: Marked) -> dict[str, Any]:
    if not isinstance(marked.value, dict):
        raise _RefusedError("a mapping of options", "write e.g. {size: 5}")
    plain: dict[str, Any] = marked.plain
    return plain


def _optional(read: Callable[[Marked], Any]) -> Callable[[Marked], Any]:
    return lambda marked: None if marked.value is None else read(marked)


SHARED: Mapping[str, Callable[[Marked], Any]] = {
    "options": _options,
    "reward_scale": _positive,
    "attempts": _count(1),
    "warmup_attempts": _count(0),
    "instance": _choice("fresh", "same"),
    "max_steps": _optional(_count(1)),
    "at_max_steps": _choice("truncate", "terminate"),
    "seeds": _optional(_seeds),
    "test_seeds": _optional(_seeds),
    "weight": _positive,
    "split": _choice("train", "test"),
}
"""Fields that an entry, ``defaults:`` and an include may set."""
ENTRY: Mapping[str, Callable[[Marked], Any]] = {"id": _text, "name": _text, "make": _text, **SHARED}
"""All fields of an entry of ``tasks:``."""
HEAD: Mapping[str, Callable[[Marked], Any]] = {
    "name": _text,
    "description": _text,
    "invalid_actions": _choice("random", "mask"),
    "sampling": _choice("uniform", "weighted", "progress", "steps"),
}
"""Fields of the suite itself."""


def read_field(key: str, marked: Marked, read: Callable[[Marked], Any], problems: Problems) -> Any:
    """The value of a field, or None with a problem noted."""
    try:
        return read(marked)
    except _RefusedError as refused:
        expected, remedy = refused.args
        found = str(marked.plain) if isinstance(marked.value, list) else marked.kind
        problems.add(marked.place, f"{key}: expected {expected}, found {found}", remedy)
        return None


def read_fields(
    marked: Marked, known: Mapping[str, Callable[[Marked], Any]], problems: Problems, *, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The fields of a mapping that are as they should be; all others are noted as problems.

    Args:
        marked: holds a dict.
        also: keys that are known, but read by somebody else.
    """
    found: dict[str, Any] = {}
    for key, item in marked.value.items():
        if key in also or item.value is REFUSED:
            continue
        if key not in known:
            problems.add(marked.keys[key], f"unknown key {key!r}", nearest(key, [*known, *also]))
            continue
        before = len(problems)
        value = read_field(key, item, known[key], problems)
        if len(problems) == before:
            found[key] = value
    return found
