"""Sequence models: acting step by step is the same function as learning from whole sequences."""

import pytest
import torch

from mtrl.agent.agent import MEMORIES
from mtrl.agent.config import AgentConfig
from mtrl.agent.memory import linear_attention
from mtrl.agent.memory.gru import GRU
from mtrl.agent.memory.linear_attention import Block, decays, posterior_mean
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
@pytest.mark.parametrize("context", [24, 512])
def test_acting_is_a_pass_over_trials_of_several_pieces_and_contexts(name: str, context: int) -> None:
    length = 2 * linear_attention.PIECE + 44
    memory, x, time = build(name, context), features(2, length), torch.arange(length).expand(2, length)
    state = memory.initial_state(2)
    with torch.no_grad():
        got = torch.stack([memory.step(x[:, t], time[:, t], state) for t in range(length)], dim=1)
        torch.testing.assert_close(got, memory(x, time), rtol=1e-9, atol=1e-9)


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


def test_linear_attention_reads_means_that_a_plain_loop_reads() -> None:
    torch.manual_seed(0)
    block = Block(WIDTH, heads=4).double()
    query, key = (torch.rand(2, 4, 9, 4, dtype=torch.float64) for _ in range(2))
    value = torch.randn(2, 4, 9, 4, dtype=torch.float64)
    counted = torch.cat([value, torch.ones_like(value[..., :1])], dim=-1)
    read = posterior_mean(block._piece(query, key, counted, None)[0].transpose(1, 2))
    for b in range(2):
        for t in range(9):
            means, counts = [], []
            for h, kept in enumerate(decays(4)):
                weights = [kept ** (t - i) * (query[b, h, t] @ key[b, h, i]) for i in range(t + 1)]
                means.append(sum(w * value[b, h, i] for i, w in enumerate(weights)) / (1 + sum(weights)))
                counts.append(torch.log1p(sum(weights)))  # type: ignore[arg-type]
            torch.testing.assert_close(read[b, t], torch.cat([*means, torch.stack(counts)]))


@pytest.mark.parametrize("piece", [1, 3, 5, 8])
def test_linear_attention_is_the_same_in_pieces(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, x, time = build("linear-attention"), features(2, 13).requires_grad_(), torch.arange(13).expand(2, 13)
    whole = memory(x, time)
    monkeypatch.setattr(linear_attention, "PIECE", piece)
    pieces = memory(x, time)
    torch.testing.assert_close(pieces, whole, rtol=1e-11, atol=1e-12)
    found, expected = (
        torch.autograd.grad((y * features(2, 1)).sum(), [x, *memory.parameters()]) for y in (pieces, whole)
    )
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11)


def test_half_of_the_heads_of_linear_attention_forget_nothing() -> None:
    assert decays(4) == [0.875, 0.984375, 1.0, 1.0] and decays(1) == [1.0]
    sums = build("linear-attention").initial_state(3)
    assert {name: tuple(kept.shape) for name, kept in sums.items()} == {"sums": (3, 2, 4, 4, 5), "before": (3, 2, 16)}


def test_a_mean_of_little_is_small() -> None:
    sums = torch.tensor([[0.02, 0.01], [200.0, 100.0]])[:, None]  # a value of 2, seen a hundredth and a hundred times
    read = posterior_mean(sums)
    torch.testing.assert_close(read[:, 0], torch.tensor([2 / 101, 200 / 101]))
    torch.testing.assert_close(read[:, 1], torch.tensor([1.01, 101.0]).log())
