"""One backward pass gives what K give, for all kinds of operations, memory modes and numbers of rows."""

import itertools
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from conflict.engine.reference import reference_jacobian
from conflict.engine.rows import task_rows
from conflict.engine.task_gradients import TaskGradients
from tests.conflict.engine.models import MODELS, D, T


def losses_of(model: nn.Module, x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Task k's loss on its rows, of scale 10^k; zero without rows."""
    parts = torch.split(model(x), list(sizes))
    return torch.stack([10.0**k * (part.sin().sum() + part.square().sum()) for k, part in enumerate(parts)])


def compare(model: nn.Module, sizes: Sequence[int], memory: Any, updates: int = 2) -> dict[str, str]:
    """A few updates' Gramian, Jacobian and weighted sum against K backward passes; returns the paths taken."""
    gradients = TaskGradients(model, num_tasks=len(sizes), memory=memory)
    parameters = list(model.parameters())
    for _ in range(updates):
        model.zero_grad()
        x = torch.randn(sum(sizes), T, D, dtype=torch.float64)
        expected = reference_jacobian(losses_of(model, x, sizes), parameters)
        with gradients, nullcontext() if len(set(sizes)) == 1 else task_rows(sizes):
            losses = losses_of(model, x, sizes)
        gradients.backward(losses)
        scale = float(expected.abs().max())
        close: Any = {"rtol": 1e-10, "atol": 1e-10 * scale}
        torch.testing.assert_close(gradients.gramian(), expected @ expected.T, rtol=1e-10, atol=1e-10 * scale**2)
        torch.testing.assert_close(gradients.jacobian(), expected, **close)
        weights = torch.rand(len(sizes), dtype=torch.float64)
        gradients.accumulate(weights)
        found = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        torch.testing.assert_close(found, weights @ expected, **close)
    return gradients.path


@pytest.mark.filterwarnings("ignore:task gradients are slow")
@pytest.mark.parametrize("memory", ["jacobian", "layerwise", "chunked"])
@pytest.mark.parametrize("sizes", [(4, 4, 4), (3, 1, 7), (2, 0, 4), (5,)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_one_backward_pass_gives_what_k_give(name: str, sizes: tuple[int, ...], memory: str) -> None:
    compare(MODELS[name]().double(), sizes, memory)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "bare"])
def test_everything_has_a_rule(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = compare(MODELS[name]().double(), (4, 4, 4), "auto", updates=3)
    later = {how for key, how in path.items() if key != "table.weight" or name != "positions"}
    assert later == {"rule"}


def test_an_operation_without_a_rule_is_run_again_by_itself_and_named() -> None:
    model = MODELS["bare"]().double()
    with pytest.warns(UserWarning, match=r"strange of the model \(Bare\): where has no rule") as caught:
        path = compare(model, (4, 4, 4), "auto")
    assert len(caught) == 1
    assert path["strange"] == "vmap"
    assert path["matrix"] == path["position"] == path["table"] == path["shift"] == "rule"
    assert "slices" not in path.values()


@given(
    widths=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any),
    memory=st.sampled_from(["jacobian", "layerwise", "chunked"]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_any_shape_of_a_perceptron(widths: list[int], sizes: list[int], memory: str, seed: int) -> None:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Linear(D, widths[0])]
    for first, second in itertools.pairwise(widths):
        layers += [nn.Tanh(), nn.LayerNorm(first), nn.Linear(first, second)]
    compare(nn.Sequential(*layers).double(), sizes, memory, updates=1)


def test_a_large_layer_is_made_in_slices_that_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conflict.engine.ledger.CACHE_BYTES", 4096)
    model = nn.Sequential(nn.Linear(D, 70), nn.Tanh(), nn.Linear(70, 50, bias=False)).double()
    for memory in ("jacobian", "chunked"):
        compare(model, (4, 4, 4), memory)
        compare(model, (4, 1, 7), memory)


def test_memory_is_chosen_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(D, 3)
    gradients = TaskGradients(model, num_tasks=2)

    def chosen() -> list[str]:
        with gradients:
            out = model(torch.ones(4, D))
        gradients.backward(out.reshape(2, -1).sum(dim=1))
        kept = gradients._entries
        assert kept is not None
        return [kept[p].memory for p in (model.weight, model.bias)]

    assert chosen() == ["jacobian", "jacobian"]
    monkeypatch.setattr("conflict.engine.ledger.KEPT_BYTES", 100)
    assert chosen() == ["layerwise", "layerwise"]
    monkeypatch.setattr("conflict.engine.ledger.LAYER_BYTES", 100)
    assert chosen() == ["chunked", "layerwise"]
