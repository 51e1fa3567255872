"""Options of the rescalings; importable without torch, so that a command line can list them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class IdentityOptions:
    """No rescaling has nothing to set."""


@dataclass(frozen=True, kw_only=True)
class GradNormOptions:
    """Options of GradNorm."""

    alpha: float = 1.5
    """Strength of the pull towards equal training rates; 0 only equalises gradient norms. At least 0."""
    learning_rate: float = 0.025
    """Step of the logarithm of a task's weight when its gradient norm equals the mean norm. In (0, 1]."""
    minimum: float = 1e-6
    """Lower bound on a task's weight, whose mean over the tasks is 1. In (0, 1)."""

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"gradnorm: alpha must be at least 0, got {self.alpha}")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"gradnorm: learning_rate must lie in (0, 1], got {self.learning_rate}")
        if not 0 < self.minimum < 1:
            raise ValueError(f"gradnorm: minimum must lie in (0, 1), got {self.minimum}")


@dataclass(frozen=True, kw_only=True)
class PopArtOptions:
    """Options of PopArt, per task and global."""

    step_size: float = 3e-4
    """Rate of the exponential averages of mean and variance, per update. In (0, 1]."""
    minimum: float = 1e-4
    """Lower bound on the standard deviation, in units of the return. Greater than 0."""
    maximum: float = 1e6
    """Upper bound on the standard deviation, in units of the return. Greater than the lower bound."""

    def __post_init__(self) -> None:
        if not 0 < self.step_size <= 1:
            raise ValueError(f"popart: step_size must lie in (0, 1], got {self.step_size}")
        if not 0 < self.minimum < self.maximum:
            raise ValueError(f"popart: expected 0 < minimum < maximum, got {self.minimum} and {self.maximum}")
