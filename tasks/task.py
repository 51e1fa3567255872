"""One task of a suite: which simulator, and how a trial of it is played and paid."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Task:
    """A simulator and the protocol of its trials; ordinary RL is one paid attempt without warm-up."""

    name: str
    """Short name, unique in its suite."""
    id: str
    """``source:name``, e.g. ``popgym:AutoencodeEasy``; reference scores are filed under it."""
    reward_scale: float = 1.0
    """Factor between the raw and the trained reward, above 0; reported scores are always raw."""
    attempts: int = 1
    """Paid attempts (episodes) in a trial, at least 1."""
    warmup_attempts: int = 0
    """Attempts before the paid ones, whose rewards are observed but not paid."""
    instance: Literal["fresh", "same"] = "fresh"
    """What an attempt meets: an instance of its own, or the same one in all attempts of the trial."""
    max_steps: int | None = None
    """Steps after which the whole trial is truncated; None: when its last attempt ends."""
    make: Callable[[], Any] | None = None
    """Builds the simulator; None: the source that the id names does.

    A simulator is a `gymnasium.Env` with discrete actions that draws all its randomness from ``reset(seed=...)``.
    """

    def __post_init__(self) -> None:
        """Refuse settings that no trial could be played with."""
        if not self.name:
            raise ValueError("a task needs a name, got an empty one")
        if ":" not in self.id:
            raise ValueError(f"task {self.name!r}: expected an id 'source:name', got {self.id!r}")
        if not (math.isfinite(self.reward_scale) and self.reward_scale > 0):
            raise ValueError(
                f"task {self.name!r}: reward_scale must be a finite number above 0, got {self.reward_scale}"
            )
        if self.attempts < 1 or self.warmup_attempts < 0:
            raise ValueError(
                f"task {self.name!r}: expected attempts >= 1 and warmup_attempts >= 0, "
                f"got {self.attempts} and {self.warmup_attempts}"
            )
        if self.instance not in ("fresh", "same"):
            raise ValueError(f"task {self.name!r}: instance must be 'fresh' or 'same', got {self.instance!r}")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"task {self.name!r}: max_steps must be at least 1 or None, got {self.max_steps}")
