"""Heads of tasks and of groups of tasks."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mtrl.agent import head_products
from mtrl.agent.agent import Agent
from mtrl.agent.head_products import apply_heads
from mtrl.agent.sharing import SharingConfig
from mtrl.agent.task_heads import TaskLinear, for_tasks, similarity
from mtrl.learning.config import LearningConfig
from tests.mtrl import builders

ROWS = {
    "sorted": [0, 0, 1, 1, 1, 2],
    "equal": [2, 2, 0, 0, 1, 1],
    "mixed": [1, 0, 1, 2, 2, 0, 1],
    "one": [1, 1],
    "unseen": [0, 3, 3, 1],
}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("lead", [(), (2,)])
@pytest.mark.parametrize("rows", ROWS)
def test_every_row_goes_through_its_head(rows: str, lead: tuple[int, ...], apart: bool, monkeypatch: Any) -> None:
    """Values and gradients, with one product for all heads and with one a head."""
    monkeypatch.setattr(head_products, "LARGE", 0 if apart else 2**40)
    monkeypatch.setattr(head_products, "MOST_PADDED", 100.0)
    head = torch.tensor(ROWS[rows])
    given = noise(*lead, len(head), 4), noise(*lead, 3, 4, 5, seed=1), noise(*lead, 3, 1, 5, seed=2)
    x, weight, bias = (t.requires_grad_() for t in given)
    all_weights = torch.cat([weight, weight.mean(dim=-3, keepdim=True)], dim=-3)
    all_biases = torch.cat([bias, bias.mean(dim=-3, keepdim=True)], dim=-3)
    expected = torch.stack(
        [
            (x[..., i : i + 1, :] @ all_weights[..., h, :, :] + all_biases[..., h, :, :]).squeeze(-2)
            for i, h in enumerate(ROWS[rows])
        ],
        dim=-2,
    )
    found = apply_heads(x, head, weight, bias)
    torch.testing.assert_close(found, expected)
    upstream = noise(*found.shape, seed=3)
    wanted = torch.autograd.grad(expected, (x, weight, bias), upstream)
    torch.testing.assert_close(torch.autograd.grad(found, (x, weight, bias), upstream), wanted)
    # As for actions that carry a gradient: none of the parameters'.
    fixed = apply_heads(x, head, weight.detach(), bias.detach())
    torch.testing.assert_close(torch.autograd.grad(fixed, x, upstream)[0], wanted[0])


@pytest.mark.parametrize("apart", [False, True])
def test_a_part_of_each_heads_outputs_needs_no_copy_of_it(apart: bool, monkeypatch: Any) -> None:
    """As critics read one discount's outputs after the other."""
    monkeypatch.setattr(head_products, "LARGE", 0 if apart else 2**40)
    monkeypatch.setattr(head_products, "MOST_PADDED", 100.0)
    head, x = torch.tensor([0, 0, 1, 2, 2]), noise(2, 5, 4)
    weight, bias = noise(2, 3, 4, 6, seed=1), noise(2, 3, 1, 6, seed=2)
    whole = apply_heads(x, head, weight, bias)
    for part in (slice(0, 2), slice(2, 6)):
        torch.testing.assert_close(apply_heads(x, head, weight[..., part], bias[..., part]), whole[..., part])


def test_no_rows_and_no_such_task() -> None:
    layer = TaskLinear((0, 0, 1), 4, 2)
    assert layer(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)).shape == (0, 2)
    assert layer.head_of(torch.tensor([0, 1, 2, 3, 99])).tolist() == [0, 0, 1, 2, 2]


def test_heads_start_alike_and_as_the_layer_they_replace() -> None:
    layer = torch.nn.Linear(4, 3).double()
    heads = for_tasks(layer, (0, 1, 2)).double()
    x = noise(7, 4)
    torch.testing.assert_close(heads(x, torch.tensor([0, 0, 1, 2, 0, 1, 9])), layer(x))
    torch.testing.assert_close(similarity(heads), torch.ones(3, 3, dtype=torch.float64))


def test_heads_that_differ_are_told_apart() -> None:
    heads = for_tasks(torch.nn.Linear(4, 3), (0, 1))
    with torch.no_grad():
        heads.weight[1] = -heads.weight[0]
    torch.testing.assert_close(similarity(heads), torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))


def with_heads(kind: str = "task", **learning: Any) -> Agent:
    groups = {"0": "a", "2": "a"} if kind == "group" else {}
    sharing = SharingConfig(heads=kind, head_groups=groups)  # type: ignore[arg-type]
    settings = LearningConfig(discounts=(0.5, 0.9), acting_discount=0.9, **learning)
    model = builders.agent(settings, sharing=sharing)
    with torch.no_grad():  # heads that differ
        for head in (model.policy.last, model.critic.outputs):
            head.set(head.heads[0] + 0.1 * noise(*head.heads[0].shape, seed=3), head.heads[1])
    model.target_critic.load_state_dict(model.critic.state_dict())
    return model


@pytest.mark.parametrize("critic", ["regression", "two-hot"])
@pytest.mark.parametrize("actor", ["filtered", "policy-gradient"])
def test_the_heads_of_a_task_that_is_not_in_the_batch_have_no_gradient(actor: str, critic: str) -> None:
    model = with_heads(actor=actor, critic=critic)
    losses = model.task_losses(builders.batch(tasks=(0, 2)), builders.LEARNING, torch.Generator().manual_seed(0))
    losses.total.sum().backward()
    for layer in (model.policy.last, model.critic.outputs):
        grad = layer.weight.grad
        assert grad is not None
        by_head = grad.movedim(-3, 0).flatten(1).abs().sum(dim=1)
        assert by_head[1] == 0 and by_head[0] > 0 and by_head[2] > 0


@pytest.mark.parametrize("critic", ["regression", "two-hot"])
def test_permuting_the_tasks_permutes_the_heads(critic: str) -> None:
    model, other = with_heads(critic=critic), with_heads(critic=critic)
    order = torch.tensor([2, 0, 1])  # task k of the one is task order[k] of the other
    with torch.no_grad():
        for one, two in (
            (model.policy.last, other.policy.last),
            (model.critic.outputs, other.critic.outputs),
            (model.target_critic.outputs, other.target_critic.outputs),
        ):
            two.weight.index_copy_(two.weight.dim() - 3, order, one.weight)
            two.bias.index_copy_(two.bias.dim() - 3, order, one.bias)
    config = LearningConfig(discounts=(0.5, 0.9), acting_discount=0.9, critic=critic)
    found = [
        agent.task_losses(builders.batch(tasks=tasks), config, torch.Generator().manual_seed(0)).total
        for agent, tasks in ((model, (0, 1, 2)), (other, tuple(order.tolist())))
    ]
    torch.testing.assert_close(*found)


def test_what_a_group_shares_is_not_owned_and_what_a_task_has_alone_is() -> None:
    alone, together = with_heads("task"), with_heads("group")
    assert {id(p) for p in alone.owned_parameters()} >= {id(p) for p in alone.policy.last.parameters()}
    last = together.policy.last
    assert len(last.weight) == len(last.own_weight) == 1  # {0, 2} and {1}
    assert last.of_task.tolist() == [0, 1, 0, 2]
    owned = {id(p) for p in together.owned_parameters()}
    assert {id(last.own_weight), id(last.own_bias)} <= owned
    assert id(last.weight) not in owned and id(last.bias) not in owned
    assert last.owned == ("own_weight", "own_bias")
    each = SharingConfig(heads="group", head_groups={"0": "a", "1": "b", "2": "c"})
    assert len(builders.agent(sharing=each).owned_parameters()) == len(alone.owned_parameters())


def test_heads_that_are_split_by_owner_are_what_they_were_together() -> None:
    split, whole = TaskLinear((1, 0, 1, 2), 4, 2).double(), TaskLinear((0, 1, 0, 2, 1, 2), 4, 2).double()
    weight, bias = noise(3, 4, 2), noise(3, 1, 2, seed=1)
    for layer in (split, whole):
        layer.set(weight, bias)
        torch.testing.assert_close(layer.heads, (weight, bias))
    assert split.owned and not whole.owned
    x, upstream = noise(7, 4, seed=2), noise(7, 2, seed=3)
    tasks = torch.tensor([0, 0, 1, 1, 2, 3, 4])  # heads 0 0 1 1 0 2 in both layers, and the mean of all
    torch.testing.assert_close(split(x, tasks)[:6], whole(x[:6], tasks[:6]))
    torch.testing.assert_close(split(x, tasks)[6:], x[6:] @ weight.mean(dim=0) + bias.mean(dim=0))
    found = split.task_gradients((x[:6], tasks[:6]), upstream[:6], [2, 2, 1, 1])
    assert found.keys() == dict(split.named_parameters()).keys()
    torch.testing.assert_close(found["own_bias"][3, 1, 0], upstream[5])
    torch.testing.assert_close(found["weight"][0, 0], x[:2].T @ upstream[:2])


def test_groups_name_tasks_of_the_suite() -> None:
    config = SharingConfig(heads="group", head_groups={"A": "x", "C": "x", "D": "y"})
    assert config.heads_of(("A", "B", "C", "D", "E")) == (0, 1, 0, 2, 1)
    assert config.heads_of(("B", "C")) == (0, 1)  # of a suite that is reduced to some tasks
    with pytest.raises(ValueError, match="expected --head-groups TASK GROUP"):
        SharingConfig(heads="group")
    with pytest.raises(ValueError, match="expected --heads group beside it"):
        SharingConfig(head_groups={"A": "x"})


def test_without_the_task_such_an_agent_does_not_guess() -> None:
    model = with_heads()
    with pytest.raises(ValueError, match="expected the task of every row, got None"):
        model.policy(noise(3, 16), None)


@pytest.mark.parametrize("critic", ["regression", "two-hot"])
def test_a_task_that_was_not_trained_is_judged_by_the_mean_of_all_heads(critic: str) -> None:
    model = with_heads(critic=critic)
    seen = {key: value[:, 0, 0] for key, value in builders.batch().observation.items()}
    unseen = model.inspect(seen, model.memory.initial_state(3), None, torch.tensor([3, 3, 3]))
    one = builders.agent(LearningConfig(discounts=(0.5, 0.9), acting_discount=0.9, critic=critic))
    one.load_state_dict(
        {k: v for k, v in model.state_dict().items() if "outputs" not in k and "logits" not in k}, strict=False
    )
    with torch.no_grad():
        one.critic.outputs.weight.copy_(model.critic.outputs.weight.mean(dim=1))
        one.critic.outputs.bias.copy_(model.critic.outputs.bias.mean(dim=1))
        one.policy.last.weight.copy_(model.policy.last.weight.mean(dim=0).T)
        one.policy.last.bias.copy_(model.policy.last.bias.mean(dim=0)[0])
    plain = one.inspect(seen, one.memory.initial_state(3), None, torch.tensor([0, 0, 0]))
    torch.testing.assert_close(unseen.policy, plain.policy)
    torch.testing.assert_close(unseen.value, plain.value)
