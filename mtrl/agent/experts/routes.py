"""Mixtures inside of a network: where they stand, and what they are told and tell in one forward pass.

Source: He et al. 2016, "Identity Mappings in Deep Residual Networks" (norm, map, sum).
Departs: from the papers of all mixtures, whose output replaces what came in. Here it is added, behind the encoder as in
a Transformer's block: what goes on is the features that all tasks share plus a mixture's, and so never in the span of
the experts alone.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mtrl.agent.experts.mixture import Mixture, Routing

Mix = Callable[[Mixture, Tensor], Tensor]
"""Runs a mixture on features [*batch, width]; see `Routes`."""


class Routes:
    """One forward pass: knows the rows' tasks, and keeps what each mixture says of its routing, in their order."""

    def __init__(
        self,
        task: Int[Tensor, "*lead"] | None,
        *,
        exists: Bool[Tensor, "*batch"] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """
        Args:
            task: of the features' first axes, the same for all others; None: not told.
            exists: of every row, False for padding.
            generator: in training; None: acting.
        """
        self.task, self.exists, self.generator = task, exists, generator
        self.routings: list[Routing] = []

    def __call__(self, mixture: Mixture, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """The mixture's output, its routing kept.

        Raises:
            ValueError: nobody said which task the rows are of.
        """
        if self.task is None:
            raise ValueError(f"{type(mixture).__name__}: expected the task of every row, got None")
        lead = x.shape[:-1]
        task = self.task.view(*self.task.shape, *[1] * (len(lead) - self.task.dim())).expand(lead)
        exists = None if self.exists is None else self.exists.flatten()
        found: Tensor
        found, routing = mixture(x.flatten(0, -2), task.flatten(), exists=exists, generator=self.generator)
        self.routings.append(routing)
        return found.view(x.shape)


class ExpertBlock(nn.Module):
    """A mixture behind a norm, added to the features: where nothing was routed they stay as they are."""

    def __init__(self, width: int, mixture: Mixture) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mixture = mixture

    def forward(self, x: Float[Tensor, "*batch width"], mix: Mix) -> Float[Tensor, "*batch width"]:
        """The same shape."""
        added: Tensor = mix(self.mixture, self.norm(x))
        return x + added
