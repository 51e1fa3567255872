"""How numbers and dictionaries are read from the command line, with messages that say what was expected."""

import math
from typing import Any, get_args

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo


def rules() -> ConstructorRegistry:
    """Rules that tyro's own give way to."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def whole_number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[int] | None:
        if info.type is not int:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="INT",
            instance_from_str=lambda words: _whole(words[0]),
            is_instance=lambda value: isinstance(value, int) and not isinstance(value, bool),
            str_from_instance=lambda value: [str(value)],
        )

    @registry.primitive_rule
    def number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[float] | None:
        if info.type is not float:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="FLOAT",
            instance_from_str=lambda words: _number(words[0]),
            is_instance=lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
            str_from_instance=lambda value: [str(value)],
        )

    @registry.primitive_rule
    def pairs(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[dict[str, Any]] | None:
        # tyro turns a dictionary that has entries into one flag an entry; here it is always names and values.
        if info.type_origin is not dict:
            return None
        only_numbers = get_args(info.type)[1] is float
        return PrimitiveConstructorSpec(
            nargs="*",
            metavar="NAME VALUE ...",
            instance_from_str=lambda words: _pairs(words, only_numbers=only_numbers),
            is_instance=lambda value: isinstance(value, dict),
            str_from_instance=lambda value: [str(word) for pair in value.items() for word in pair] or ["none"],
        )

    return registry


def _whole(word: str) -> int:
    try:
        value = int(word)
    except ValueError:
        raise ValueError(f"expected a whole number such as 300000, found {word!r}") from None
    if abs(value) >= 2**63:
        raise ValueError(f"expected a whole number of 64 bits, found {word}")
    return value


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    # Infinity may be meant (--clip inf), NaN never is, and passes most comparisons.
    if math.isnan(value):
        raise ValueError(f"expected a number such as 0.001, found {word!r}")
    return value


def _pairs(words: list[str], *, only_numbers: bool) -> dict[str, Any]:
    if len(words) % 2:
        raise ValueError(f"expected names and values in turn, found {' '.join(words)!r}: {words[-1]!r} has no value")
    found: dict[str, Any] = {}
    for name, word in zip(words[::2], words[1::2], strict=True):
        try:
            found[name] = float(word)
        except ValueError:
            found[name] = word
        if found[name] != found[name] or (only_numbers and isinstance(found[name], str)):
            raise ValueError(f"expected a number for {name}, found {word!r}")
    return found
