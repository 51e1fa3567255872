"""Plan for the mean of the posterior, with a bonus for what has rarely been tried.

Source: Kolter and Ng 2009, "Near-Bayesian exploration in polynomial time": Bayesian exploration bonus,
beta / (1 + n) on the reward of a state and an action that have been tried n times. Without a bonus, the plan of the
greedy and of the epsilon-greedy policy.
Departs: n counts what was tried alone, not the prior; rewards are unknown too, with their posterior means.
"""

import numpy as np

from baselines.references.tabular import Plan, Policy, Posterior, value_iteration


def posterior_mean(horizon: int, *, beta: float = 0.0) -> Plan:
    """The plan.

    Args:
        horizon: steps of an attempt.
        beta: bonus for what has never been tried, in units of reward, at least 0.
    Raises:
        ValueError: beta is below 0.
    """
    if not beta >= 0.0:
        raise ValueError(f"expected beta >= 0, got {beta}: a negative bonus avoids what is unknown")

    def plan(posterior: Posterior, generator: np.random.Generator) -> Policy:
        rewards = posterior.mean_rewards() + beta / (1.0 + posterior.pulls)
        return value_iteration(posterior.mean_moves(), rewards, horizon)[0]

    return plan
