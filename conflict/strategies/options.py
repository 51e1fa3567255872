"""Options of the gradient strategies; importable without torch, so that a command line can list them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MeanOptions:
    """The plain mean has nothing to set."""


@dataclass(frozen=True, kw_only=True)
class PCGradOptions:
    """PCGrad has nothing to set."""
