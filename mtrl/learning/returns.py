"""Targets for the critics: pure functions of rewards and values.

Source: Sutton & Barto 2018, Section 6.1 (one-step targets); Peng & Williams 1996, "Incremental Multi-Step Q-Learning",
and Kozuno et al. 2021, "Revisiting Peng's Q(lambda) for Modern Reinforcement Learning" (lambda-returns off-policy,
uncorrected); Fedus et al. 2019, "Hyperbolic Discounting and Learning over Multiple Horizons" (several discounts at
once).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def lambda_targets(
    reward: Float[Tensor, " row"],
    terminated: Bool[Tensor, " row"],
    next_value: Float[Tensor, "row discount"],
    discounts: Float[Tensor, " discount"],
    place: Int[Tensor, " row"],
    trace: float,
) -> Float[Tensor, "row discount"]:
    """y_t = r_t + gamma (1 - terminated) ((1 - lambda) V(h_{t+1}) + lambda y_{t+1}), Peng's Q(lambda).

    Where the window ends, V(h_{t+1}) stands for y_{t+1}. With lambda = 0 these are the one-step targets; above, rewards
    reach earlier steps in one update, at the price that the actions between are the replay's and not the policy's.
    Only a termination cuts the bootstrap: a truncated step, the last step of a window, and the last step of an attempt
    inside a trial all look at the value of the observation that follows.

    Args:
        place: of each row among the steps of all windows, rising; rows that follow each other in a window differ by
            one, and those of different windows by more.
        trace: lambda, in [0, 1].
    """
    if not trace or not len(place):
        return reward[:, None] + discounts * (~terminated)[:, None] * next_value
    goes_on = torch.cat([place.diff() == 1, place.new_zeros(1, dtype=torch.bool)])
    share = (trace * goes_on)[:, None]
    discount = discounts * (~terminated)[:, None]
    start, decay = reward[:, None] + discount * (1 - share) * next_value, discount * share
    first = torch.cat([goes_on.new_ones(1), ~goes_on[:-1]])
    window = first.cumsum(0) - 1
    column = place - place[first][window]
    longest, windows = int(column.max()) + 1, int(window[-1]) + 1
    grid, decays = (rows.new_zeros(longest, windows, len(discounts)) for rows in (start, start))
    grid[column, window], decays[column, window] = start, decay
    for step in range(longest - 2, -1, -1):
        grid[step].addcmul_(decays[step], grid[step + 1])
    return grid[column, window]


def draw_members(critics: int, how: str, generator: torch.Generator) -> Int[Tensor, " member"] | None:
    """The target critics that an update asks: all (None), or two drawn anew, of whose values the smaller counts.

    Source: Chen et al. 2021, "Randomized Ensembled Double Q-Learning" (REDQ), Algorithm 1 with M = 2.
    """
    if how == "mean" or critics <= 2:
        return None
    return torch.randperm(critics, generator=generator, device=generator.device)[:2]
