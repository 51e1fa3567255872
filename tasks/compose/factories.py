"""Simulators that third parties make: ``make: my_package.my_module:factory`` in a suite file."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tasks.registry import nearest


def find_factory(target: str) -> Callable[..., Any]:
    """Import what ``module:attribute`` names.

    Raises:
        ValueError: it is not of that form, or the module has nothing callable of that name.
        ImportError: the module cannot be imported, for whatever reason.
    """
    module, colon, attribute = target.partition(":")
    if not (colon and module and attribute):
        raise ValueError(f"expected make 'module:factory', found {target!r}; write e.g. my_package.my_module:MyEnv")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # code of others may raise anything when it is imported
        raise ImportError(
            f"make {target!r}: the module {module!r} cannot be imported: {type(error).__name__}: {error}; "
            "install its package in this environment, or put its folder on PYTHONPATH"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in vars(found) if not name.startswith("_")]
            raise ValueError(f"make {target!r}: {module} has no {part!r}; {nearest(part, names)}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"make {target!r}: expected a function or class, found {found!r}; name what builds the env")
    factory: Callable[..., Any] = found
    return factory


def check_options(factory: Callable[..., Any], options: Mapping[str, Any], *positional: Any) -> None:
    """Refuse options that a factory does not take, as far as its signature tells.

    Args:
        positional: what it is given before the options.
    Raises:
        ValueError: it takes no such option, or needs one that is not given; the message names the nearest ones.
    """
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # built in C: nothing is known before it is called
        return
    try:
        signature.bind(*positional, **options)
    except TypeError as error:
        keywords = [
            parameter.name
            for parameter in list(signature.parameters.values())[len(positional) :]
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        ]
        unknown = [name for name in options if name not in keywords]
        hint = nearest(unknown[0], keywords) if unknown and keywords else f"it takes {signature}"
        raise ValueError(f"options: {error}; {hint}") from None
