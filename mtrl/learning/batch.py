"""What a learner gets: sequences of several tasks, sorted by task."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Of every step of a rollout, by the agent that has just played it."""

    log_prob: Float[Tensor, "task sequence time"]
    """Of the action, under the policy that acts."""
    target: Float[Tensor, "task sequence time discount"]
    """The lambda-return, on the scale of returns."""
    advantage: Float[Tensor, "task sequence time"]
    """Of the action, for the acting discount."""

    def to(self, device: str) -> Estimates:
        """The same on a device."""
        return Estimates(
            log_prob=self.log_prob.to(device), target=self.target.to(device), advantage=self.advantage.to(device)
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`sequence` windows of trials for each `task`, padded at their end to a common length `time`.

    Observations have one step more than actions: the one after the last action.
    """

    observation: dict[str, Tensor]
    """Each [task, sequence, time + 1, ...], in the dtype of its space."""
    action: Int[Tensor, "task sequence time"] | Float[Tensor, "task sequence time size"]
    """The action that the agent chose; continuous ones hold several numbers in [-1, 1]."""
    reward: Float[Tensor, "task sequence time"]
    """Trained reward: raw times the task's scale, 0 where an attempt is not paid."""
    terminated: Bool[Tensor, "task sequence time"]
    """The trial ended here by itself; nothing follows. A truncation or an attempt boundary is not marked."""
    mask: Bool[Tensor, "task sequence time"]
    """True for steps that exist, false for padding."""
    task_ids: Int[Tensor, " task"]
    """The tasks in this batch, by their place in the suite."""
    allowed: Bool[Tensor, "task action"] | None
    """Actions that each of these tasks has, where the suite masks them (of continuous ones, the numbers); else
    None."""
    learnt: Bool[Tensor, "task sequence time"] | None = None
    """Steps to learn from, where others only give the memory something to remember; None: all that exist."""
    estimates: Estimates | None = None
    """What a rollout was thought of before anything was learnt from it; None: the batch is of a replay."""

    def to(self, device: str) -> Batch:
        """The same batch on a device."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values["observation"] = {key: value.to(device) for key, value in self.observation.items()}
        moved: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor | Estimates) else v for k, v in values.items()}
        return Batch(**moved)


def existing(mask: Bool[Tensor, "task sequence time"]) -> Bool[Tensor, "sequences steps"]:
    """Which of the observations [task x sequence, time + 1] are none of padding: those before and after each step."""
    first = mask[..., :1]
    after = torch.cat([first, mask], dim=-1)
    return after.flatten(0, 1)
