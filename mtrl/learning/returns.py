"""Targets for the critics: pure functions of rewards and values.

Source: Sutton & Barto 2018, Section 6.1 (one-step targets); Fedus et al. 2019, "Hyperbolic Discounting and Learning
over Multiple
Horizons" (several discounts at once).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def one_step_targets(
    reward: Float[Tensor, " row"],
    terminated: Bool[Tensor, " row"],
    next_value: Float[Tensor, "row discount"],
    discounts: Float[Tensor, " discount"],
) -> Float[Tensor, "row discount"]:
    """y = r + gamma (1 - terminated) V(h').

    Only a termination cuts the bootstrap: a truncated step, the last step of a window, and the last step of an
    attempt inside a trial all look at the value of the observation that follows.
    """
    return reward[:, None] + discounts * (~terminated)[:, None] * next_value


def draw_members(critics: int, how: str, generator: torch.Generator) -> Int[Tensor, " member"] | None:
    """The target critics that an update asks: all (None), or two drawn anew, of whose values the smaller counts.

    Source: Chen et al. 2021, "Randomized Ensembled Double Q-Learning" (REDQ), Algorithm 1 with M = 2.
    """
    if how == "mean" or critics <= 2:
        return None
    return torch.randperm(critics, generator=generator, device=generator.device)[:2]
