"""What holds for all mixtures of experts."""

import pytest
import torch

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.registry import MIXTURES
from tests.mtrl.agent.experts.builders import (
    EVERY,
    TASKS,
    WIDTH,
    build,
    draws,
    features,
    make_identical,
    plain,
    table_of,
)

TASK = torch.tensor([0, 1, 1, 2, 0, 2, 2, 1])


def test_every_name_of_the_settings_is_known() -> None:
    names = ExpertsConfig.__annotations__["experts"].__args__
    assert {"none", *MIXTURES} == set(names)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("acting", [True, False])
def test_shapes_are_kept_and_numbers_finite(name: str, acting: bool) -> None:
    mixture, x = build(name).float(), features(8).float()
    out, routing = mixture(x, TASK, generator=None if acting else draws())
    assert out.shape == x.shape and out.isfinite().all()
    assert routing.gates.shape == (8, 4) and routing.gates.isfinite().all()
    assert routing.loss.shape == routing.dropped.shape == (8,)
    assert not routing.gates.requires_grad and not routing.dropped.requires_grad
    if acting:
        assert not routing.loss.any() and not routing.dropped.any()


@pytest.mark.parametrize("name", MIXTURES)
def test_the_generator_decides_everything(name: str) -> None:
    mixture = build(name, router_noise=1.0, capacity=0.5)
    x, task = features(40), torch.arange(40) % TASKS
    first, again, other = (mixture(x, task, generator=draws(seed)) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1].gates, again[1].gates)
    assert torch.equal(first[0], other[0]) == (name not in ("dense", "top-k"))


@pytest.mark.parametrize(("name", "routed_by"), EVERY)
def test_acting_alone_is_acting_together(name: str, routed_by: str) -> None:
    mixture, x = build(name, routed_by=routed_by, router_noise=1.0), features(8)
    together = mixture(x, TASK)
    for row in range(8):
        out, routing = mixture(x[row : row + 1], TASK[row : row + 1])
        torch.testing.assert_close(out[0], together[0][row], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(routing.gates[0], together[1].gates[row], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "routed_by"), EVERY)
def test_padding_changes_nothing(name: str, routed_by: str) -> None:
    """Not outputs, not gradients, and not what is drawn."""
    mixture = build(name, routed_by=routed_by, router_noise=0.5, capacity=0.75)
    x, task = features(24), torch.arange(24) % TASKS
    exists = torch.rand(40, generator=draws(3)).argsort() < 24
    padded, padded_task = features(40, seed=9), torch.zeros(40, dtype=torch.long)
    padded[exists], padded_task[exists] = x, task
    weight = features(24, seed=4)

    def gradients(out: torch.Tensor, loss: torch.Tensor) -> list[torch.Tensor]:
        total = (out * weight).sum() + 100.0 * loss.sum() + 0.0 * sum(p.sum() for p in mixture.parameters())
        return list(torch.autograd.grad(total, list(mixture.parameters())))

    out, routing = mixture(x, task, generator=draws())
    with_padding, routing_with = mixture(padded, padded_task, exists=exists, generator=draws())
    torch.testing.assert_close(with_padding[exists], out)
    for key in ("gates", "loss", "dropped"):
        torch.testing.assert_close(getattr(routing_with, key)[exists], getattr(routing, key))
        assert not getattr(routing_with, key)[~exists].any()
    assert with_padding.isfinite().all()
    alone = gradients(out, routing.loss)
    for found, expected in zip(gradients(with_padding[exists], routing_with.loss), alone, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("name", "routed_by"), [pair for pair in EVERY if pair[1] != "state"])
def test_a_task_that_was_not_seen_has_the_mean_of_the_table(name: str, routed_by: str) -> None:
    mixture, x = build(name, routed_by=routed_by), features(8)
    unseen = torch.where(TASK == 1, TASKS + TASK * 50, TASK)
    out, _ = mixture(x, unseen)
    seen = TASK != 1
    torch.testing.assert_close(out[seen], mixture(x, TASK)[0][seen])
    with torch.no_grad():
        table = table_of(mixture)
        table[1] = table.mean(dim=0)  # no longer the mean of the new table, but what the unseen task had
    torch.testing.assert_close(out, mixture(x, TASK)[0])


@pytest.mark.parametrize(("name", "routed_by"), [pair for pair in EVERY if pair[1] != "state"])
def test_numbering_tasks_anew_only_moves_rows_of_the_table(name: str, routed_by: str) -> None:
    mixture, x = build(name, routed_by=routed_by), features(8)
    before, _ = mixture(x, TASK)
    new_number = torch.tensor([2, 0, 1])
    with torch.no_grad():
        table = table_of(mixture)
        table[new_number] = table.clone()
    torch.testing.assert_close(mixture(x, new_number[TASK])[0], before)


@pytest.mark.parametrize("name", ["dense", "top-k", "soft-modularization", "care"])
def test_identical_experts_are_one_network(name: str) -> None:
    mixture, x = build(name), features(8)
    make_identical(mixture)
    beside = mixture.beside(mixture.context(TASK)) if name == "care" else 0.0
    torch.testing.assert_close(mixture(x, TASK)[0], plain(mixture, x, 0) + beside)


@pytest.mark.parametrize("name", MIXTURES)
def test_one_expert_is_a_plain_network(name: str) -> None:
    mixture, x = build(name, num_experts=1, chosen_experts=1), features(8)
    if name in ("paco", "moore"):
        with torch.no_grad():
            table_of(mixture).fill_(1.0)
    expected = plain(mixture, x, 0)
    if name == "moore":
        expected = expected / expected.norm(dim=-1, keepdim=True) * WIDTH**0.5
    if name == "care":
        expected = expected + mixture.beside(mixture.context(TASK))
    torch.testing.assert_close(mixture(x, TASK)[0], expected)


@pytest.mark.parametrize("name", MIXTURES)
def test_outputs_start_about_as_large_as_inputs(name: str) -> None:
    torch.manual_seed(0)
    config = ExpertsConfig(experts=name, chosen_experts=2)
    mixture = MIXTURES[name](64, 20, config)
    out, _ = mixture(torch.randn(512, 64), torch.arange(512) % 20)
    assert 0.25 < float(out.detach().square().mean().sqrt()) < 1.5


@pytest.mark.parametrize("name", ["dense", "top-k", "paco"])
def test_tasks_with_an_expert_each_are_separate_networks(name: str) -> None:
    """Outputs and gradients, which no other task's row has a part in."""
    mixture = build(name, num_experts=TASKS, chosen_experts=1, routed_by="task")
    with torch.no_grad():
        table_of(mixture).copy_(torch.eye(TASKS) * (1.0 if name == "paco" else 1000.0))
    x = features(8)
    out, routing = mixture(x, TASK)
    torch.testing.assert_close(routing.gates, torch.eye(TASKS, dtype=torch.float64)[TASK])
    expected = torch.cat([plain(mixture, x[row : row + 1], int(TASK[row])) for row in range(8)])
    torch.testing.assert_close(out, expected)
    experts = [p for key, p in mixture.named_parameters() if key != "router.task.weight" and key != "weights.weight"]
    weight = features(8, seed=2)
    found = torch.autograd.grad((out * weight).sum(), experts)
    for got, wanted in zip(found, torch.autograd.grad((expected * weight).sum(), experts), strict=True):
        torch.testing.assert_close(got, wanted)
    for task in range(TASKS):
        own = torch.autograd.grad((mixture(x, TASK)[0] * weight)[task == TASK].sum(), experts)
        for got in own:
            assert got[task].any() and not got[torch.arange(TASKS) != task].any()
