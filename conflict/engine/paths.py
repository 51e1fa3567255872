"""On which way every parameter gets its task gradients, and what is said of the slow ones."""

import warnings
from collections.abc import Mapping

from torch import Tensor, nn

_ORDER = ("unused", "rule", "vmap", "slices")


def slower(one: str, other: str) -> str:
    """The slower of two ways."""
    return max(one, other, key=_ORDER.index)


class Paths:
    """The slowest way that each parameter's gradients ever went; slow ones are told once."""

    def __init__(self, module: nn.Module, names: Mapping[Tensor, str]) -> None:
        self.by_name = dict.fromkeys(names.values(), "unused")
        self._names, self._labels = names, _labels(module)
        self._said: set[str] = set()
        self._news: list[str] = []

    def mark(self, parameter: Tensor, path: str, why: str | None) -> None:
        """A parameter went this way; `why` is for the warning, None: there is nothing to warn of."""
        if parameter not in self._names:
            return
        name = self._names[parameter]
        self.by_name[name] = slower(self.by_name[name], path)
        if path in ("vmap", "slices") and why is not None and name not in self._said:
            self._said.add(name)
            self._news.append(f"{name} of {self._labels.get(parameter, 'no module')}: {why}")

    def announce(self, *, stacklevel: int) -> None:
        """One warning of all that is new."""
        if self._news:
            news, self._news = self._news, []
            warnings.warn(
                f"task gradients are slow for: {'; '.join(news)}. (`path` says how each parameter gets its own.)",
                stacklevel=stacklevel + 1,
            )


def _labels(module: nn.Module) -> dict[Tensor, str]:
    labels: dict[Tensor, str] = {}
    for name, child in module.named_modules():
        for parameter in child.parameters(recurse=False):
            labels.setdefault(parameter, f"{name or 'the model'} ({type(child).__name__})")
    return labels
