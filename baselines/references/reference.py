"""What a reference policy is: it acts for all slots at once from what an agent sees, and nothing more."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Observation: TypeAlias = Mapping[str, NDArray[Any]]
"""What `tasks.spaces.trial_space` describes, one row a slot."""


class Reference(Protocol):
    """A policy with a memory for every slot.

    ``time == 0`` begins a new trial, of which nothing is known; ``attempt_start == 1`` begins an attempt.
    """

    def act(self, observation: Observation) -> NDArray[Any]:
        """Actions of all slots, ``[slot]`` or ``[slot, number]``; must see every observation once, in order."""


Make: TypeAlias = Callable[[int, np.random.Generator], Reference]
"""Makes a reference for a number of slots; all its randomness comes from the generator."""


def begun(observation: Observation, num_slots: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which slots begin a trial, and the indices of those that do not.

    Raises:
        ValueError: the observation is of another number of slots than the reference was made for.
    """
    time = observation["time"]
    if time.shape != (num_slots,):
        raise ValueError(
            f"expected observations of {num_slots} slots, got 'time' of shape {time.shape}: "
            "a reference is made for one number of slots"
        )
    new = time == 0
    return new, np.flatnonzero(~new)
