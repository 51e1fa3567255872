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


@dataclass(frozen=True, kw_only=True)
class FixedScalesOptions:
    """Options of fixed weights."""

    weights: str = ""
    """One number a task, with commas between them, e.g. `1,2,0.5`; each greater than 0. Empty: equal weights."""

    def __post_init__(self) -> None:
        if any(not value > 0 for value in self.values):
            raise ValueError(f"fixed: weights must be greater than 0, got {self.weights!r}")

    @property
    def values(self) -> tuple[float, ...]:
        """The weights as numbers.

        Raises:
            ValueError: a part is no number.
        """
        try:
            return tuple(float(part) for part in self.weights.split(",") if part.strip())
        except ValueError as error:
            raise ValueError(f"fixed: expected numbers with commas between them, got {self.weights!r}") from error


@dataclass(frozen=True, kw_only=True)
class UncertaintyOptions:
    """Options of uncertainty weighting."""

    learning_rate: float = 0.025
    """Step of the logarithm of a task's variance, and its largest step. In (0, 1]."""

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"uncertainty: learning_rate must lie in (0, 1], got {self.learning_rate}")


@dataclass(frozen=True, kw_only=True)
class IMTLLOptions:
    """Options of IMTL-L."""

    learning_rate: float = 0.025
    """Step of the logarithm of a task's scale, and its largest step. In (0, 1]."""

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"imtl-l: learning_rate must lie in (0, 1], got {self.learning_rate}")


@dataclass(frozen=True, kw_only=True)
class DWAOptions:
    """Options of the dynamic weight average."""

    temperature: float = 2.0
    """How even the weights are: the larger, the more. Greater than 0."""
    window: int = 200
    """Updates of a task over which its loss is averaged. At least 1."""

    def __post_init__(self) -> None:
        if not self.temperature > 0 or self.window < 1:
            raise ValueError(f"dwa: expected temperature > 0 and window >= 1, got {self.temperature} and {self.window}")


@dataclass(frozen=True, kw_only=True)
class RLWOptions:
    """Options of random loss weighting."""

    deviation: float = 1.0
    """Standard deviation of the normal numbers. At least 0."""

    def __post_init__(self) -> None:
        if self.deviation < 0:
            raise ValueError(f"rlw: deviation must be at least 0, got {self.deviation}")


@dataclass(frozen=True, kw_only=True)
class FAMOOptions:
    """Options of FAMO."""

    learning_rate: float = 0.025
    """Adam's step in the logits of the weights (beta), per update of the task. In (0, 1]."""
    decay: float = 1e-3
    """Pull of the logits towards 0 (gamma). It bounds them to about the fall of a log loss in one update over this
    number: make it smaller where updates are small. At least 0."""

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"famo: learning_rate must lie in (0, 1], got {self.learning_rate}")
        if not self.decay >= 0:
            raise ValueError(f"famo: decay must be at least 0, got {self.decay}")


@dataclass(frozen=True, kw_only=True)
class STCHOptions:
    """Options of smooth Tchebycheff."""

    smoothing: float = 0.5
    """mu: near 0 the worst task alone counts, at 1 the weights do not follow the losses, above 1 they follow the best
    task. Greater than 0."""
    warmup: int = 100
    """Updates of a task over which its reference loss is averaged. At least 1."""

    def __post_init__(self) -> None:
        if not self.smoothing > 0:
            raise ValueError(f"stch: smoothing must be greater than 0, got {self.smoothing}")
        if self.warmup < 1:
            raise ValueError(f"stch: warmup must be at least 1, got {self.warmup}")


@dataclass(frozen=True, kw_only=True)
class GeometricOptions:
    """The geometric mean has nothing to set."""


@dataclass(frozen=True, kw_only=True)
class TaskRatesOptions:
    """Options of task-specific learning rates."""

    step_size: float = 0.01
    """Rate of the exponential average of squared gradient norms, per update of the task. In (0, 1]."""

    def __post_init__(self) -> None:
        if not 0 < self.step_size <= 1:
            raise ValueError(f"task-rates: step_size must lie in (0, 1], got {self.step_size}")


@dataclass(frozen=True, kw_only=True)
class ReturnScaleOptions:
    """Options of return-based scaling."""

    step_size: float = 1e-3
    """Rate of the exponential averages of the moments, per update. In (0, 1]."""
    minimum: float = 1e-4
    """Lower bound on the scale, in units of the return. Greater than 0."""
    maximum: float = 1e6
    """Upper bound on the scale, in units of the return. Greater than the lower bound."""

    def __post_init__(self) -> None:
        if not 0 < self.step_size <= 1:
            raise ValueError(f"return-scale: step_size must lie in (0, 1], got {self.step_size}")
        if not 0 < self.minimum < self.maximum:
            raise ValueError(f"return-scale: expected 0 < minimum < maximum, got {self.minimum} and {self.maximum}")


@dataclass(frozen=True, kw_only=True)
class MaxReturnOptions:
    """Options of scaling by the largest return."""

    decay: float = 1.0
    """Factor on the largest return so far, per update; 1 never forgets. In (0, 1]."""
    minimum: float = 1e-4
    """Lower bound on the scale, in units of the return. Greater than 0."""
    maximum: float = 1e6
    """Upper bound on the scale, in units of the return. Greater than the lower bound."""

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1:
            raise ValueError(f"max-return: decay must lie in (0, 1], got {self.decay}")
        if not 0 < self.minimum < self.maximum:
            raise ValueError(f"max-return: expected 0 < minimum < maximum, got {self.minimum} and {self.maximum}")
