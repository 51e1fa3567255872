"""Posterior sampling: in every attempt, do what is best in an MDP that is sampled from the posterior.

Source: Strens 2000, "A Bayesian framework for reinforcement learning"; Osband, Russo and Van Roy 2013, "(More)
efficient reinforcement learning via posterior sampling", algorithm 1.
Departs: the optimistic form follows the most promising of several samples.
"""

import numpy as np

from baselines.references.tabular import Plan, Policy, Posterior, value_iteration


def psrl(horizon: int, *, samples: int = 1) -> Plan:
    """Posterior sampling.

    Args:
        horizon: steps of an attempt.
        samples: MDPs drawn for an attempt, at least 1; the one of the highest value in state 0 is followed.
    Raises:
        ValueError: there are no samples.
    """
    if samples < 1:
        raise ValueError(f"expected at least one sample, got {samples}")

    def plan(posterior: Posterior, generator: np.random.Generator) -> Policy:
        best, promised = value_iteration(*posterior.sample(generator), horizon)
        for _ in range(samples - 1):
            policy, value = value_iteration(*posterior.sample(generator), horizon)
            better = value[:, 0] > promised[:, 0]
            best[better], promised[better] = policy[better], value[better]
        return best

    return plan
