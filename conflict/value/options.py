"""Options of the value targets; importable without torch, so that a command line can list them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class RegressionOptions:
    """Options of regression on the value itself."""

    loss: Literal["mse", "huber"] = "mse"
    """Squared error, or Huber's loss, which is linear beyond ``delta``."""
    delta: float = 1.0
    """Where Huber's loss turns linear, in units of the (normalised) return. Greater than 0."""

    def __post_init__(self) -> None:
        if self.loss not in ("mse", "huber"):
            raise ValueError(f"regression: loss must be 'mse' or 'huber', got {self.loss!r}")
        if not self.delta > 0:
            raise ValueError(f"regression: delta must be greater than 0, got {self.delta}")


@dataclass(frozen=True, kw_only=True)
class SymlogRegressionOptions:
    """Options of regression in the space of the symmetric logarithm."""

    loss: Literal["mse", "huber"] = "mse"
    """Squared error, or Huber's loss, which is linear beyond ``delta``."""
    delta: float = 1.0
    """Where Huber's loss turns linear, in symlog. Greater than 0."""
    low: float = -1e5
    """Least value, in units of the return; lesser targets and outputs are clamped."""
    high: float = 1e5
    """Greatest value, in units of the return; greater targets and outputs are clamped."""
    unit: float = 1.0
    """Where symlog turns from linear to logarithmic, in units of the return. Greater than 0."""

    def __post_init__(self) -> None:
        if self.loss not in ("mse", "huber"):
            raise ValueError(f"symlog-regression: loss must be 'mse' or 'huber', got {self.loss!r}")
        if not self.delta > 0:
            raise ValueError(f"symlog-regression: delta must be greater than 0, got {self.delta}")
        if not self.low < self.high:
            raise ValueError(f"symlog-regression: expected low < high, got {self.low} and {self.high}")
        if not self.unit > 0:
            raise ValueError(f"symlog-regression: unit must be greater than 0, got {self.unit}")


@dataclass(frozen=True, kw_only=True)
class SupportOptions:
    """The bins that a classification target classifies into."""

    bins: int = 64
    """Number of bins. At least 2; hl-gauss needs at least 10 at its default sigma_ratio."""
    low: float = -1e5
    """Least value that the bins reach, in units of the return; lesser targets are clamped."""
    high: float = 1e5
    """Greatest value that the bins reach, in units of the return; greater targets are clamped."""
    spacing: Literal["symlog", "linear"] = "symlog"
    """Whether the bins are equally spaced in symlog(value / unit) or in the value."""
    unit: float = 1.0
    """Where symlog turns from linear to logarithmic, in units of the return; below 1 finer around 0. Greater than 0."""

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ValueError(f"value target: bins must be at least 2, got {self.bins}")
        if not self.low < self.high:
            raise ValueError(f"value target: expected low < high, got {self.low} and {self.high}")
        if not self.unit > 0:
            raise ValueError(f"value target: unit must be greater than 0, got {self.unit}")
        if self.spacing not in ("symlog", "linear"):
            raise ValueError(f"value target: spacing must be 'symlog' or 'linear', got {self.spacing!r}")


@dataclass(frozen=True, kw_only=True)
class TwoHotOptions(SupportOptions):
    """Options of the two-hot target."""


@dataclass(frozen=True, kw_only=True)
class C51Options(TwoHotOptions):
    """Options of C51. The paper has 51 bins from -10 to 10, with linear spacing."""


@dataclass(frozen=True, kw_only=True)
class HLGaussOptions(SupportOptions):
    """Options of the HL-Gauss target."""

    sigma_ratio: float = 0.75
    """Standard deviation of the Gaussian in bin widths. Greater than 0; below 0.5 the read-back gets coarse."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sigma_ratio > 0:
            raise ValueError(f"hl-gauss: sigma_ratio must be greater than 0, got {self.sigma_ratio}")
