"""The bins of a classification value target: their positions, and how values map onto them and back.

Source: Grigsby et al. 2024, "AMAGO-2: Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with
Transformers", Appendix: bins equally spaced in symlog(+-1e5), values read back as symexp(p^T b).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from conflict.value.options import SupportOptions
from conflict.value.symlog import symexp, symlog


class Support(nn.Module):
    """Bin centres, equally spaced in symlog(value / unit) or in the value.

    Args:
        options: number of bins, reach, spacing.
        margin: bins that stand beyond ``low`` and beyond ``high``, so that a target spread around an end is not cut
        off.
    """

    bins: Tensor

    def __init__(self, options: SupportOptions, *, margin: int = 0) -> None:
        super().__init__()
        inner = options.bins - 2 * margin
        if inner < 2:
            raise ValueError(f"value target: bins must be at least {2 * margin + 2} here, got {options.bins}")
        self.options = options
        low, high = self._to_space(torch.tensor([options.low, options.high], dtype=torch.float64)).tolist()
        self.width = (high - low) / (inner - 1)
        self.first = low - margin * self.width
        centres = self.first + self.width * torch.arange(options.bins, dtype=torch.float64)
        self.register_buffer("bins", centres, persistent=False)

    @property
    def values(self) -> Float[Tensor, " bin"]:
        """The bin centres as values."""
        return self._from_space(self.bins)

    def position(self, values: Float[Tensor, "*lead"]) -> Float[Tensor, "*lead"]:
        """Where values lie among the bins, clamped to [low, high]: bin i is at position i."""
        clamped = values.clamp(self.options.low, self.options.high)
        position: Tensor = (self._to_space(clamped) - self.first) / self.width
        return position

    def read(self, logits: Float[Tensor, "*lead bin"]) -> Float[Tensor, "*lead"]:
        """The value of the mean bin under softmax(logits)."""
        return self.read_probabilities(logits.softmax(dim=-1))

    def read_probabilities(self, probabilities: Float[Tensor, "*lead bin"]) -> Float[Tensor, "*lead"]:
        """The value of the mean bin: symexp(p^T b), times the unit, or p^T b where the spacing is linear."""
        mean: Tensor = probabilities @ self.bins.to(probabilities)
        return self._from_space(mean)

    def spread_out(
        self, first: Int[Tensor, "*lead"], weights: Float[Tensor, "*lead window"]
    ) -> Float[Tensor, "*lead bin"]:
        """Probabilities over all bins from a window of weights that begins at bin ``first``."""
        index = first[..., None] + torch.arange(weights.shape[-1], device=first.device)
        return weights.new_zeros(*first.shape, self.options.bins).scatter_(-1, index, weights)

    def prior(self, *, spread: float = 2.0) -> Float[Tensor, " bin"]:
        """Logits of a Gaussian around the value 0, `spread` bins wide, on a floor that keeps far bins within reach."""
        distance = torch.arange(len(self.bins)) - self.position(torch.zeros(()))
        return -0.5 * (distance / spread).square().clamp(max=8.0)

    def _to_space(self, values: Tensor) -> Tensor:
        return symlog(values / self.options.unit) if self.options.spacing == "symlog" else values

    def _from_space(self, position: Tensor) -> Tensor:
        return self.options.unit * symexp(position) if self.options.spacing == "symlog" else position
