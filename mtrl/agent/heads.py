"""Batched layers of an ensemble of networks."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from conflict.engine.products import baddbmm


class EnsembleLinear(nn.Module):
    """One linear layer per member: [member, row, in] -> [member, row, out]."""

    def __init__(self, members: int, inputs: int, outputs: int, *, scale: float = 1.0) -> None:
        """Weights start as He et al. 2015 propose, times `scale`."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, inputs, outputs) * scale * (2 / inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(
        self, x: Float[Tensor, "member row in"], members: Int[Tensor, " member"] | None = None
    ) -> Float[Tensor, "member row out"]:
        """Every member's layer (or only those of `members`) on its own rows."""
        if members is None:
            return baddbmm(self.bias, x, self.weight)
        return baddbmm(self.bias[members], x, self.weight[members])


class EnsembleEmbedding(nn.Module):
    """One table per member: indices [row] -> [member, row, width]."""

    def __init__(self, members: int, entries: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, entries, width) * 0.5)

    def forward(
        self, index: Int[Tensor, "*row"], members: Int[Tensor, " member"] | None = None
    ) -> Float[Tensor, "member *row width"]:
        """The entries of every member, or only of `members`."""
        table = self.weight if members is None else self.weight[members]
        return table.index_select(1, index.flatten()).view(len(table), *index.shape, table.shape[-1])


class EnsembleProjection(nn.Module):
    """One linear map without bias per member, all of the same rows: [row, in] -> [member, row, width]."""

    def __init__(self, members: int, inputs: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, inputs, width))

    def forward(
        self, x: Float[Tensor, "row in"], members: Int[Tensor, " member"] | None = None
    ) -> Float[Tensor, "member row width"]:
        """The map of every member, or only of `members`."""
        weight = self.weight if members is None else self.weight[members]
        return x.to(weight.dtype).expand(len(weight), *x.shape) @ weight
