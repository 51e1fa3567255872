"""Soft modularization, CARE and PaCo against their equations, row by row."""

import pytest
import torch
from torch.nn.functional import gelu

from tests.mtrl.agent.experts.builders import (
    TASKS,
    WIDTH,
    build,
    features,
    make_identical,
    parameters_of,
    plain,
    table_of,
)

TASK = torch.arange(8) % TASKS


def test_paco_is_each_tasks_own_network_of_summed_parameters() -> None:
    mixture, x = build("paco"), features(8)
    out, routing = mixture(x, TASK)
    for row in range(8):
        weights = table_of(mixture)[TASK[row]]
        torch.testing.assert_close(routing.gates[row], weights.detach())
        w_in, b_in, w_out, b_out = (torch.tensordot(weights, p, dims=1) for p in parameters_of(mixture))
        hidden = gelu(x[row : row + 1] @ w_in + b_in, approximate="tanh")
        torch.testing.assert_close(out[row : row + 1], hidden @ w_out + b_out)


@pytest.mark.parametrize("normed", [True, False])
def test_identical_parameter_sets_are_one_network_whose_layers_a_task_scales(normed: bool) -> None:
    """By the sum of its weights: with a sum of 1 it is the plain network."""
    mixture, x = build("paco"), features(8)
    make_identical(mixture)
    table = table_of(mixture)
    if normed:
        with torch.no_grad():
            table.div_(table.sum(dim=1, keepdim=True))
    w_in, b_in, w_out, b_out = (p[0] for p in parameters_of(mixture))
    scale = table.sum(dim=1)[TASK, None]
    expected = scale * (gelu(scale * (x @ w_in + b_in), approximate="tanh") @ w_out + b_out)
    torch.testing.assert_close(mixture(x, TASK)[0], expected)
    if normed:
        torch.testing.assert_close(mixture(x, TASK)[0], plain(mixture, x, 0))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_soft_modularization_is_its_equations(layers: int) -> None:
    mixture, x = build("soft-modularization", num_experts=3, expert_layers=layers), features(8)
    out, routing = mixture(x, TASK)
    assert len(mixture.layers) == layers
    network = mixture.routing
    for row in range(8):
        u = x[row] * table_of(mixture)[TASK[row]]
        read, inputs = u, [x[row]] * 3
        for depth, layer in enumerate(mixture.layers):
            outputs = [inputs[j] @ layer.weight[j] + layer.bias[j, 0] for j in range(3)]
            if depth == layers - 1:
                break
            p = network.down[depth](torch.relu(read))
            weights = p.view(3, 3).softmax(dim=1)
            active = [gelu(value, approximate="tanh") for value in outputs]
            inputs = [sum(weights[i, j] * active[j] for j in range(3)) for i in range(3)]
            read = network.up[depth](p) * u
        gates = network.last(torch.relu(read)).softmax(dim=0)
        torch.testing.assert_close(routing.gates[row], gates.detach())
        torch.testing.assert_close(out[row], sum(gates[j] * outputs[j] for j in range(3)))


@pytest.mark.parametrize("layers", [1, 3])
def test_identical_modules_are_one_network_of_any_depth(layers: int) -> None:
    mixture, x = build("soft-modularization", expert_layers=layers), features(8)
    with torch.no_grad():
        for parameter in mixture.layers.parameters():
            parameter.copy_(parameter[:1].expand_as(parameter).clone())
    value = x
    for depth, layer in enumerate(mixture.layers):
        value = value if depth == 0 else gelu(value, approximate="tanh")
        value = value @ layer.weight[0] + layer.bias[0, 0]
    torch.testing.assert_close(mixture(x, TASK)[0], value)


def test_care_attends_to_the_encoder_that_points_along_the_context() -> None:
    mixture, x = build("care"), features(8)
    outputs = mixture.experts(x)
    for row in range(8):
        context = table_of(mixture)[TASK[row]]
        scores = torch.stack([outputs[e, row] @ context for e in range(4)]) / WIDTH**0.5
        gates = scores.softmax(dim=0)
        out, routing = mixture(x[row : row + 1], TASK[row : row + 1])
        torch.testing.assert_close(routing.gates[0], gates.detach())
        beside = mixture.beside.weight @ context
        torch.testing.assert_close(out[0], gates @ outputs[:, row] + beside)


def test_care_does_not_know_identical_encoders_apart() -> None:
    mixture = build("care")
    make_identical(mixture)
    gates = mixture(features(8), TASK)[1].gates
    torch.testing.assert_close(gates, torch.full_like(gates, 0.25))
