"""What belongs to tasks that have no part in an update stays where it is, and so does what is frozen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from conflict.registry import make_rescaling, make_strategy
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.agent.task_heads import TaskLinear
from mtrl.agent.task_rows import rows_of_tasks
from mtrl.learning.config import LearningConfig
from mtrl.training.config import UpdateConfig
from mtrl.training.loop import train
from mtrl.training.resting import Resting
from mtrl.training.update import Updater
from tests.mtrl import builders
from tests.mtrl.training.test_resume import fingerprint

KINDS: dict[str, dict[str, Any]] = {
    "heads": {"sharing": SharingConfig(heads="task")},
    "groups": {"sharing": SharingConfig(heads="group", head_groups={"0": "x", "2": "x", "1": "y"})},
    "film": {"sharing": SharingConfig(conditioning="film")},
    "moore": {"experts": ExpertsConfig(experts="moore", experts_in="both")},
    "popart": {"rescaling": "popart"},
}
LEARNING = LearningConfig(discounts=(0.5, 0.9), acting_discount=0.9, critic="regression")


def made(kind: str, strategy: str = "mean", **settings: Any) -> Updater:
    chosen = dict(KINDS[kind])
    rescaling = make_rescaling(chosen.pop("rescaling", "none"), num_tasks=3, value_shape=(2,))
    agent = builders.agent(LEARNING, rescaling=rescaling, **chosen)
    for parameter in agent.trained_parameters().values():  # nothing is 0, which no decay would move
        nn.init.normal_(parameter, std=0.3)
    config = UpdateConfig(warmup_updates=0, learning_rate=0.01, weight_decay=0.1, **settings)
    return Updater(agent, make_strategy(strategy, 3), rescaling, ("A", "B", "C"), config, LEARNING)


def remembered(trainer: Updater) -> dict[str, torch.Tensor]:
    """All parameters, and the optimizer's averages."""
    found = {name: p.detach().clone() for name, p in trainer.parameters.items()}
    for name, parameter in trainer.parameters.items():
        state = trainer.optimizer.state.get(parameter, {})
        found |= {f"{name} {key}": v.clone() for key, v in state.items() if v.shape == parameter.shape}
    return found


@pytest.mark.parametrize("strategy", ["mean", "random", "pcgrad"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_row_of_an_absent_task_moves_in_spite_of_momentum_and_decay(kind: str, strategy: str) -> None:
    trainer, generator = made(kind, strategy), torch.Generator().manual_seed(0)
    rows = {name: r for name, r in rows_of_tasks(trainer.agent).items() if name in trainer.parameters}
    seen: list[dict[str, torch.Tensor]] = []

    def step(*given: Any) -> None:  # PopArt rewrites its maps before it, within rounding
        seen.append(remembered(trainer))
        stepped(*given)

    stepped = trainer.resting.step
    trainer.resting.step = step  # type: ignore[method-assign]
    assert rows
    for seed, tasks in enumerate([(0, 2), (0, 1, 2), (1,), (0, 1, 2), (2,)]):
        trainer.update(builders.batch(tasks=tasks, seed=seed), generator, measure=False)
        before, after = seen[-1], remembered(trainer)
        for name in rows:
            present = rows[name].tasks[:, list(tasks)].any(dim=1)
            for key in (name, f"{name} exp_avg", f"{name} exp_avg_sq"):
                if key not in after:  # an average of what has never moved
                    assert not present.any()
                    continue
                changed = after[key] != before.get(key, torch.zeros_like(after[key]))
                moved = changed.movedim(rows[name].axis, 0).flatten(1).any(dim=1)
                assert torch.equal(moved, present), (key, tasks)


def test_a_step_in_which_a_task_has_nothing_to_learn_from_is_without_it() -> None:
    """As happens to PPO, whose rollouts hold unequal numbers of windows."""
    trainer, given = made("heads"), builders.batch()
    learnt = given.mask.clone()
    learnt[1] = False
    for mask in (given.mask, learnt):
        before = trainer.parameters["policy.logits.weight"].detach().clone()
        trainer.update(replace(given, learnt=mask), torch.Generator().manual_seed(0), measure=False)
        moved = (trainer.parameters["policy.logits.weight"] != before).flatten(1).any(dim=1)
    assert moved.tolist() == [True, False, True]


@pytest.mark.parametrize("lead", [(), (3,)])
def test_rows_that_move_do_as_in_a_step_of_the_whole(lead: tuple[int, ...]) -> None:
    layers = [TaskLinear((0, 1, 2, 3, 1), 5, 2, leading=lead).double() for _ in range(2)]
    optimizers = [torch.optim.AdamW(h.parameters(), lr=0.1, weight_decay=0.2, fused=True) for h in layers]
    rows = rows_of_tasks(layers[0])
    resting, generator = Resting(dict(layers[0].named_parameters()), rows, {}), torch.Generator().manual_seed(0)
    # The head of task 2 and that of tasks 1 and 4 move in every step: one of two tasks is enough.
    for tasks in ([0, 1, 2, 3, 4], [1, 2], [0, 2, 4], [2, 3, 1]):
        for one, two in zip(*(layer.parameters() for layer in layers), strict=True):
            one.grad = torch.randn(one.shape, generator=generator, dtype=one.dtype)
            two.grad = one.grad.clone()
        resting.step(optimizers[0], torch.isin(torch.arange(5), torch.tensor(tasks)))
        optimizers[1].step()
    for name in rows:
        always = rows[name].tasks[:, 2] | rows[name].tasks[:, 1]
        found = []
        for layer, optimizer in zip(layers, optimizers, strict=True):
            parameter = layer.get_parameter(name)
            state = optimizer.state[parameter]
            kept = (parameter.detach(), state["exp_avg"], state["exp_avg_sq"])
            found.append([values.movedim(rows[name].axis, 0)[always] for values in kept] + [state["step"]])
        torch.testing.assert_close(*found)


def test_where_all_tasks_are_there_a_step_is_the_optimizers_own() -> None:
    trainers = [made("heads") for _ in range(2)]
    trainers[1].resting._rows = []
    for trainer in trainers:
        for seed in range(3):
            trainer.update(builders.batch(seed=seed), torch.Generator().manual_seed(seed), measure=False)
    one, two = (remembered(trainer) for trainer in trainers)
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_run_with_fewer_tasks_in_an_update_than_there_are_resumes_to_the_same_bits(tmp_path: Path) -> None:
    config = builders.small_run(steps=1200)
    config = replace(
        config,
        sharing=SharingConfig(heads="task", conditioning="film"),
        update=replace(config.update, tasks_per_update=2),
    )
    for _ in train(config, tmp_path / "whole"):
        pass
    for record in train(config, tmp_path / "parts"):
        if record["steps"] >= 900:
            break
    for _ in train(config, tmp_path / "parts", resume=True):
        pass
    assert fingerprint(tmp_path / "whole") == fingerprint(tmp_path / "parts")
