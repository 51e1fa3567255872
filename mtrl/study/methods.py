"""Methods by name: a remedy is some settings of a run, and remedies combine with "+". Imports no torch.

Source: the variants of actor and critic are those of Grigsby et al. 2024 (AMAGO-2), Figure 1: "Dep" losses depend on
the scale of returns (policy gradient; regression in the unit of one PopArt over all tasks), "Ind" losses do not
(filtered imitation; classification). Sources of the others stand with their implementation in `conflict`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from conflict.registry import RESCALINGS, STRATEGIES, VALUE_TARGETS
from mtrl.agent.config import MemoryName
from mtrl.study.settings import full_place
from tasks.registry import nearest


@dataclass(frozen=True, kw_only=True)
class Method:
    """A column of a comparison."""

    name: str
    """As it is called in tables."""
    summary: str = ""
    """One sentence."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the run by their place, e.g. ``{"conflict.strategy": "pcgrad"}``; all others are the study's."""
    alone: bool = False
    """One agent a task, each with its share of the steps."""

    def __post_init__(self) -> None:
        """Refuse names that make no folder, and settings that do not exist."""
        if not self.name or set(self.name) & set("/\\ ,@") or self.name.startswith("."):
            raise ValueError(f"a method's name: expected letters, digits, - + _ and dots, found {self.name!r}")
        for place in self.settings:
            full_place(place)


_DEP_DEP = {
    "learning.actor": "policy-gradient",
    "learning.filter": "binary",
    "learning.filter_value": "critic",
    "learning.critic": "regression",
    "learning.popart": True,
    "conflict.strategy": "mean",
    "conflict.rescaling": "none",
}
_IND_IND = {"learning.actor": "filtered", "learning.critic": "two-hot"}

_MEAN = {"sharing.unseen_tasks": "mean"}
"""What held-out tasks get where tasks have something of their own."""
_UNSAID = ("mean", "none", "fixed")
"""What every method starts from, and what says nothing without numbers of its own (a study file gives them)."""
PARTS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "mean": (
        "The plain mean of the tasks' losses; policy gradient and regression, one PopArt (AMAGO-2's Dep/Dep).",
        {},
    ),
    "bare": ("Critics regress the bare returns.", {"learning.popart": False}),
    "dep-ind": ("AMAGO-2's Dep/Ind: policy gradient, two-hot critics.", {"learning.critic": "two-hot"}),
    "ind-dep": ("AMAGO-2's Ind/Dep: filtered imitation, regression.", {"learning.actor": "filtered"}),
    "ind-ind": ("AMAGO-2's Ind/Ind: filtered imitation, two-hot critics.", _IND_IND),
    "two-hot": ("Two-hot critics and filtered imitation: AMAGO-2's Ind/Ind.", _IND_IND),
    "hl-gauss": ("HL-Gauss critics and filtered imitation.", {**_IND_IND, "learning.critic": "hl-gauss"}),
    "c51": ("C51 critics and filtered imitation.", {**_IND_IND, "learning.critic": "c51"}),
    "filtered": ("Filtered imitation.", {"learning.actor": "filtered"}),
    "advantage-weighted": (
        "Imitation of what came off in the replay, weighted by the exponential of its advantage (AWR, CRR).",
        {"learning.actor": "filtered", "learning.filter": "exponential", "learning.filter_value": "return"},
    ),
    "policy-gradient": ("Policy gradient.", {"learning.actor": "policy-gradient"}),
    "regression": ("Critics regress.", {"learning.critic": "regression"}),
    "ppo": (
        "Clipped PPO on rollouts of the policy itself, critics of states; no replay, so not as many updates.",
        {"learning.actor": "ppo"},
    ),
    "multi-head": ("Last layers of actor and critics of each task's own.", {"sharing.heads": "task", **_MEAN}),
    "one-hot": ("The network is told the task's number.", {"sharing.conditioning": "one-hot", **_MEAN}),
    "task-embedding": (
        "The network is told a learnt embedding of the task.",
        {"sharing.conditioning": "embedding", **_MEAN},
    ),
    "film": (
        "A learnt embedding of the task scales and shifts the features.",
        {"sharing.conditioning": "film", **_MEAN},
    ),
    "mission-film": ("The mission's words scale and shift the features.", {"sharing.conditioning": "mission"}),
    **{
        name if name in ("soft-modularization", "care", "paco", "moore") else f"{name}-experts": (
            f"A mixture of experts behind the encoder: {name}.",
            {"experts.experts": name, **_MEAN},
        )
        for name in ("dense", "top-k", "soft-modularization", "care", "paco", "moore")
    },
    **{name: (f"Sequence model: {name}.", {"agent.memory": name}) for name in get_args(MemoryName)},
    "symlog-regression": ("Critics regress in symlog.", {"learning.critic": "symlog-regression"}),
    **{
        name: (f"Strategy: {entry.summary}", {"conflict.strategy": name})
        for name, entry in STRATEGIES.items()
        if name not in _UNSAID
    },
    **{
        name: (f"Rescaling: {entry.summary}", {"conflict.rescaling": name})
        for name, entry in RESCALINGS.items()
        if name not in _UNSAID
    },
}
"""What a method can be made of: name -> what it is, and the settings that it changes. Adding one is one line."""
assert set(VALUE_TARGETS) <= set(PARTS)

ALONE = "single-task"
"""The part that makes agents which learn one task each."""
_ALONE = Method(
    name=ALONE,
    summary="One agent a task, each with its share of the steps: what the tasks give each other, or take.",
    settings=_DEP_DEP,
    alone=True,
)
STANDARD: tuple[str, ...] = (
    *("mean", "dep-ind", "ind-dep", "two-hot", "hl-gauss"),
    *("pcgrad", "pcgrad+two-hot", "cagrad", "gradnorm", "popart", "popart+pcgrad", "single-task"),
)
"""The usual comparison."""


def find_method(name: str) -> Method:
    """A method by its name: a part, several joined by "+" (``pcgrad+two-hot``; of two that set the same thing the later
    one counts), or ``single-task``, which may have parts too (``single-task+two-hot``).

    Raises:
        ValueError: a part is unknown; the message names the nearest.
    """
    parts = [part for part in name.split("+") if part != _ALONE.name]
    alone = len(parts) < len(name.split("+"))
    settings: dict[str, Any] = dict(_DEP_DEP)
    summaries = [_ALONE.summary] if alone else []
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"unknown method {part!r}; {nearest(part, [*PARTS, _ALONE.name])}")
        summary, changed = PARTS[part]
        settings |= changed
        summaries.append(summary)
    return Method(name=name, summary="; ".join(summaries), settings=settings, alone=alone)
