"""Models of many kinds whose batch is sorted by task, for tests of the engine."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

T, D = 5, 8


class Convolutions(nn.Module):
    """Strides, groups, padding of every kind, group normalisation, residual use of one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(D, 6, 3, padding="same", dilation=2)
        self.same = nn.Conv1d(6, 6, 3, padding=1, groups=2)
        self.norm = nn.GroupNorm(3, 6)
        self.image = nn.Conv2d(1, 4, 3, stride=2, padding=(1, 0), padding_mode="zeros", bias=False)
        self.circular = nn.Conv2d(4, 2, 2, padding=1, padding_mode="circular")

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.transpose(1, 2))
        x = x + torch.relu(self.same(self.norm(x)))
        x = x + torch.relu(self.same(self.norm(x)))
        return self.circular(torch.tanh(self.image(x[:, None]))).flatten(1)


class Recurrent(nn.Module):
    """Torch's recurrent layers: several layers, both directions, with and without biases, a learnt first state."""

    def __init__(self, kind: str, *, bias: bool = True, batch_first: bool = True) -> None:
        super().__init__()
        layer = {"gru": nn.GRU, "lstm": nn.LSTM}[kind]
        self.inner = nn.Linear(D, D)
        self.rnn = layer(D, 6, num_layers=2, bias=bias, batch_first=batch_first, bidirectional=True)
        self.kind, self.head = kind, nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.inner(x))
        out, end = self.rnn(x if self.rnn.batch_first else x.transpose(0, 1))
        out = out if self.rnn.batch_first else out.transpose(0, 1)
        ends = torch.cat(end if self.kind == "lstm" else (end,)).transpose(0, 1)
        return torch.cat([self.head(out).flatten(1), ends.flatten(1)], dim=1)


class MultiHead(nn.Module):
    """Torch's own attention: to itself, to others, with masks, in a whole Transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.itself = nn.MultiheadAttention(D, 2, batch_first=True)
        self.others = nn.MultiheadAttention(D, 2, kdim=4, vdim=4, bias=False, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(D, 2, 16, dropout=0.0, batch_first=True)
        self.register_buffer("causal", nn.Transformer.generate_square_subsequent_mask(T))

    def forward(self, x: Tensor) -> Tensor:
        padding = torch.zeros(len(x), T, dtype=torch.bool)
        padding[:, -1] = True
        mask = self.causal.to(x)
        a = self.itself(x, x, x, need_weights=False, attn_mask=mask, is_causal=True)[0]
        b = self.itself(a, x, x, need_weights=False, key_padding_mask=padding)[0]
        c = self.others(b, x[..., :4], x[..., 4:], need_weights=False)[0]
        return self.layer(a + c, src_mask=mask, src_key_padding_mask=padding.to(x) * -1e9)


class Experts(nn.Module):
    """A mixture of experts: weights of all experts in one tensor, a bare gate, mixed by a router."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Parameter(torch.randn(3, D, 4) / 3), nn.Parameter(torch.randn(3, 4, D) / 2)
        self.bias = nn.Parameter(torch.randn(3, 1, 4) / 3)
        self.router, self.gate = nn.Linear(D, 3), nn.Parameter(torch.rand(D))

    def forward(self, x: Tensor) -> Tensor:
        share = self.router(x).softmax(dim=-1)
        rows = x.flatten(0, 1).expand(3, -1, -1)
        hidden = torch.relu(torch.baddbmm(self.bias, rows, self.up)).unflatten(1, x.shape[:2])
        dense = torch.einsum("estw,ewd,ste->std", hidden, self.down, share)
        return x + dense * self.gate


class Bare(nn.Module):
    """Parameters that no layer owns, in all kinds of operations."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.rand(D) + 0.5), nn.Parameter(torch.randn(1, 1, D))
        self.position = nn.Parameter(torch.randn(9, D))
        self.token = nn.Parameter(torch.randn(1, 1, D))
        self.matrix, self.table = nn.Parameter(torch.randn(D, D) / 3), nn.Parameter(torch.randn(4, D))
        self.temperature = nn.Parameter(torch.tensor(0.3))
        self.einsum = nn.Parameter(torch.randn(2, D, D) / 3)
        self.strange = nn.Parameter(torch.rand(D))

    def forward(self, x: Tensor) -> Tensor:
        x = (x * self.scale - self.shift) / self.scale.exp()
        x = x + self.position[: x.shape[1]]
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
        x = x @ self.matrix + x @ self.matrix.T.tanh()
        index = (x.detach()[..., 0].abs() * 3).long() % 4
        x = x + self.table[index] + self.table.index_select(0, index.flatten()).view_as(x)
        x = x * torch.exp(self.temperature) + torch.einsum("btd,hdo->bto", x, self.einsum)
        return x + torch.where(x > 0, self.strange, x)


class Positions(nn.Module):
    """Position embeddings that all sequences share: their rows are no rows of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(6, D), nn.Linear(D, D)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x + self.table(torch.arange(6))[: x.shape[1]])


class Tied(nn.Module):
    """An embedding that also reads the output, and a layer that is used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(6, D), nn.Linear(D, D)

    def forward(self, x: Tensor) -> Tensor:
        x = self.table((x[..., 0].abs() * 3).long() % 6)
        for _ in range(3):
            x = x + torch.tanh(self.layer(x))
        return F.linear(x, self.table.weight)


def weight_normed() -> nn.Module:
    """A weight that is made of two parameters."""
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(D, D)), nn.Tanh(), nn.Linear(D, D))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "convolutions": Convolutions,
    "gru": lambda: Recurrent("gru"),
    "gru without biases": lambda: Recurrent("gru", bias=False),
    "gru, time first": lambda: Recurrent("gru", batch_first=False),
    "lstm": lambda: Recurrent("lstm"),
    "lstm without biases": lambda: Recurrent("lstm", bias=False),
    "attention": MultiHead,
    "experts": Experts,
    "bare": Bare,
    "positions": Positions,
    "tied": Tied,
    "weight norm": weight_normed,
}
