"""Sparse routing: gates, capacity, and the losses that keep it balanced."""

import math

import pytest
import torch
from torch import Tensor

from mtrl.agent.experts.balance import balance_loss, z_loss
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.top_k import TopK, best, with_room
from tests.mtrl.agent.experts.builders import TASKS, WIDTH, build, draws, features, parameters_of, plain

TASK = torch.arange(30) % TASKS


@pytest.mark.parametrize("choices", [1, 2, 3, 4])
def test_a_row_is_the_sum_of_its_experts_times_their_gates(choices: int) -> None:
    mixture, x = build("top-k", chosen_experts=choices), features(30)
    out, routing = mixture(x, TASK)
    every = torch.stack([plain(mixture, x, expert) for expert in range(4)], dim=1)
    torch.testing.assert_close(out, (routing.gates[..., None] * every).sum(dim=1))
    assert ((routing.gates > 0).sum(dim=1) == choices).all()


def test_gates_are_those_of_the_best_experts() -> None:
    probabilities = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.6, 0.1, 0.25, 0.05]], dtype=torch.float64)
    one, first = best(probabilities.log(), 1)
    two, both = best(probabilities.log(), 2)
    assert first.tolist() == [[3], [0]] and both.tolist() == [[3, 2], [0, 2]]
    torch.testing.assert_close(one, torch.tensor([[0.4], [0.6]], dtype=torch.float64))
    torch.testing.assert_close(two, torch.tensor([[4 / 7, 3 / 7], [0.6 / 0.85, 0.25 / 0.85]], dtype=torch.float64))


@pytest.mark.parametrize("routed_by", ["state", "task", "both"])
def test_all_experts_chosen_without_limit_are_the_dense_mixture(routed_by: str) -> None:
    sparse = build("top-k", chosen_experts=4, capacity=0, routed_by=routed_by)
    dense = build("dense", routed_by=routed_by)
    dense.load_state_dict(sparse.state_dict())
    x, weight = features(30), features(30, seed=2)
    outputs = [mixture(x, TASK, generator=draws())[0] for mixture in (sparse, dense)]
    torch.testing.assert_close(*outputs)
    gradients = [
        torch.autograd.grad((out * weight).sum(), list(mixture.parameters()))
        for out, mixture in zip(outputs, (sparse, dense), strict=True)
    ]
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)


def slow_queue(chosen: Tensor, exists: Tensor, room: int, experts: int, seed: int) -> Tensor:
    """One choice after the other."""
    rows = exists.nonzero()[:, 0].tolist()
    order = torch.randperm(len(rows), generator=draws(seed)).tolist()
    left, admitted = [room] * experts, torch.zeros_like(chosen, dtype=torch.bool)
    for choice in range(chosen.shape[1]):
        for place in order:
            expert = int(chosen[rows[place], choice])
            if left[expert]:
                left[expert] -= 1
                admitted[rows[place], choice] = True
    return admitted


@pytest.mark.parametrize("choices", [1, 2, 3])
@pytest.mark.parametrize("room", [1, 4, 9, 100])
@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_the_right_choices_find_room(choices: int, room: int, share: float) -> None:
    for seed in range(4):
        logits = torch.randn(40, 5, generator=draws(seed)) + torch.tensor([2.0, 1.0, 0.0, 0.0, -3.0])
        chosen, exists = logits.topk(choices).indices, torch.rand(40, generator=draws(seed)) < share
        found = with_room(chosen, exists, room, 5, draws(seed))
        assert torch.equal(found, slow_queue(chosen, exists, room, 5, seed))


def test_no_task_is_favoured_when_room_is_short() -> None:
    """All rows want the same expert, which has room for a quarter of them."""
    kept = torch.zeros(4)
    for seed in range(50):
        admitted = with_room(torch.zeros(400, 1).long(), torch.ones(400).bool(), 100, 1, draws(seed))
        kept += admitted.view(4, 100).float().mean(dim=1) / 50
    assert (kept - 0.25).abs().max() < 0.03


@pytest.mark.parametrize("capacity", [0.5, 1.0, 1.5])
def test_experts_take_no_more_than_their_room_and_what_is_dropped_is_counted(capacity: float) -> None:
    mixture, x = build("top-k", capacity=capacity, routed_by="state"), features(30)
    out, routing = mixture(x, TASK, generator=draws())
    free, unlimited = mixture(x, TASK)
    room = math.ceil(capacity * 30 * 2 / 4)
    assert ((routing.gates > 0).sum(dim=0) <= room).all()
    lost = (unlimited.gates > 0).sum(dim=0).sub(room).clamp(min=0).sum()
    assert lost > 0 and int((2 * routing.dropped).sum()) == lost
    torch.testing.assert_close(routing.gates, unlimited.gates * (routing.gates > 0))
    whole, gone = routing.dropped == 0, routing.dropped == 1
    torch.testing.assert_close(out[whole], free[whole])
    assert not out[gone].any()


def test_noise_changes_choices_in_training_alone() -> None:
    mixture, x = build("top-k", router_noise=3.0, capacity=0), features(30)
    noisy, calm = mixture(x, TASK, generator=draws())[1], mixture(x, TASK)[1]
    assert ((noisy.gates > 0) != (calm.gates > 0)).any()
    silent = build("top-k", router_noise=0.0, capacity=0)
    torch.testing.assert_close(silent(x, TASK, generator=draws())[1].gates, calm.gates)


def test_the_balance_loss_is_one_where_all_is_even_and_most_where_one_expert_does_all() -> None:
    even = torch.zeros(8, 4)
    chosen = torch.arange(8)[:, None] % 4
    torch.testing.assert_close(balance_loss(even, chosen), torch.ones(8))
    alone = torch.tensor([50.0, 0.0, 0.0, 0.0]).expand(8, 4)
    torch.testing.assert_close(balance_loss(alone, torch.zeros(8, 1).long()), torch.full((8,), 4.0))


def test_the_balance_loss_and_its_gradient_by_hand() -> None:
    """Three rows of two experts: two rows choose the first, so ``2 (2/3 P_1 + 1/3 P_2)``."""
    p = torch.tensor([0.6, 0.9, 0.2], dtype=torch.float64)
    logits = torch.stack([p, 1 - p], dim=1).log().requires_grad_()
    loss = balance_loss(logits, torch.tensor([[0], [0], [1]]))
    torch.testing.assert_close(loss, 2 * (2 / 3 * p + 1 / 3 * (1 - p)))
    mean = p.mean()
    torch.testing.assert_close(loss.mean(), 2 * (2 / 3 * mean + 1 / 3 * (1 - mean)))
    (gradient,) = torch.autograd.grad(loss.mean(), logits)
    first = 1 / 3 * 2 * (2 / 3 - 1 / 3) * p * (1 - p)  # a third of each row, and dp/dlogit = p (1 - p)
    torch.testing.assert_close(gradient, torch.stack([first, -first], dim=1))


def test_the_z_loss_is_the_squared_log_of_the_sum() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0], [math.log(2), math.log(3), math.log(5)]], dtype=torch.float64)
    expected = torch.tensor([math.log(3) ** 2, math.log(10) ** 2], dtype=torch.float64)
    torch.testing.assert_close(z_loss(logits), expected)


def test_the_loss_of_a_row_is_both_with_their_weights() -> None:
    x = features(30)
    parts = {
        weights: build("top-k", balance_weight=weights[0], router_z_weight=weights[1])(x, TASK, generator=draws())[1]
        for weights in ((1.0, 0.0), (0.0, 1.0), (0.3, 0.2), (0.0, 0.0))
    }
    both = 0.3 * parts[1.0, 0.0].loss + 0.2 * parts[0.0, 1.0].loss
    torch.testing.assert_close(parts[0.3, 0.2].loss, both)
    assert not parts[0.0, 0.0].loss.any() and parts[1.0, 0.0].loss.all() and parts[0.0, 1.0].loss.all()


def test_balancing_evens_out_a_router_that_had_one_favourite() -> None:
    mixture, x = build("top-k", chosen_experts=1, routed_by="state", capacity=0, balance_weight=1.0), features(200)
    with torch.no_grad():
        mixture.router.state.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    task = torch.zeros(200, dtype=torch.long)
    optimizer = torch.optim.Adam(mixture.router.parameters(), lr=0.03)
    share = []
    for _ in range(100):
        _, routing = mixture(x, task, generator=draws())
        share.append(float((routing.gates > 0).double().mean(dim=0).max()))
        optimizer.zero_grad()
        routing.loss.mean().backward()
        optimizer.step()
    assert share[0] > 0.8 and min(share[-20:]) < 0.45


def test_no_gradient_of_all_experts_is_made_for_each_of_them() -> None:
    """Backward through 64 experts: nothing as large as their weights is allocated but the gradients themselves."""
    torch.manual_seed(0)
    experts, hidden = 64, 32
    config = ExpertsConfig(experts="top-k", num_experts=experts, chosen_experts=1, expert_width=hidden)
    mixture = TopK(WIDTH, TASKS, config)
    out, _ = mixture(features(256).float(), torch.arange(256) % TASKS)
    with torch.profiler.profile(profile_memory=True, record_shapes=False) as profile:
        out.sum().backward()
    weight = parameters_of(mixture)[0]
    allocated = sum(max(0, event.self_cpu_memory_usage) for event in profile.events())
    assert allocated < 20 * 4 * (weight.numel() + 256 * hidden)


def test_acting_may_leave_experts_without_rows_and_a_batch_may_be_empty() -> None:
    mixture = build("top-k", num_experts=32, chosen_experts=1)
    assert mixture(features(2), TASK[:2])[0].shape == (2, WIDTH)
    for generator in (None, draws()):
        assert mixture(features(0), TASK[:0], generator=generator)[0].shape == (0, WIDTH)
