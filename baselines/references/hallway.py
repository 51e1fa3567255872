"""The hallway with a sign: the policy that reads it, and posterior sampling, which never does.

Posterior sampling (Strens 2000; Osband et al. 2013) plays what is best for one sampled hypothesis, and for none of them
it is best to walk to the sign. So it tries one end an attempt: 1/2 in the first, 1 in all others.
"""

import numpy as np
from numpy.typing import NDArray

from baselines.references.reference import Observation, begun
from tasks.meta.hallway import DOWN, HALF, LEFT, RIGHT, SIDE_WAY, SIGN_LEFT, SIGN_RIGHT, START, UP


class HallwayWalker:
    """Walks to an end that may pay.

    Args:
        reads: whether it reads the sign first, if it does not know the end yet.
    """

    def __init__(self, num_slots: int, generator: np.random.Generator, *, reads: bool) -> None:
        self.reads, self.generator = reads, generator
        self.known: NDArray[np.bool_] = np.zeros(num_slots, np.bool_)
        self.right: NDArray[np.bool_] = np.zeros(num_slots, np.bool_)
        """``[slot]`` whether the right end is believed to pay."""

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """See `baselines.references.reference.Reference`.

        Raises:
            ValueError: the observation is of another number of slots.
        """
        new, old = begun(observation, len(self.known))
        self.known[new], self.right[new] = False, self.generator.random(int(new.sum())) < 0.5
        ended = old[observation["attempt_start"][old] == 1]
        self.right[ended] ^= (observation["previous_reward"][ended] <= 0.0) & ~self.known[ended]
        self.known[ended] = True
        seen = observation["vector"].argmax(axis=1)
        sign = (seen == SIGN_LEFT) | (seen == SIGN_RIGHT)
        self.right, self.known = np.where(sign, seen == SIGN_RIGHT, self.right), self.known | sign
        along = np.where(self.right, RIGHT, LEFT)
        down = (seen == SIDE_WAY) | (seen == START)
        vertical = np.where(self.reads & ~self.known & down, DOWN, UP)
        return np.where((seen < 2 * HALF + 1) & (vertical != DOWN), along, vertical)
