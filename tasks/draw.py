"""What is drawn for a trial, before it is played and without playing it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.task import SEEDS

if TYPE_CHECKING:
    from tasks.suite import Suite

_SPAN, _WORD = SEEDS[1], 2**64
_FEW = 3
"""Numbers up to which NumPy draws them faster one by one."""


@dataclass(frozen=True)
class Draw:
    """A trial's task, the simulator's seed for each of its attempts, and the key from which actions are replaced."""

    task_id: int
    seeds: tuple[int, ...]
    key: int


def draw_trial(
    suite: "Suite",
    generator: np.random.Generator,
    weights: NDArray[np.float64],
    fixed_task: int | None,
    task: int | None = None,
) -> Draw:
    """Draw a trial from the generator of its slot.

    Args:
        weights: [task] how often each is drawn, where the suite does not draw all alike.
        fixed_task: the task of all the slot's trials, which then is not drawn.
        task: the task that was drawn when this trial was drawn first, whatever the weights are now.
    """
    if fixed_task is not None:
        task = fixed_task
    else:
        drawn = _drawn_task(suite, generator, weights)
        task = drawn if task is None else task
    chosen = suite.tasks[task]
    attempts = chosen.warmup_attempts + chosen.attempts
    seeds = _integers(generator, *(chosen.seeds or SEEDS), attempts)
    (key,) = _integers(generator, *SEEDS, 1)
    if chosen.instance == "same":
        seeds = seeds[:1] * attempts
    return Draw(task, tuple(seeds), key)


def generator_at(state: Any) -> np.random.Generator:
    """A generator of its own that goes on from where a slot's generator stood."""
    bits = np.random.PCG64(0)
    bits.state = state
    return np.random.Generator(bits)


def _drawn_task(suite: "Suite", generator: np.random.Generator, weights: NDArray[np.float64]) -> int:
    if suite.sampling == "uniform":
        return int(generator.integers(suite.num_tasks)) if suite.num_tasks > 1 else 0
    shares = np.cumsum(weights)
    place = int(np.searchsorted(shares, generator.random() * shares[-1], side="right"))
    return min(place, suite.num_tasks - 1)


def _integers(generator: np.random.Generator, low: int, high: int, count: int) -> list[int]:
    """``generator.integers(low, high, size=count)``: the same numbers, several times faster for the few of a trial."""
    if (low, high) == SEEDS:
        return [_seed(generator.bit_generator) for _ in range(count)]
    if count <= _FEW:
        return [int(generator.integers(low, high)) for _ in range(count)]
    drawn: list[int] = generator.integers(low, high, size=count).tolist()
    return drawn


def _seed(bits: np.random.BitGenerator) -> int:
    """What NumPy draws from `SEEDS`, by Lemire's method: the high word of a product, unless its low word is one of
    the few that would favour some numbers (Lemire 2019, "Fast Random Integer Generation in an Interval").
    """
    while True:
        seed, rest = divmod(int(bits.random_raw()) * _SPAN, _WORD)
        if rest >= _WORD % _SPAN:
            return seed
