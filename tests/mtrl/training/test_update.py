"""One update gives every rescaling what it needs, once."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from conflict.registry import RESCALINGS, STRATEGIES, make_rescaling, make_strategy
from conflict.rescaling.famo import FAMO
from conflict.rescaling.popart import PopArt
from conflict.rescaling.rescaling import Rescaling
from conflict.rescaling.return_scale import ReturnScale
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.learning.config import LearningConfig
from mtrl.training.config import UpdateConfig
from mtrl.training.update import Updater
from tests.mtrl.builders import agent, batch

TASKS = ("one", "two", "three")


def updater(rescaling: Rescaling, critic: str = "regression", **settings: Any) -> Updater:
    learning = LearningConfig(discounts=(0.5, 0.9), acting_discount=0.9, critic=critic)
    model = agent(learning, rescaling=rescaling)
    return Updater(
        model, make_strategy("mean", 3), rescaling, TASKS, UpdateConfig(warmup_updates=0, **settings), learning
    )


def make(name: str) -> Rescaling:
    return make_rescaling(name, num_tasks=3, value_shape=(2,))


@pytest.mark.parametrize("critic", ["regression", "two-hot", "c51"])
@pytest.mark.parametrize("name", RESCALINGS)
def test_every_rescaling_updates(name: str, critic: str) -> None:
    given, generator = batch(), torch.Generator().manual_seed(0)
    trainer = updater(make(name), critic)
    before = {key: value.clone() for key, value in trainer.parameters.items()}
    for _ in range(3):
        trainer.update(given, generator, measure=False)
    assert all(torch.isfinite(value).all() for value in trainer.parameters.values())
    assert any(not torch.equal(value, before[key]) for key, value in trainer.parameters.items())


def test_losses_after_the_step_are_of_the_same_batch_and_draws(monkeypatch: Any) -> None:
    """Where the step moves nothing, they are the losses before."""
    rescaling, seen = FAMO(3, (2,)), []

    def observe(task_ids: Tensor, losses: Tensor, norms: Tensor | None, after: Tensor) -> None:
        seen.append((losses, after))

    monkeypatch.setattr(rescaling, "observe_update", observe)
    trainer = updater(rescaling, "two-hot")
    generator = torch.Generator().manual_seed(0)
    monkeypatch.setattr(trainer.optimizer, "step", lambda: None)
    for _ in range(4):  # two target critics of three are drawn anew in each
        trainer.update(batch(), generator, measure=False)
    for losses, after in seen:
        assert torch.equal(losses, after)


def test_looking_again_draws_nothing_and_leaves_the_statistics_of_returns_alone() -> None:
    states = []
    for name in ("famo", "none"):
        trainer, generator = updater(make(name)), torch.Generator().manual_seed(0)
        for _ in range(2):
            trainer.update(batch(), generator, measure=False)
        assert isinstance(trainer.agent.normaliser, PopArt)
        states.append((generator.get_state(), trainer.agent.normaliser.total_weight))
    assert torch.equal(states[0][0], states[1][0])
    assert torch.equal(states[0][1], states[1][1])


def test_actor_losses_may_be_negative() -> None:
    trainer = updater(make("geometric"), "two-hot")
    trainer.learning = replace(trainer.learning, actor="policy-gradient")
    for parameter in trainer.agent.critic.outputs.parameters():
        torch.nn.init.normal_(parameter)
    trainer.agent.critic.outputs.bias.data += torch.linspace(0, 5, 64).double().repeat(2)  # large values
    losses, _, _ = trainer.update(batch(), torch.Generator().manual_seed(0), measure=True)
    assert bool((losses.actor < 0).all())
    assert bool((losses.critic > 0).all())


def test_return_scale_sees_rewards_and_terminations() -> None:
    rescaling = ReturnScale(3, (2,))
    given = batch()
    updater(rescaling).update(given, torch.Generator().manual_seed(0), measure=False)
    mean_reward, square_reward, mean_discount, _, _ = rescaling.moments.unbind(1)
    for k in range(3):
        reward, ended = given.reward[k][given.mask[k]], given.terminated[k][given.mask[k]]
        torch.testing.assert_close(mean_reward[k], reward.mean().expand(2))
        torch.testing.assert_close(square_reward[k], reward.square().mean().expand(2))
        going_on = 1.0 - ended.double().mean()
        torch.testing.assert_close(mean_discount[k], torch.tensor([0.5, 0.9]).double() * going_on)


def test_the_policy_head_alone_has_the_policy_rate() -> None:
    """After one step of AdamW from nothing, moves are in proportion to learning rates."""
    whole, slow = updater(make("none"), weight_decay=0.0), updater(make("none"), weight_decay=0.0, policy_rate=0.1)
    before = {name: value.clone() for name, value in whole.parameters.items()}
    for trainer in (whole, slow):
        trainer.update(batch(), torch.Generator().manual_seed(0), measure=False)
    for name, start in before.items():
        moved, other = (trainer.parameters[name].detach() - start for trainer in (whole, slow))
        share = 0.1 if name.startswith("policy.") else 1.0
        torch.testing.assert_close(other, share * moved, rtol=1e-2, atol=1e-7)
    assert any(name.startswith("policy.") for name in before)


def test_the_entropy_bonus_declines_with_the_run(monkeypatch: Any) -> None:
    trainer, generator, weights = updater(make("none")), torch.Generator().manual_seed(0), []
    trainer.learning = replace(trainer.learning, entropy_weight=0.2, last_entropy_weight=0.1)
    losses = trainer.agent.task_losses

    def task_losses(given: Any, learning: LearningConfig, *others: Any) -> Any:
        weights.append(learning.entropy_weight)
        return losses(given, learning, *others)

    monkeypatch.setattr(trainer.agent, "task_losses", task_losses)
    for progress in (0.0, 0.5, 1.0, 1.2):
        trainer.update(batch(), generator, measure=False, progress=progress)
    assert weights == pytest.approx([0.2, 0.11, 0.02, 0.02])


def test_a_share_of_the_entropy_bonus_is_one() -> None:
    with pytest.raises(ValueError, match=r"last_entropy_weight: expected a share in \[0, 1\], found 2"):
        LearningConfig(last_entropy_weight=2)


BLIND = [name for name in STRATEGIES if make_strategy(name, 3).needs == "losses"]
"""Strategies that need no task gradients, which an update takes only to measure conflict."""
OWNING = {
    "heads": {"sharing": SharingConfig(heads="task")},
    "film": {"sharing": SharingConfig(conditioning="film")},
    "paco": {"experts": ExpertsConfig(experts="paco")},
    "popart": {"rescaling": "popart"},
}


def owning(kind: str, strategy: str) -> Updater:
    """Of an agent whose tasks have something of their own, with gradients everywhere, and steps that move nothing."""
    learning = LearningConfig(discounts=(0.5, 0.9), acting_discount=0.9, critic="regression")
    settings = {"rescaling": "none", **OWNING[kind]}
    rescaling = make(settings.pop("rescaling"))
    model = agent(learning, rescaling=rescaling, **settings)
    if kind == "film":
        torch.nn.init.normal_(model.conditioning.project.weight)
    options = {"weights": (0.0, 1.0, 5.0)} if strategy == "fixed" else {}
    made = make_strategy(strategy, 3, options)
    trainer = Updater(model, made, rescaling, TASKS, UpdateConfig(warmup_updates=0, clip=1e9), learning)
    trainer.optimizer.step = lambda: None  # type: ignore[method-assign, assignment]
    return trainer


def gradients(kind: str, strategy: str, *, measure: bool) -> tuple[dict[str, Tensor], set[str]]:
    """After one update, by name; and which of the parameters tasks own."""
    trainer = owning(kind, strategy)
    trainer.update(batch(), torch.Generator().manual_seed(0), measure=measure)
    grads = {name: p.grad for name, p in trainer.parameters.items() if p.grad is not None}
    alone = {id(p) for p in trainer.agent.owned_parameters()}
    return grads, {name for name in grads if id(trainer.parameters[name]) in alone}


@pytest.mark.parametrize("kind", OWNING)
@pytest.mark.parametrize("strategy", BLIND)
def test_measuring_conflict_changes_no_gradient(strategy: str, kind: str) -> None:
    plain, owned = gradients(kind, strategy, measure=False)
    measured, _ = gradients(kind, strategy, measure=True)
    assert owned and plain.keys() == measured.keys()
    for name, grad in plain.items():
        torch.testing.assert_close(grad, measured[name], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", OWNING)
@pytest.mark.parametrize("strategy", BLIND)
def test_what_a_task_owns_has_the_gradient_of_the_mean_whatever_the_weights(strategy: str, kind: str) -> None:
    found, owned = gradients(kind, strategy, measure=False)
    mean, _ = gradients(kind, "mean", measure=False)
    for name in owned:
        torch.testing.assert_close(found[name], mean[name])
    if strategy != "mean":
        assert not all(torch.allclose(found[name], mean[name]) for name in found.keys() - owned)


@pytest.mark.parametrize("kind", OWNING)
@pytest.mark.parametrize(
    ("strategy", "measure"), [("mean", False), ("mean", True), ("random", False), ("pcgrad", True)]
)
def test_gradients_lie_in_memory_as_the_parameters_do(strategy: str, measure: bool, kind: str) -> None:
    """A fused optimizer would move the wrong entries otherwise."""
    trainer = owning(kind, strategy)
    equal_rows = batch(time=1, sequences=4)  # small heads with as many rows each have one product, turned
    trainer.update(equal_rows, torch.Generator().manual_seed(0), measure=measure)
    given = {name: p for name, p in trainer.parameters.items() if p.grad is not None}
    assert given and {name: p.grad.stride() for name, p in given.items()} == {n: p.stride() for n, p in given.items()}


@pytest.mark.parametrize("measure", [False, True])
@pytest.mark.parametrize("strategy", ["mean", "random", "pcgrad", "graddrop"])
def test_what_tasks_own_may_be_all_that_learns(strategy: str, measure: bool) -> None:
    trainer = owning("heads", strategy)
    alone = {id(p) for p in trainer.agent.owned_parameters()}
    for parameter in trainer.agent.parameters():
        parameter.requires_grad_(id(parameter) in alone)
    again = Updater(
        trainer.agent, trainer.strategy, trainer.rescaling, TASKS, UpdateConfig(warmup_updates=0), trainer.learning
    )
    before = {name: p.clone() for name, p in again.parameters.items()}
    again.update(batch(), torch.Generator().manual_seed(0), measure=measure)
    assert before and all(not torch.equal(p, before[name]) for name, p in again.parameters.items())
