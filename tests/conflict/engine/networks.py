"""Small networks, one for each thing that the engine has to see, and what it gives for them against the reference."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conflict.engine.reference import reference_jacobian
from conflict.engine.rows import task_rows
from conflict.engine.task_gradients import TaskGradients

K, S, T, D = 3, 4, 5, 8


class Residual(nn.Module):
    """A pre-norm Transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(D), nn.RMSNorm(D)
        self.qkv, self.out = nn.Linear(D, 3 * D, bias=False), nn.Linear(D, D)
        self.up, self.down = nn.Linear(D, 2 * D), nn.Linear(2 * D, D)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm_1(x)).unflatten(-1, (3, 2, D // 2)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class Reused(nn.Module):
    """One linear layer and one norm, three times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(D, D), nn.LayerNorm(D)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = x + torch.tanh(self.layer(self.norm(x)))
        return x


class TiedModules(nn.Module):
    """Two modules that hold the same parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(D, D), nn.Linear(D, D, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


class Tokens(nn.Module):
    """Embeddings with padding; the output is read off with an embedding's weight if ``tied``."""

    def __init__(self, *, tied: bool) -> None:
        super().__init__()
        self.table, self.plain, self.tied = nn.Embedding(6, D, padding_idx=0), nn.Embedding(6, D), tied

    def forward(self, x: Tensor) -> Tensor:
        index = (x[..., 0].abs() * 3).long() % 6
        features = self.table(index) + torch.tanh(self.plain(index.int()))
        return F.linear(torch.tanh(features), self.table.weight) if self.tied else features


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.gru, self.head = nn.Linear(D, D), nn.GRU(D, D, batch_first=True), nn.Linear(D, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(self.inner(x))[0])


class Bare(nn.Module):
    """A parameter that belongs to no module with a rule, and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.unused = nn.Parameter(torch.rand(D)), nn.Parameter(torch.rand(2))
        self.layer, self.idle = nn.Linear(D, D), nn.Linear(D, D)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x * self.scale)


class EnsembleLayer(nn.Module):
    """Two layers at once, [row, ...] -> [member, row, ...], with its own rule."""

    row_axis = 1

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, D, D))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("rti,eio->erto", x, self.weight)

    def task_gradients(
        self, inputs: tuple[Tensor, ...], grad_output: Tensor, sizes: Sequence[int]
    ) -> dict[str, Tensor]:
        x_k, grad_k = torch.split(inputs[0], list(sizes)), torch.split(grad_output, list(sizes), dim=1)
        pairs = zip(x_k, grad_k, strict=True)
        return {"weight": torch.stack([torch.einsum("rti,erto->eio", x, grad) for x, grad in pairs])}


class Ensemble(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.layer = nn.Linear(D, D), EnsembleLayer()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.tanh(self.inner(x))).movedim(0, 2)


class BatchStatistics(nn.Module):
    """Batch normalisation lets every row's loss depend on every row."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(D, D), nn.BatchNorm1d(T), nn.Linear(D, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)))


class Attention(nn.Module):
    """torch's own attention uses its output layer's parameters without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(D, 2, batch_first=True), nn.Linear(D, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attention(x, x, x, need_weights=False)[0])


class Peek(nn.Module):
    """Calls its layer once more without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(D, D)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            peek = self.layer(x).mean()
        return self.layer(x) * peek


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(D, 16), nn.ReLU(inplace=True), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))


def norms() -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm((T, D)),
        nn.Linear(D, D),
        nn.LayerNorm(D, bias=False),
        nn.RMSNorm((T, D), eps=1e-5),
        nn.Linear(D, 2),
    )


def weight_normed() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(D, D)), nn.Tanh(), nn.Linear(D, D))


COVERED: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "norms": norms,
    "embedding": lambda: Tokens(tied=False),
    "reused": Reused,
    "tied modules": TiedModules,
    "transformer": Residual,
    "ensemble": Ensemble,
    "peek": Peek,
    "gru": Recurrent,
    "bare": Bare,
    "tied weight": lambda: Tokens(tied=True),
    "weight norm": weight_normed,
    "attention": Attention,
}
FALLBACK: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "batch norm": (BatchStatistics, r"first\.weight of first \(Linear\): the rows of linear do not belong to one task"),
}


def losses_of(model: nn.Module, x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Task k's loss on its rows, of scale 10^k; zero without rows."""
    parts = torch.split(model(x), list(sizes))
    return torch.stack([10.0**k * (part.sin().sum() + part.square().sum()) for k, part in enumerate(parts)])


def compare(model: nn.Module, gradients: TaskGradients, sizes: Sequence[int]) -> None:
    """One update's task gradients, Gramian and weighted sum against the reference."""
    model.zero_grad()
    x = torch.randn(sum(sizes), T, D, dtype=torch.float64)
    parameters = [p for p in model.parameters() if p.requires_grad]
    expected = reference_jacobian(losses_of(model, x, sizes), parameters)
    equal = len(set(sizes)) == 1
    with gradients, nullcontext() if equal else task_rows(sizes):
        losses = losses_of(model, x, sizes)
    gradients.backward(losses)
    close = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(gradients.jacobian(), expected, **close)
    torch.testing.assert_close(gradients.gramian(), expected @ expected.T, **close)
    weights = torch.rand(len(sizes), dtype=torch.float64)
    gradients.accumulate(weights)
    found = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
    torch.testing.assert_close(found, weights @ expected, **close)
