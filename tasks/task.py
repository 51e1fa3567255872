"""One task of a suite: which simulator, and how a trial of it is played and paid."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SEEDS = (0, 2**63 - 1)
ARRAYS = ("image", "grid", "tokens")
"""Parts of an observation that keep their form; everything else becomes the vector."""
VECTOR = "vector"


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
    """Steps after which the whole trial ends, whatever its attempts; None: when the last attempt does."""
    at_max_steps: Literal["truncate", "terminate"] = "truncate"
    """How a trial ends at `max_steps`: cut off, so that values look beyond; or for good, where that is the horizon that
    the agent plays for (a trial of so many steps and as many attempts as fit, with `attempts` set to what could)."""
    seeds: tuple[int, int] | None = None
    """Training draws the instances' seeds from low to high - 1; None: from all."""
    test_seeds: tuple[int, int] | None = None
    """The same for evaluation; None: as in training, from generators that training does not use."""
    weight: float = 1.0
    """How often the task is drawn, next to the others, where the suite samples by weight. Above 0."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for whatever builds the simulator."""
    make: Callable[..., Any] | None = None
    """Builds the simulator; None: the source that the id names does.

    A simulator is a `gymnasium.Env` that draws all its randomness from ``reset(seed=...)``. If it has a true attribute
    ``marks_attempts``, it is also told the attempt's number, by ``options={"attempt": 0}`` and so on. It may name its
    actions for people, in a tuple ``action_names``, tell what it drew for the instance (arms' means, a goal) in a tuple
    of always as many numbers, ``instance``, which the agent never sees (of a trial, where its attempts have the same),
    and how long an attempt can be, ``most_steps``.
    """

    @property
    def simulator_key(self) -> tuple[Any, ...]:
        """Equal for tasks with the same simulator, whose spaces are then the same, and for no others."""
        return self.id, self.make, repr(sorted(self.options.items()))

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
        if self.at_max_steps not in ("truncate", "terminate"):
            raise ValueError(
                f"task {self.name!r}: at_max_steps must be 'truncate' or 'terminate', got {self.at_max_steps!r}"
            )
        if self.at_max_steps == "terminate" and self.max_steps is None:
            raise ValueError(f"task {self.name!r}: at_max_steps 'terminate' needs max_steps, got None")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"task {self.name!r}: weight must be a finite number above 0, got {self.weight}")
        for name in ("seeds", "test_seeds"):
            span = getattr(self, name)
            if span is not None and not SEEDS[0] <= span[0] < span[1] <= SEEDS[1]:
                raise ValueError(f"task {self.name!r}: expected {name} with 0 <= low < high < 2**63, got {span}")
        if (
            self.seeds
            and self.test_seeds
            and max(self.seeds[0], self.test_seeds[0]) < min(self.seeds[1], self.test_seeds[1])
        ):
            raise ValueError(
                f"task {self.name!r}: seeds {self.seeds} and test_seeds {self.test_seeds} overlap: "
                "evaluation would play what training has seen"
            )
