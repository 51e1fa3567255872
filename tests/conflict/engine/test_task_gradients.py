"""The engine gives what K separate backward passes give, and leaves the model as it was."""

import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conflict.engine.reference import reference_jacobian
from conflict.engine.rows import task_rows
from conflict.engine.task_gradients import TaskGradients
from tests.conflict.engine.networks import (
    COVERED,
    FALLBACK,
    Bare,
    D,
    EnsembleLayer,
    K,
    Residual,
    S,
    T,
    compare,
    losses_of,
    mlp,
)


@pytest.mark.parametrize("sizes", [(S,) * K, (3, 1, 7), (2, 0, 4), (5,)], ids=str)
@pytest.mark.parametrize("name", COVERED)
def test_one_backward_pass_gives_what_k_give(name: str, sizes: tuple[int, ...]) -> None:
    model = COVERED[name]().double()
    gradients = TaskGradients(model, num_tasks=len(sizes))
    for _ in range(2):
        compare(model, gradients, sizes)
    assert set(gradients.path.values()) - {"unused"} == {"rule"}


@pytest.mark.parametrize("sizes", [(S,) * K, (4, 2, 6), (6, 0, 6)], ids=str)
@pytest.mark.parametrize("name", FALLBACK)
def test_what_no_rule_covers_is_right_too_and_warns_once(name: str, sizes: tuple[int, ...]) -> None:
    make, message = FALLBACK[name]
    model = make().double()
    gradients = TaskGradients(model, num_tasks=K)
    with pytest.warns(UserWarning, match=message) as caught:
        compare(model, gradients, sizes)
    assert len(caught) == 1
    assert "slices" in gradients.path.values()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(model, gradients, sizes)


def test_the_path_of_each_parameter_can_be_asked_for() -> None:
    model = Bare().double()
    gradients = TaskGradients(model, num_tasks=K)
    assert set(gradients.path.values()) == {"unused"}
    compare(model, gradients, (S,) * K)
    used = {"scale": "rule", "layer.weight": "rule", "layer.bias": "rule"}
    assert gradients.path == {**dict.fromkeys(("unused", "idle.weight", "idle.bias"), "unused"), **used}


@pytest.mark.parametrize("name", COVERED)
def test_inputs_that_require_a_gradient_change_nothing(name: str) -> None:
    model = COVERED[name]().double()
    leaf = torch.randn(K * S, T, D, dtype=torch.float64, requires_grad=True)
    gradients = TaskGradients(model, num_tasks=K)
    expected = reference_jacobian(losses_of(model, leaf * 2, (S,) * K), model.parameters())
    with gradients:
        losses = losses_of(model, leaf * 2, (S,) * K)
    gradients.backward(losses)
    torch.testing.assert_close(gradients.jacobian(), expected, rtol=1e-10, atol=1e-10)
    assert leaf.grad is None


def test_frozen_parameters_stay_out() -> None:
    model = mlp().double()
    frozen = [model[0].weight, model[2].bias]
    for parameter in frozen:
        parameter.requires_grad_(False)
    compare(model, TaskGradients(model, num_tasks=K), (S,) * K)
    assert all(p.grad is None and not p.requires_grad for p in frozen)


def test_parameters_may_be_frozen_after_the_engine_was_built() -> None:
    model = mlp().double()
    gradients = TaskGradients(model, num_tasks=K)
    compare(model, gradients, (S,) * K)
    frozen = [model[0].weight, *model[2].parameters()]
    for parameter in frozen:
        parameter.requires_grad_(False)
    model.zero_grad()
    x = torch.randn(K * S, T, D, dtype=torch.float64)
    with gradients:
        losses = losses_of(model, x, (S,) * K)
    gradients.backward(losses)
    expected = reference_jacobian(losses_of(model, x, (S,) * K), [p for p in model.parameters() if p.requires_grad])
    torch.testing.assert_close(gradients.gramian(), expected @ expected.T)
    gradients.accumulate(torch.ones(K))
    assert all(p.grad is None and not p.requires_grad for p in frozen)
    assert model[4].weight.grad is not None


def test_only_the_chosen_parameters_take_part() -> None:
    model = mlp().double()
    chosen = [model[4].weight, model[0].bias]
    x = torch.randn(K * S, T, D, dtype=torch.float64)
    expected = reference_jacobian(losses_of(model, x, (S,) * K), chosen)
    gradients = TaskGradients(model, num_tasks=K, parameters=chosen)
    with gradients:
        losses = losses_of(model, x, (S,) * K)
    gradients.backward(losses)
    torch.testing.assert_close(gradients.jacobian(), expected)
    gradients.accumulate(torch.ones(K) / K)
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {"4.weight", "0.bias"}


def test_owned_parameters_get_the_gradient_of_the_mean_loss_and_stay_out_of_the_gramian() -> None:
    model = mlp().double()
    shared, owned = list(model[:4].parameters()), list(model[4].parameters())
    x = torch.randn(K * S, T, D, dtype=torch.float64)
    gradients = TaskGradients(model, num_tasks=K, owned=owned)
    with gradients:
        losses = losses_of(model, x, (S,) * K)
    gradients.backward(losses)
    reference = losses_of(model, x, (S,) * K)
    expected = reference_jacobian(reference, shared)
    torch.testing.assert_close(gradients.gramian(), expected @ expected.T)
    gradients.accumulate(torch.tensor([1.0, 0.0, 0.0]))
    for parameter, grad in zip(owned, torch.autograd.grad(reference.mean(), owned), strict=True):
        torch.testing.assert_close(parameter.grad, grad)


def test_a_parameter_that_some_loss_does_not_use_gets_a_zero_row() -> None:
    model = nn.ModuleList([nn.Linear(D, 2), nn.Linear(2, 2), nn.Linear(2, 2)]).double()
    x = torch.randn(2 * S, D, dtype=torch.float64)

    def forward() -> Tensor:
        trunk = model[0](x)
        with task_rows([S, 0]):
            first = model[1](trunk[:S])
        return torch.stack([first.square().mean(), trunk[S:].square().mean()])

    expected = reference_jacobian(forward(), model.parameters())
    gradients = TaskGradients(model, num_tasks=2)
    with gradients:
        losses = forward()
    gradients.backward(losses)
    torch.testing.assert_close(gradients.jacobian(), expected)
    gradients.accumulate(torch.ones(2))
    assert model[2].weight.grad is None


def test_gradients_are_added_to_those_that_are_there() -> None:
    model = mlp().double()
    gradients, x = TaskGradients(model, num_tasks=K), torch.randn(K * S, T, D, dtype=torch.float64)
    for _ in range(2):
        with gradients:
            losses = losses_of(model, x, (S,) * K)
        gradients.backward(losses)
        gradients.accumulate(torch.ones(K) / K)
    found = [p.grad for p in model.parameters()]
    expected = torch.autograd.grad(2 * losses_of(model, x, (S,) * K).mean(), list(model.parameters()))
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want)


def test_an_update_in_the_jacobians_layout_is_written_back() -> None:
    model = mlp().double()
    gradients, x = TaskGradients(model, num_tasks=K), torch.randn(K * S, T, D, dtype=torch.float64)
    with gradients:
        losses = losses_of(model, x, (S,) * K)
    gradients.backward(losses)
    jac = gradients.jacobian()
    gradients.accumulate_update(jac[1])
    torch.testing.assert_close(torch.cat([p.grad.flatten() for p in model.parameters()]), jac[1])


def test_a_list_of_losses_and_a_backward_inside_the_block_are_fine() -> None:
    model = mlp().double()
    gradients, x = TaskGradients(model, num_tasks=K), torch.randn(K * S, T, D, dtype=torch.float64)
    with gradients:
        losses = losses_of(model, x, (S,) * K)
        gradients.backward(list(losses))
    expected = reference_jacobian(losses_of(model, x, (S,) * K), model.parameters())
    torch.testing.assert_close(gradients.jacobian(), expected)


def test_the_number_of_tasks_may_change_between_updates() -> None:
    model = mlp().double()
    gradients = TaskGradients(model, num_tasks=K)
    compare(model, gradients, (S,) * K)
    gradients.num_tasks = 2
    compare(model, gradients, (S, S))


def assert_untouched(model: nn.Module) -> None:
    assert all(p.requires_grad for p in model.parameters())
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_nothing_is_left_on_the_model() -> None:
    model = Residual()
    gradients = TaskGradients(model, num_tasks=K)
    with gradients:
        model(torch.randn(K * S, T, D))
    assert_untouched(model)


def test_nothing_is_left_on_the_model_after_an_error() -> None:
    class Broken(nn.Linear):
        row_axis = 0

        def forward(self, x: Tensor) -> Tensor:
            raise ArithmeticError("broken")

        def task_gradients(self, inputs: object, grad_output: Tensor, sizes: object) -> dict[str, Tensor]:
            return {}

    model = nn.Sequential(nn.Linear(D, D), Broken(D, D))
    gradients = TaskGradients(model, num_tasks=K)
    with pytest.raises(ArithmeticError), gradients:
        model(torch.randn(K * S, D))
    assert_untouched(model)
    with gradients, pytest.raises(ArithmeticError):
        model(torch.randn(K * S, D))
    assert_untouched(model)


def test_wrong_use_is_explained() -> None:
    model = mlp()
    gradients, x = TaskGradients(model, num_tasks=K), torch.randn(K * S, T, D)
    with pytest.raises(RuntimeError, match="call backward"):
        gradients.gramian()
    with gradients:
        losses = losses_of(model, x, (S,) * K)
        with pytest.raises(RuntimeError, match="already around"), gradients:
            pass
    with pytest.raises(ValueError, match="one loss for each of 3 tasks"):
        gradients.backward(losses[:2])
    with pytest.raises(ValueError, match="require no gradient"):
        gradients.backward(losses.detach())
    gradients.backward(losses)
    with pytest.raises(ValueError, match="one weight for each of 3 tasks"):
        gradients.accumulate(torch.ones(2))
    with pytest.raises(ValueError, match="num_tasks >= 1"):
        TaskGradients(model, num_tasks=0)


def test_an_input_that_was_changed_in_place_is_refused() -> None:
    layer = nn.Linear(D, D)
    gradients, x = TaskGradients(layer, num_tasks=K), torch.randn(K * S, D)
    with gradients:
        losses = layer(x).square().reshape(K, -1).sum(dim=1)
        x += 1.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        gradients.backward(losses)


@pytest.mark.parametrize("memory", ["jacobian", "layerwise", "chunked"])
def test_a_rule_of_its_own_is_asked_once_for_all_parameters(memory: Any) -> None:
    asked = []

    class Counting(nn.Linear):
        row_axis = 0

        def task_gradients(
            self, inputs: tuple[Tensor, ...], grad_output: Tensor, sizes: Sequence[int]
        ) -> dict[str, Tensor]:
            asked.append(len(sizes))
            parts = list(zip(inputs[0].split(list(sizes)), grad_output.split(list(sizes)), strict=True))
            return {
                "weight": torch.stack([g.T @ x for x, g in parts]),
                "bias": torch.stack([g.sum(dim=0) for _, g in parts]),
            }

    model = nn.Sequential(nn.Linear(D, D), nn.ReLU(), Counting(D, D))
    gradients, x = TaskGradients(model, num_tasks=K, memory=memory, check_rows=False), torch.randn(K * S, D)
    with gradients:
        losses = model(x).square().reshape(K, -1).sum(dim=1)
    gradients.backward(losses)
    gradients.gramian()
    assert asked == [K]
    gradients.accumulate(torch.ones(K))
    assert asked == ([K] if memory == "jacobian" else [K, 1])
    found = [p.grad for p in model.parameters()]
    expected = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_rule_that_gives_the_wrong_shape_is_refused() -> None:
    class Wrong(EnsembleLayer):
        def task_gradients(
            self, inputs: tuple[Tensor, ...], grad_output: Tensor, sizes: Sequence[int]
        ) -> dict[str, Tensor]:
            return {"weight": self.weight.detach()}

    model = Wrong()
    gradients = TaskGradients(model, num_tasks=K)
    with gradients:
        losses = model(torch.randn(K * S, T, D)).square().sum(dim=(0, 2, 3)).reshape(K, S).sum(dim=1)
    with pytest.raises(ValueError, match=r"must give weight as \(3, 2, 8, 8\), it gave \(2, 8, 8\)"):
        gradients.backward(losses)


def test_a_row_count_that_tasks_cannot_share_is_noticed_and_the_gradients_are_right() -> None:
    model = mlp().double()
    gradients, x = TaskGradients(model, num_tasks=2), torch.randn(7, D, dtype=torch.float64)
    expected = reference_jacobian(losses_of(model, x, (3, 4)), model.parameters())
    with gradients:
        losses = losses_of(model, x, (3, 4))
    with pytest.warns(UserWarning, match="say unequal counts by task_rows"):
        gradients.backward(losses)
    torch.testing.assert_close(gradients.jacobian(), expected)


def test_rows_in_another_order_are_noticed_and_the_gradients_are_right() -> None:
    model = mlp().double()
    gradients, x = TaskGradients(model, num_tasks=2), torch.randn(6, D, dtype=torch.float64)

    def losses() -> Tensor:
        return model(x).square().sum(dim=1).reshape(3, 2).sum(dim=0)  # tasks take turns

    expected = reference_jacobian(losses(), model.parameters())
    with gradients:
        loss_k = losses()
    with pytest.warns(UserWarning, match=r"0 \(Linear\): the rows of linear do not belong to one task"):
        gradients.backward(loss_k)
    torch.testing.assert_close(gradients.jacobian(), expected)
    assert set(gradients.path.values()) == {"slices"}
