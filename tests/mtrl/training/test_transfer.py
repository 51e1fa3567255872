"""Starting from another run's weights."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conflict.registry import make_rescaling
from mtrl.agent.agent import Agent
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.config import RunConfig
from mtrl.training.log import taken_over
from mtrl.training.loop import Run, train
from mtrl.training.transfer import start_from
from tests.mtrl import builders

NAMES = ("A", "B", "C")


def made(seed: int = 0, *, width: int = 6, rescaling: str = "none", **sharing: Any) -> Agent:
    agent = builders.agent(seed=seed, width=width, rescaling=rescaling, sharing=SharingConfig(**sharing))
    with torch.no_grad():
        for head in (agent.policy.last, agent.critic.outputs, agent.target_critic.outputs):
            head.weight.add_(torch.randn_like(head.weight))
    return agent


def same(one: Agent, two: Agent, *names: str) -> bool:
    mine, theirs = one.state_dict(), two.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in names)


@pytest.mark.parametrize("conditioning", ["none", "film"])
@pytest.mark.parametrize("heads", ["shared", "task"])
def test_an_agent_of_the_same_kind_is_taken_over_whole(heads: str, conditioning: str) -> None:
    mine, theirs = (made(seed, heads=heads, conditioning=conditioning) for seed in (0, 1))
    found = start_from(mine, NAMES, theirs, NAMES)
    assert not found["afresh"]
    assert same(mine, theirs, *mine.state_dict())


def test_tasks_get_their_own_back_by_name_and_new_ones_the_mean() -> None:
    mine, theirs = (made(seed, heads="task", conditioning="embedding") for seed in (0, 1))
    start_from(mine, ("C", "new", "A"), theirs, NAMES)
    for one, two, axis in (
        (mine.policy.last.weight, theirs.policy.last.weight, 0),
        (mine.critic.outputs.bias, theirs.critic.outputs.bias, 1),
        (mine.conditioning.table.weight, theirs.conditioning.table.weight, 0),  # type: ignore[union-attr]
    ):
        own, other = one.movedim(axis, 0), two.movedim(axis, 0)
        assert torch.equal(own[0], other[2]) and torch.equal(own[2], other[0])
        torch.testing.assert_close(own[1], other.mean(dim=0))


def test_heads_are_added_to_a_shared_one_and_joined_into_one() -> None:
    one, many = made(0), made(1, heads="task")
    start_from(many, NAMES, one, NAMES)
    assert all(torch.equal(many.policy.last.weight[k], one.policy.last.weight.T) for k in range(3))
    assert all(torch.equal(many.critic.outputs.weight[:, k], one.critic.outputs.weight) for k in range(3))
    one, many = made(0), made(1, heads="task")
    start_from(one, NAMES, many, NAMES)
    torch.testing.assert_close(one.policy.last.weight, many.policy.last.weight.mean(dim=0).T)
    torch.testing.assert_close(one.critic.outputs.bias, many.critic.outputs.bias.mean(dim=1))


def test_groups_start_from_the_mean_of_their_tasks() -> None:
    mine, theirs = made(0, heads="group", head_groups={"0": "a", "2": "a"}), made(1, heads="task")
    start_from(mine, ("A", "B", "C"), theirs, NAMES)
    torch.testing.assert_close(mine.policy.last.weight[0], theirs.policy.last.weight[[0, 2]].mean(dim=0))
    assert torch.equal(mine.policy.last.own_weight[0], theirs.policy.last.weight[1])


def test_a_group_with_a_new_task_starts_from_those_of_its_tasks_that_are_known() -> None:
    mine, theirs = made(0, heads="group", head_groups={"0": "a", "2": "a"}), made(1, heads="task")
    start_from(mine, ("A", "B", "new"), theirs, NAMES)
    assert torch.equal(mine.policy.last.weight[0], theirs.policy.last.weight[0])


@pytest.mark.parametrize(("names", "source_names"), [(("B",), ("A",)), (("A",), NAMES), (NAMES, ("A",))])
@pytest.mark.parametrize("rescaling", ["popart", "popart-global"])
def test_returns_are_measured_as_before_from_and_to_a_single_task(
    rescaling: str, names: tuple[str, ...], source_names: tuple[str, ...]
) -> None:
    learning = replace(builders.LEARNING, critic="regression")
    mine, theirs = (
        builders.agent(
            learning, seed=seed, rescaling=make_rescaling(rescaling, num_tasks=count, value_shape=(2,)), tasks=count
        )
        for seed, count in ((0, len(names)), (1, len(source_names)))
    )
    theirs.normaliser.mean.copy_(torch.arange(2.0 * len(theirs.normaliser.mean)).view(-1, 2) + 7)
    found = start_from(mine, names, theirs, source_names)
    assert ("normaliser.mean" in found["taken"]) == (rescaling == "popart-global" or "A" in names)
    if rescaling == "popart-global":
        assert torch.equal(mine.normaliser.mean, theirs.normaliser.mean)
    elif names == ("B",):  # a task that was not known has a unit of its own
        assert not mine.normaliser.mean.any()
    else:
        assert torch.equal(mine.normaliser.mean[0], theirs.normaliser.mean[0])


def test_what_does_not_fit_starts_afresh_and_is_named() -> None:
    mine, theirs = made(0, width=9), made(1)
    before = mine.state_dict()["encoder.encoders.vector.project.weight"].clone()
    found = start_from(mine, NAMES, theirs, NAMES)
    assert found["afresh"] == ["encoder.encoders.vector.project.weight"]
    assert torch.equal(mine.state_dict()["encoder.encoders.vector.project.weight"], before)
    assert same(mine, theirs, "memory.norm.weight", "policy.logits.weight")


@pytest.mark.parametrize("rescaling", ["none", "popart", "return-scale", "max-return"])
@pytest.mark.parametrize("critic", ["regression", "two-hot"])
def test_values_are_what_they_were_for_tasks_that_are_known(critic: str, rescaling: str) -> None:
    learning = replace(builders.LEARNING, critic=critic)
    mine, theirs = (builders.agent(learning, seed=seed, rescaling=rescaling) for seed in (0, 1))
    task = torch.tensor([0, 1, 2])
    returns = torch.tensor([[-100.0, -100.0], [5.0, 5.0], [1000.0, 900.0]], dtype=torch.float64)
    given = {"rewards": torch.tensor([-10.0, 0.5, 100.0]), "discounts": torch.tensor([[0.5, 0.9]] * 3)}
    for number in range(3):
        affine = [a for a in (theirs.critic.affine, theirs.target_critic.affine) if a is not None]
        given["rewards"] = (number + 1) * given["rewards"]
        theirs.normaliser.observe_returns(returns + torch.randn_like(returns), task, affine, **given)
    found = start_from(mine, ("C", "new", "A"), theirs, NAMES)
    assert not found["afresh"]
    seen = {key: value[:, 0, 0] for key, value in builders.batch().observation.items()}
    values = [
        agent.inspect(seen, agent.memory.initial_state(3), None, tasks).value
        for agent, tasks in ((mine, torch.tensor([2, 0, 2])), (theirs, torch.tensor([0, 2, 0])))
    ]
    torch.testing.assert_close(*values)
    if rescaling != "none":  # and the statistics go on from where they were
        units = []
        for agent, (a, c) in ((mine, (2, 0)), (theirs, (0, 2))):
            places = torch.tensor([a, c])
            some = {key: value[[0, 2]] for key, value in given.items()}
            agent.normaliser.observe_returns(returns[[0, 2]], places, **some)
            units.append(agent.normaliser.normalise(torch.ones(2, 2, dtype=torch.float64), places))
        torch.testing.assert_close(*units)


@pytest.mark.parametrize(
    "other",
    [
        {"value_unit": 0.02},
        {"critic": "c51"},
        {"critic": "regression"},
        {"discounts": (0.5, 0.8), "acting_discount": 0.8},
    ],
)
def test_critics_that_speak_otherwise_start_afresh(other: dict[str, Any]) -> None:
    theirs = builders.agent(replace(builders.LEARNING, **other), seed=1)
    mine = builders.agent()
    found = start_from(mine, NAMES, theirs, NAMES)
    critics = [name for name in mine.state_dict() if name.startswith(("critic", "target_critic"))]
    assert set(critics) <= set(found["afresh"]) and "memory.norm.weight" in found["taken"]
    assert ("policy.logits.weight" in found["taken"]) == ("discounts" not in other)


def weights(config: RunConfig, folder: Path) -> dict[str, torch.Tensor]:
    run = Run(config, folder)
    run.restore()
    run.collector.close()
    return run.agent.state_dict()


def test_a_run_starts_from_another_on_another_suite_with_parts_that_stay(tmp_path: Path) -> None:
    first = builders.small_run("popgym:RepeatFirstEasy")
    for _ in train(first, tmp_path / "first"):
        pass
    other = builders.small_run()
    other = replace(
        other,
        sharing=SharingConfig(heads="task"),
        loop=replace(other.loop, pretrained=str(tmp_path / "first"), seed=1),
        update=replace(other.update, frozen=("encoder", "memory")),
        conflict=replace(other.conflict, strategy="pcgrad"),
    )
    start, *_ = list(train(other, tmp_path / "second"))
    found = start["pretrained"]
    assert found["steps"] == 1600 and found["frozen"] == ["encoder", "memory"]
    said = taken_over(found)
    assert "frozen: encoder, memory; afresh, and learning: encoder.encoders.vector.project.weight" in said
    before, after = weights(first, tmp_path / "first"), weights(other, tmp_path / "second")
    kept = [name for name in found["taken"] if name.startswith(("encoder.", "memory."))]
    assert kept and all(torch.equal(before[name], after[name]) for name in kept)
    # The suite's observations are wider: their encoder could not be taken, and must learn.
    assert "encoder.encoders.vector.project.weight" in found["afresh"]
    begun = Run(replace(other, loop=replace(other.loop, seed=1)), tmp_path / "third")
    begun.collector.close()
    name = "encoder.encoders.vector.project.weight"
    assert not torch.equal(begun.agent.state_dict()[name], after[name])
    trained = sum(p.numel() for p in begun.agent.trained_parameters().values())
    assert start["parameters"] == trained


def test_a_run_that_was_pretrained_goes_on_to_the_same_bits_without_its_source(tmp_path: Path) -> None:
    first = builders.small_run("popgym:RepeatFirstEasy", steps=800)
    for _ in train(first, tmp_path / "first"):
        pass
    config = builders.small_run()
    config = replace(
        config,
        sharing=SharingConfig(heads="task"),
        loop=replace(config.loop, pretrained=str(tmp_path / "first"), seed=1),
        update=replace(config.update, frozen=("memory", "policy")),
    )
    for _ in train(config, tmp_path / "whole"):
        pass
    for record in train(config, tmp_path / "parts"):
        if record["steps"] >= 900:
            break
    shutil.rmtree(tmp_path / "first")
    for _ in train(config, tmp_path / "parts", resume=True):
        pass
    whole, parts = (weights(config, tmp_path / name) for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    heads = whole["policy.logits.weight"]  # of which the first task's alone was there before
    assert not torch.equal(heads[1], heads[2])
    new = json.loads((tmp_path / "parts" / "pretrained.json").read_text())["new_tasks"]
    assert len(new) == 4 and "RepeatFirstEasy" not in new


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"width": 32}, r"encoder.sum_norm.weight of shape \[32\] there and of \[16\] here"),
        ({"head_width": 32}, r"policy.hidden.0.weight of shape \[32, 16\] there and of \[16, 16\] here"),
    ],
)
def test_a_network_of_another_architecture_is_refused(other: dict[str, int], found: str) -> None:
    theirs = builders.agent(config=replace(builders.SMALL, **other))
    with pytest.raises(ValueError, match=f"expected a run of the same architecture, found {found}"):
        start_from(builders.agent(), NAMES, theirs, NAMES)


def test_experts_of_another_width_are_refused_and_other_tasks_in_them_are_not() -> None:
    config = ExpertsConfig(experts="dense", experts_in="both")
    mine, wider = (builders.agent(experts=replace(config, expert_width=width)) for width in (128, 64))
    with pytest.raises(ValueError, match=r"found experts.mixture.experts.enter.weight of shape"):
        start_from(mine, NAMES, wider, NAMES)
    start_from(mine, NAMES, builders.agent(experts=config, tasks=2), ("A", "D"))


@pytest.mark.parametrize(
    ("mine", "theirs", "found"),
    [
        ({"experts": ExpertsConfig(experts="moore")}, {"experts": ExpertsConfig(experts="care")}, "CARE|Care"),
        ({}, {"config": replace(builders.SMALL, memory="gru")}, "GRU"),
    ],
)
def test_another_mixture_and_another_memory_are_refused(
    mine: dict[str, Any], theirs: dict[str, Any], found: str
) -> None:
    with pytest.raises(ValueError, match=f"expected a run of the same architecture, found .*({found})"):
        start_from(builders.agent(**mine), NAMES, builders.agent(**theirs), NAMES)
