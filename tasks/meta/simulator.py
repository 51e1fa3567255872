"""What all simulators of this package have in common: an instance that is kept between attempts, and noise that is not.

The instance (arms, tables, a goal) depends on the seed alone, the noise on the seed and the attempt's number, which
trials tell: ``reset(seed=7, options={"attempt": 1})`` meets the instance of ``reset(seed=7)`` with other noise. Numbers
are drawn by Python's own generator, which is faster one by one than NumPy's; `np_random` stays unused.
"""

import random
from abc import abstractmethod
from typing import Any

import gymnasium


class InstanceSimulator(gymnasium.Env[Any, Any]):
    """An instance drawn by `draw`, played for at most `steps` steps an attempt, then terminated.

    The length is part of the problem and the time is seen, so an attempt's end is no truncation.

    Args:
        steps: most steps of an attempt, at least 1.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  # as in the base class
    marks_attempts = True
    noisy = False
    """Whether anything is drawn after the instance."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._left = 0  # steps until the end; 0: over, or not begun
        self._random = random.Random()
        self._drawn: int | None = None  # seed of the instance; -1: drawn without

    @property
    def most_steps(self) -> int:
        """The most steps that an attempt can have."""
        return self.steps

    @abstractmethod
    def draw(self, generator: random.Random) -> None:
        """Draw the instance."""

    @property
    @abstractmethod
    def instance(self) -> tuple[float, ...]:
        """What `draw` drew, as numbers."""

    @abstractmethod
    def start(self) -> Any:
        """Go to where an attempt begins and return its first observation."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an attempt.

        Args:
            seed: of the instance; None: attempt 0 draws one with the generator as it stands, later ones keep theirs.
            options: ``{"attempt": k}``, from 0; None: attempt 0.
        """
        attempt = int(options.get("attempt", 0)) if options else 0
        key = -1 if seed is None else seed
        if attempt == 0 or self._drawn is None or self._drawn != key != -1:
            if seed is not None:
                self._random.seed(seed)
            self.draw(self._random)
            self._drawn = key
        if attempt and self.noisy and seed is not None:
            self._random.seed(seed + (attempt << 63))  # beyond all seeds, so no instance is drawn from it
        self._left = self.steps
        return self.start(), {}
