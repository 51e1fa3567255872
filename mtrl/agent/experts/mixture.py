"""What every mixture of experts offers: features to features, and a word on who did the work."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Routing:
    """How the rows of one forward pass were spread over the experts. Only `loss` has a graph."""

    gates: Float[Tensor, "row expert"]
    """Weight of each expert as it was used: 0 where it was not, and in rows that do not exist."""
    loss: Float[Tensor, " row"]
    """Auxiliary loss of each row, weights applied; 0 where there is none, and in acting. Its mean over the rows that
    exist is the paper's loss, and what a row adds to that has its gradient in this row alone."""
    dropped: Float[Tensor, " row"]
    """Share of the row's choices that found no room."""


class Mixture(nn.Module, ABC):
    """A map from features to features of the same width. In training rows may be dropped: their output is 0, so put a
    residual connection around."""

    @abstractmethod
    def forward(
        self,
        x: Float[Tensor, "row width"],
        task: Int[Tensor, " row"],
        *,
        exists: Bool[Tensor, " row"] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "row width"], Routing]:
        """All rows at once.

        Args:
            x: features.
            task: of each row; numbers beyond the tasks of training stand for tasks it has not seen.
            exists: False for padding, which takes no room, has no part in the balance and becomes anything finite.
            generator: in training: draws noise and the order in which rows find room. None stands for acting: no
                noise, no limits, and no row has an influence on another.
        """


def without_loss(gates: Float[Tensor, "row expert"], exists: Bool[Tensor, " row"] | None) -> Routing:
    """The routing of a mixture that neither drops anything nor has an auxiliary loss."""
    nothing = gates.new_zeros(len(gates))
    return Routing(gates=masked(gates.detach(), exists), loss=nothing, dropped=nothing)


def masked(values: Float[Tensor, "row ..."], exists: Bool[Tensor, " row"] | None) -> Float[Tensor, "row ..."]:
    """The same values, and 0 in rows that do not exist."""
    return values if exists is None else values * exists.reshape(-1, *[1] * (values.dim() - 1))


def weighted_sum(
    outputs: Float[Tensor, "expert row width"], gates: Float[Tensor, "row expert"]
) -> Float[Tensor, "row width"]:
    """Of all experts' outputs, one expert after the other: all products at once would not fit a processor's cache."""
    first, *others = zip(outputs.unbind(), gates[..., None].unbind(1), strict=True)
    total = first[0] * first[1]
    for output, gate in others:
        total = torch.addcmul(total, output, gate)
    return total
