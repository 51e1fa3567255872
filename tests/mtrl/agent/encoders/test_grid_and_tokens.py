"""Codes of grids, and words in their order."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor

from mtrl.agent.config import AgentConfig
from mtrl.agent.encoders.grid import GridEncoder
from mtrl.agent.encoders.tokens import TokenEncoder, first_of_its_kind

CONFIG = AgentConfig(width=8, grid_channels=6, token_width=12)


def grid(shape: tuple[int, int] = (7, 7), high: tuple[int, int, int] = (10, 5, 3)) -> GridEncoder:
    torch.manual_seed(0)
    codes = np.broadcast_to(np.array(high, np.uint8), (*shape, 3))
    return GridEncoder(Box(np.zeros_like(codes), codes, dtype=np.uint8), CONFIG).double()


def tokens(length: int = 8) -> TokenEncoder:
    torch.manual_seed(0)
    return TokenEncoder(Box(0, 30, (length,), np.int16), CONFIG).double()


def test_every_code_has_a_place_of_its_own() -> None:
    model = grid()
    seen = set()
    for channel, high in enumerate((10, 5, 3)):
        for code in range(high + 1):
            cell = torch.zeros(1, 7, 7, 3, dtype=torch.uint8)
            cell[..., channel] = code
            seen.add(int((cell[0, 0, 0].int() + model.offsets)[channel]))
    assert seen == set(range(11 + 6 + 4)) and model.codes.num_embeddings == 21


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("shape", [(7, 7), (3, 5), (22, 13)])
def test_every_channel_of_every_cell_is_seen(shape: tuple[int, int], channel: int) -> None:
    model = grid(shape)
    cells = shape[0] * shape[1]
    one = torch.eye(cells, dtype=torch.uint8).view(cells, *shape)
    views = torch.zeros(cells + 1, *shape, 3, dtype=torch.uint8)
    views[:cells, ..., channel] = one * 2
    with torch.no_grad():
        features = model(views)
    assert (features[:cells] - features[cells]).abs().amax(dim=1).min() > 1e-4


@pytest.mark.parametrize("many", [0, 1000])
def test_cells_are_the_sums_of_their_codes(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtrl.agent.encoders.grid._MANY", many)
    model, codes = grid(), torch.tensor([[[0, 11, 17], [10, 16, 20]], [[3, 3, 12], [1, 15, 18]]])
    table = model.codes.weight
    torch.testing.assert_close(
        model._cells(codes), torch.stack([table[c].sum(dim=0) for c in codes.view(4, 3)]).view(2, 2, -1)
    )


def rows(*sentences: list[int], length: int = 8) -> Tensor:
    return torch.tensor([s + [0] * (length - len(s)) for s in sentences], dtype=torch.int16)


def test_the_order_of_words_matters() -> None:
    features = tokens()(rows([1, 2, 3, 4], [3, 4, 1, 2], [1, 2, 4, 3]))
    assert torch.pdist(features).min() > 1e-2


def test_padding_says_nothing() -> None:
    sentences = [[1, 2, 3], [4], [], [5, 6, 7, 8]]
    short, long = tokens(4)(rows(*sentences, length=4)), tokens(20)(rows(*sentences, length=20))
    torch.testing.assert_close(short, long)
    alone = torch.cat([tokens(4)(rows(s, length=4)) for s in sentences])
    torch.testing.assert_close(short, alone)


def test_a_sentence_is_read_once_while_it_lasts() -> None:
    model = tokens()
    read = []
    model.words.register_forward_pre_hook(lambda _, args: read.append(len(args[0])))
    x = rows(*[[1, 2]] * 5, *[[3]] * 4, *[[1, 2]] * 2)
    features = model(x)
    assert read == [3]
    torch.testing.assert_close(features, torch.cat([model(row[None]) for row in x]))


def test_the_same_sentence_in_two_tasks_is_read_for_each() -> None:
    x = rows(*[[1, 2]] * 5, *[[3]] * 2)
    assert first_of_its_kind(x, None).tolist() == [True, False, False, False, False, True, False]
    assert first_of_its_kind(x, [3, 0, 3, 1]).tolist() == [True, False, False, True, False, True, True]


def test_gradients_of_repeated_sentences_are_those_of_reading_each() -> None:
    x = rows(*[[1, 2]] * 3, *[[3, 4, 5]] * 2)
    weight = torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = tokens()
    once = torch.autograd.grad((model(x) * weight).sum(), list(model.parameters()))
    each = torch.autograd.grad((torch.cat([model(row[None]) for row in x]) * weight).sum(), list(model.parameters()))
    for a, b in zip(once, each, strict=True):
        torch.testing.assert_close(a, b)


def test_it_learns_which_colour_comes_first() -> None:
    """Two missions of the same words: a bag of words could not tell them apart."""
    model = tokens().float()
    head = torch.nn.Linear(8, 1)
    optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=0.01)
    rng = np.random.default_rng(0)
    colours = np.stack([rng.permutation(np.arange(1, 5))[:2] for _ in range(64)])
    x = rows(*[[10, int(a), 11, 12, int(b)] for a, b in colours])
    first_smaller = torch.tensor(colours[:, 0] < colours[:, 1]).float()
    for _ in range(80):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(model(x)).squeeze(-1), first_smaller)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert ((head(model(x)).squeeze(-1) > 0) == first_smaller.bool()).all()
