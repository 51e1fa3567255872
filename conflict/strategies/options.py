"""Options of the gradient strategies; importable without torch, so that a command line can list them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class StrategyOptions:
    """What every strategy can be asked for; all that most of them can."""

    norm_match: bool = False
    """Rescale every update to the norm of the plain mean gradient, so that methods differ in direction alone."""


@dataclass(frozen=True, kw_only=True)
class FixedOptions(StrategyOptions):
    """Options of the fixed weights."""

    weights: str | float | Iterable[float] = ""
    """Relative weights of all tasks, by task id: "1,2,0.5" or a sequence of numbers >= 0; "" is all equal."""

    def __post_init__(self) -> None:
        given = self.weights
        try:
            if isinstance(given, str):
                values = tuple(float(part) for part in given.split(",")) if given.strip() else ()
            elif isinstance(given, (int, float)):
                values = (float(given),)
            else:
                values = tuple(float(value) for value in given)
        except (TypeError, ValueError):
            raise ValueError(f'weights are numbers with commas between them, as in "1,2,0.5", got {given!r}') from None
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise ValueError(f"weights must be finite and >= 0, got {given!r}")
        if values and not any(values):
            raise ValueError(f"weights must not all be 0, got {given!r}")
        object.__setattr__(self, "weights", values)


@dataclass(frozen=True, kw_only=True)
class GradVacOptions(StrategyOptions):
    """Options of GradVac."""

    step_size: float = 0.01
    """Share of the newest cosine in the moving targets (the paper's beta), in (0, 1]."""

    def __post_init__(self) -> None:
        _check(0 < self.step_size <= 1, "step_size must be in (0, 1]", self.step_size)


@dataclass(frozen=True, kw_only=True)
class CAGradOptions(StrategyOptions):
    """Options of CAGrad."""

    c: float = 0.5
    """How far from the mean gradient the update may go, in norms of the mean gradient, >= 0; 0 is the mean."""

    def __post_init__(self) -> None:
        _check(0 <= self.c < math.inf, "c must be >= 0", self.c)


@dataclass(frozen=True, kw_only=True)
class NashMTLOptions(StrategyOptions):
    """Options of Nash-MTL."""

    update_every: int = 1
    """Solve anew in every n-th update and keep the weights in between, >= 1."""

    def __post_init__(self) -> None:
        _check(self.update_every >= 1, "update_every must be at least 1", self.update_every)


@dataclass(frozen=True, kw_only=True)
class FairGradOptions(StrategyOptions):
    """Options of FairGrad."""

    alpha: float = 2.0
    """Kind of fairness, in [0.01, 100]: towards 0 the mean, 1 Nash-MTL, towards infinity the direction of MGDA."""

    def __post_init__(self) -> None:
        _check(0.01 <= self.alpha <= 100, "alpha must be in [0.01, 100]", self.alpha)


@dataclass(frozen=True, kw_only=True)
class AlignedMTLOptions(StrategyOptions):
    """Options of Aligned-MTL."""

    scale: Literal["min", "median", "rmse"] = "min"
    """Common length of the aligned components: the smallest, the median, or the root mean square singular value."""

    def __post_init__(self) -> None:
        _check(self.scale in ("min", "median", "rmse"), "scale must be 'min', 'median' or 'rmse'", self.scale)


@dataclass(frozen=True, kw_only=True)
class SDMGradOptions(StrategyOptions):
    """Options of SDMGrad."""

    pull: float = 0.3
    """Pull towards the mean gradient (the paper's lambda), >= 0: 0 is MGDA, towards infinity the mean."""

    def __post_init__(self) -> None:
        _check(0 <= self.pull < math.inf, "pull must be >= 0", self.pull)


@dataclass(frozen=True, kw_only=True)
class GradDropOptions(StrategyOptions):
    """Options of GradDrop."""

    leak: float = 0.0
    """Share of every gradient that is never dropped, in [0, 1]; 1 sums nothing away, so it is the mean."""

    def __post_init__(self) -> None:
        _check(0 <= self.leak <= 1, "leak must be in [0, 1]", self.leak)


def _check(holds: bool, claim: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{claim}, got {value!r}")
