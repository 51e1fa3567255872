"""Parts that a pretrained run gave stay as they are; what new tasks need to learn does not."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from conflict.registry import make_rescaling, make_strategy
from mtrl.agent.agent import Agent
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.agent.task_rows import rows_of_tasks
from mtrl.learning.config import LearningConfig
from mtrl.training.config import UpdateConfig
from mtrl.training.transfer import freeze, start_from
from mtrl.training.update import Updater
from tests.mtrl import builders
from tests.mtrl.mixed import mixed_agent

NAMES = ("A", "B", "C")


def test_only_what_was_taken_is_frozen() -> None:
    agent = builders.agent()
    names = [n for n in agent.state_dict() if n.startswith(("memory", "critic"))]
    freeze(agent, ("memory", "critic"), [n for n in names if n != "memory.norm.weight"])
    left = set(agent.trained_parameters())
    assert "memory.norm.weight" in left and not (left & set(names) - {"memory.norm.weight"})


PARTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "paco": ("experts", {"experts": ExpertsConfig(experts="paco")}, "experts.mixture.weights.weight"),
    "film": ("conditioning", {"sharing": SharingConfig(conditioning="film")}, "conditioning.table.weight"),
    "policy": ("policy", {"sharing": SharingConfig(heads="task")}, "policy.logits.weight"),
    "critic": ("critic", {"sharing": SharingConfig(heads="task")}, "critic.outputs.weight"),
    "memory": (
        "memory",
        {"experts": ExpertsConfig(experts="moore", experts_in="blocks")},
        "memory.blocks.0.feed_forward.mixture.weights.weight",
    ),
    "blocks": (
        "experts",
        {"experts": ExpertsConfig(experts="moore", experts_in="blocks")},
        "memory.blocks.0.feed_forward.mixture.weights.weight",
    ),
    "popart": ("critic", {"rescaling": "popart"}, "critic.affine.weight"),
}
"""What is frozen, of which agent, and a parameter there of which tasks have rows."""


def updated(agent: Agent, learning: LearningConfig, strategy: str) -> None:
    """Some updates with momentum and a strong decay of weights."""
    trainer = Updater(
        agent,
        make_strategy(strategy, 3),
        agent.normaliser if learning.critic == "regression" else make_rescaling("none", num_tasks=3),
        NAMES,
        UpdateConfig(warmup_updates=0, learning_rate=0.01, weight_decay=0.1),
        learning,
    )
    generator = torch.Generator().manual_seed(0)
    for seed, tasks in enumerate([(0, 1, 2), (0, 2), (0, 1, 2), (1,)]):
        trainer.update(builders.batch(tasks=tasks, seed=seed), generator, measure=False)


@pytest.mark.parametrize("strategy", ["mean", "pcgrad"])
@pytest.mark.parametrize("their_names", [("X", "Y", "Z"), ("X", "B", "Z"), NAMES])
@pytest.mark.parametrize("kind", PARTS)
def test_new_tasks_learn_what_is_theirs_in_a_frozen_part_and_nothing_else_of_it_moves(
    kind: str, their_names: tuple[str, ...], strategy: str
) -> None:
    part, settings, name = PARTS[kind]
    learning = replace(builders.LEARNING, critic="regression" if kind == "popart" else "two-hot")
    mine, theirs = (builders.agent(learning, seed=seed, **settings) for seed in (0, 1))
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    taken = start_from(mine, NAMES, theirs, their_names)["taken"]
    new = [n not in their_names for n in NAMES]
    freeze(mine, (part,), taken, new)
    before = {key: value.clone() for key, value in mine.state_dict().items()}
    updated(mine, learning, strategy)
    rows = rows_of_tasks(mine)
    frozen = _names_of(mine, part)
    assert name in frozen and name in rows
    for key in frozen:
        moved = mine.state_dict()[key] != before[key]
        if key not in rows:
            assert not moved.any(), key
            continue
        learns = rows[key].tasks[:, torch.tensor(new)].any(dim=1)
        by_row = moved.movedim(rows[key].axis, 0).flatten(1).any(dim=1)
        if kind != "popart":  # which rewrites its maps so that values stay what they were
            assert torch.equal(by_row, learns), key


def _names_of(agent: Agent, part: str) -> list[str]:
    def belongs(name: str) -> bool:
        return name.startswith(f"{part}.") or (part == "experts" and ".mixture." in name)

    return [name for name, _ in agent.named_parameters() if belongs(name)]


@pytest.mark.parametrize("part", ["memory", "experts"])
def test_experts_in_blocks_are_a_part_of_the_memory_and_of_the_experts(part: str) -> None:
    agent = builders.agent(experts=ExpertsConfig(experts="dense", experts_in="blocks"))
    freeze(agent, (part,), list(agent.state_dict()))
    frozen = {name for name, p in agent.named_parameters() if not p.requires_grad and "target" not in name}
    assert frozen == set(_names_of(agent, part))
    assert frozen >= {name for name, _ in agent.named_parameters() if "mixture.experts" in name}


def test_how_a_mission_is_told_is_a_part_of_the_conditioning() -> None:
    agent = mixed_agent(sharing=SharingConfig(conditioning="mission"))
    freeze(agent, ("conditioning",), list(agent.state_dict()))
    assert [name for name, p in agent.encoder.named_parameters() if not p.requires_grad] == ["mission.weight"]


@pytest.mark.parametrize("strategy", ["mean", "pcgrad"])
def test_a_frozen_group_counts_neither_in_the_gradient_nor_in_conflict(strategy: str) -> None:
    groups = {"0": "x", "1": "x", "2": "y", "3": "y"}
    agent = builders.agent(tasks=4, sharing=SharingConfig(heads="group", head_groups=groups))
    everything = list(agent.state_dict())
    freeze(agent, ("policy", "encoder", "memory", "critic"), everything, (False, False, True, True))
    heads = ("policy.logits.weight", "policy.logits.bias", "critic.outputs.weight", "critic.outputs.bias")
    assert tuple(agent.trained_parameters()) == heads
    none = make_rescaling("none", num_tasks=4)
    names, settings = ("A", "B", "C", "D"), UpdateConfig(warmup_updates=0)
    trainer = Updater(agent, make_strategy(strategy, 4), none, names, settings, builders.LEARNING)
    given = builders.batch(tasks=(0, 1, 2, 3))
    _, _, conflict = trainer.update(given, torch.Generator().manual_seed(0), measure=True)
    assert conflict is not None
    norms = conflict.gram.diagonal()
    assert not norms[:2].any() and (norms[2:] > 0).all()
    grad = agent.policy.last.weight.grad
    assert not grad[0].any() and grad[1].any()
    trainer.update(given, torch.Generator().manual_seed(0), measure=False)
    assert not agent.policy.last.weight.grad[0].any()


def test_what_cannot_be_frozen_is_refused() -> None:
    agent = builders.agent(sharing=SharingConfig(conditioning="one-hot"))
    with pytest.raises(ValueError, match="found conditioning: all that was taken is what new tasks start from"):
        freeze(agent, ("conditioning",), list(agent.state_dict()), (True, True, True))
    with pytest.raises(ValueError, match="found conditioning: the network has no such part"):
        freeze(builders.agent(), ("conditioning",), [])
    with pytest.raises(ValueError, match="found memory: none of it fits"):
        freeze(builders.agent(), ("memory",), ["encoder.mix.weight"])
    agent = builders.agent()
    with pytest.raises(ValueError, match="nothing is left to learn"):
        freeze(agent, ("encoder", "memory", "policy", "critic"), list(agent.state_dict()))
    with pytest.raises(ValueError, match="frozen memory: expected --pretrained RUN beside it"):
        replace(builders.small_run(), update=replace(builders.small_run().update, frozen=("memory",)))
