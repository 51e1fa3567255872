"""Sequence models: acting step by step is the same function as learning from whole sequences."""

import pytest
import torch

from mtrl.agent.agent import MEMORIES
from mtrl.agent.config import AgentConfig
from mtrl.agent.memory.gru import GRU
from mtrl.agent.memory.memory import Memory
from mtrl.agent.memory.transformer import Transformer, sliding_window

WIDTH = 16


def build(name: str, context: int = 64) -> Memory:
    torch.manual_seed(0)
    config = AgentConfig(memory=name, width=WIDTH, layers=2, attention_heads=4, context=context)  # type: ignore[arg-type]
    return MEMORIES[name](config, None).double()


def features(batch: int, length: int) -> torch.Tensor:
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", list(MEMORIES))
@pytest.mark.parametrize("context", [8, 64])
def test_actors_out_of_step_see_what_a_full_forward_pass_sees(name: str, context: int) -> None:
    """Actors start trials at different moments, one of them several; each trial alone is compared with one pass over
    it."""
    memory = build(name, context)
    starts = {0: [0], 1: [7], 2: [3, 15, 31], 3: [0, 1, 2, 40]}
    length = 48
    x = features(4, length)
    expected, times = torch.zeros_like(x), torch.zeros(4, length, dtype=torch.long)
    for actor, begins in starts.items():
        for begin, end in zip([0, *begins], [*begins, length], strict=True):
            if end > begin:
                times[actor, begin:end] = torch.arange(end - begin)
                with torch.no_grad():
                    expected[actor, begin:end] = memory(
                        x[actor : actor + 1, begin:end], times[actor : actor + 1, begin:end]
                    )[0]
    state = memory.initial_state(4)
    with torch.no_grad():
        got = torch.stack([memory.step(x[:, t], times[:, t], state) for t in range(length)], dim=1)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", list(MEMORIES))
def test_no_step_sees_a_later_one(name: str) -> None:
    memory = build(name)
    x = features(2, 12).requires_grad_()
    time = torch.arange(12).expand(2, 12)
    (gradient,) = torch.autograd.grad((memory(x, time)[:, 5] * features(2, 1)[:, 0]).sum(), x)
    assert gradient[:, :6].abs().sum(dim=-1).min() > 0
    assert gradient[:, 6:].abs().max() == 0


def test_a_transformer_forgets_what_lies_behind_its_window() -> None:
    torch.manual_seed(0)
    memory = Transformer(WIDTH, layers=1, attention_heads=2, window=4).double()
    x = features(1, 10).requires_grad_()
    (gradient,) = torch.autograd.grad((memory(x, torch.arange(10)[None])[:, 9] * features(1, 1)[:, 0]).sum(), x)
    assert gradient[0, :6].abs().max() == 0
    assert gradient[0, 6:].abs().sum(dim=-1).min() > 0


def test_the_sliding_window_holds_the_step_itself_and_those_just_before() -> None:
    band = sliding_window(4, 2, torch.device("cpu"))
    assert band.tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [False, True, True, False],
        [False, False, True, True],
    ]


def test_a_position_is_the_time_in_the_trial_not_the_place_in_the_window() -> None:
    memory = build("transformer")
    x = features(1, 6)
    with torch.no_grad():
        early, late = memory(x, torch.arange(6)[None]), memory(x, torch.arange(6)[None] + 20)
    assert (early - late).abs().max() > 1e-3


def test_the_gru_is_torchs_gru_forward_and_backward() -> None:
    torch.manual_seed(0)
    ours = GRU(WIDTH, layers=2).double()
    theirs = torch.nn.GRU(WIDTH, WIDTH, num_layers=2, batch_first=True).double()
    with torch.no_grad():
        for layer in range(2):
            getattr(theirs, f"weight_ih_l{layer}").copy_(ours.layers[layer].inputs.weight)
            getattr(theirs, f"bias_ih_l{layer}").copy_(ours.layers[layer].inputs.bias)
            getattr(theirs, f"weight_hh_l{layer}").copy_(ours.layers[layer].recurrent.weight)
            getattr(theirs, f"bias_hh_l{layer}").copy_(ours.layers[layer].recurrent.bias)
    x = features(3, 9).requires_grad_()
    weight = torch.randn(3, 9, WIDTH, dtype=torch.float64)
    mine, reference = ours(x, torch.arange(9).expand(3, 9)), ours.norm(theirs(x)[0])
    torch.testing.assert_close(mine, reference, rtol=1e-12, atol=1e-12)
    parameters = [p for layer in ours.layers for p in layer.parameters()]
    gradients = torch.autograd.grad((mine * weight).sum(), [x, *parameters])
    names = [f"{kind}_{which}_l{layer}" for layer in range(2) for which in ("ih", "hh") for kind in ("weight", "bias")]
    wanted = torch.autograd.grad((reference * weight).sum(), [x, *(getattr(theirs, name) for name in names)])
    for got, expected in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)
