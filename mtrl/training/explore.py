"""Exploration that the actor does not choose: uniformly random actions, each held for a while.

Source: Dabney et al. 2021, "Temporally-Extended ε-Greedy Exploration", Section 4.
Departs: durations are geometric, so that their mean is finite and a setting, and the share of random actions stays what
it is asked to be, whatever their duration; a change of it is followed within some durations, or at the next trial.
"""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.suite import Suite


class Explorer:
    """Takes the place of some of the actors' actions.

    Args:
        length: mean steps for which a random action is held, at least 1; it ends with the trial.
    """

    def __init__(self, suite: Suite, num_slots: int, length: float, device: torch.device) -> None:
        self.num_actions, self.continuous, self.length = suite.num_actions, suite.continuous, length
        self.share = 0.0
        """Share of random actions, in [0, 1]."""
        self.held = torch.zeros(num_slots, dtype=torch.bool, device=device)
        shape = (num_slots, suite.num_actions) if suite.continuous else (num_slots,)
        dtype = torch.float32 if suite.continuous else torch.int64
        self.action = torch.zeros(shape, dtype=dtype, device=device)

    def __call__(self, actions: Tensor, allowed: Tensor | None, first: Tensor, generator: torch.Generator) -> Tensor:
        """What is played.

        Args:
            actions: what the actors chose, [slot] or [slot, number].
            allowed: [slot, action] which the slot's task has; None: all.
            first: [slot] whether a trial begins.
            generator: draws.
        """
        if self.share <= 0:
            self.held.zero_()
            return actions
        draws = torch.rand(len(actions), self.num_actions + 1, device=actions.device, generator=generator)
        chance, preference = draws[:, 0], draws[:, 1:]
        keep = 1.0 - 1.0 / self.length
        held = self.held & ~first
        goes_on = held & (chance < keep)
        # What is left of the draw is uniform again. A new action begins so often that the share comes out at every
        # step, also at a trial's first, where none can be held.
        chance = torch.where(held, (chance - keep) / (1.0 - keep), chance)
        often = self.share / (self.length * (1.0 - self.share) + self.share)
        starts = ~goes_on & (chance < torch.where(first, self.share, often))
        self.held = goes_on | starts
        if self.continuous:
            assert allowed is not None
            drawn = (2 * preference - 1) * allowed  # numbers that a task's actions do not have stay 0
            self.action = torch.where(starts[:, None], drawn, self.action)
            return torch.where(self.held[:, None], self.action, actions)
        drawn = (preference if allowed is None else preference * allowed).argmax(dim=-1)
        self.action = torch.where(starts, drawn, self.action)
        return torch.where(self.held, self.action, actions)

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """What is held now."""
        return {"held": self.held.cpu().numpy(), "held_action": self.action.cpu().numpy()}

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from `state_arrays`; checkpoints from before actions were held have none."""
        if "held" in arrays:
            self.held = torch.from_numpy(arrays["held"]).to(self.held.device)
            self.action = torch.from_numpy(arrays["held_action"]).to(self.held.device)
