"""UCRL2: in every attempt, do what is best in the most promising MDP that what was seen allows.

Source: Jaksch, Ortner and Auer 2010, "Near-optimal regret bounds for reinforcement learning", figures 1 and 2: rewards
at the upper end of their intervals (equation 3), and transitions within an L1 ball (equation 4), of which the inner
maximisation gives as much as it may to the best next state and takes it from the worst.
Departs: a plan lasts one attempt of known length, so that value iteration is finite and not extended; the centres of
intervals and balls are posterior means, and the prior counts as one observation; both widths are multiplied by
constants to tune (1 is as published; rewards are then taken to lie in [0, 1], which they need not here).
"""

import numpy as np

from baselines.references.tabular import Plan, Policy, Posterior, Shape, Values


def ucrl2(shape: Shape, *, reward_width: float = 1.0, move_width: float = 1.0, delta: float = 0.05) -> Plan:
    """The plan.

    Args:
        reward_width: factor of the rewards' intervals, at least 0.
        move_width: factor of the transitions' balls, at least 0.
        delta: probability that the intervals miss the truth, above 0 and below 1.
    Raises:
        ValueError: a setting is out of its range.
    """
    if not (reward_width >= 0.0 and move_width >= 0.0 and 0.0 < delta < 1.0):
        raise ValueError(f"expected widths >= 0 and 0 < delta < 1, got {reward_width}, {move_width} and delta={delta}")

    def plan(posterior: Posterior, generator: np.random.Generator) -> Policy:
        slots, seen = len(posterior.pulls), 1.0 + posterior.pulls
        time = 1.0 + posterior.pulls.sum(axis=(1, 2))[:, None, None]
        pairs = shape.states * shape.actions
        rewards = posterior.mean_rewards() + reward_width * np.sqrt(3.5 * np.log(2 * pairs * time / delta) / seen)
        radius = move_width * np.sqrt(14 * shape.states * np.log(2 * shape.actions * time / delta) / seen)
        moves, policy = posterior.mean_moves(), np.empty((slots, shape.horizon, shape.states), np.int64)
        value = np.zeros((slots, shape.states))
        for step in range(shape.horizon - 1, -1, -1):
            ahead = rewards + best_in_ball(moves, radius, value)
            policy[:, step], value = ahead.argmax(axis=-1), ahead.max(axis=-1)
        return policy

    return plan


def best_in_ball(moves: Values, radius: Values, value: Values) -> Values:
    """The largest expected value of the next state within an L1 ball of transition probabilities.

    Args:
        moves: ``[slot, state, action, next state]`` centre.
        radius: ``[slot, state, action]`` L1 distance allowed.
        value: ``[slot, next state]``.
    Returns:
        ``[slot, state, action]``
    """
    order = value.argsort(axis=-1)  # from worst to best
    value = np.take_along_axis(value, order, axis=-1)[:, None, None, :]
    moves = np.take_along_axis(moves, order[:, None, None, :], axis=-1)
    added = np.minimum(radius / 2.0, 1.0 - moves[..., -1])[..., None]
    worse = moves[..., :-1].cumsum(axis=-1) - moves[..., :-1]
    taken = np.clip(added - worse, 0.0, moves[..., :-1])
    others: Values = ((moves[..., :-1] - taken) * value[..., :-1]).sum(axis=-1)
    best: Values = (moves[..., -1] + added[..., 0]) * value[..., -1]
    return others + best
