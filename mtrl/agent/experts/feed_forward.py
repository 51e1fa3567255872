"""The feed-forward nets of all experts at once."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from mtrl.agent.heads import EnsembleLinear


class FeedForwardExperts(nn.Module):
    """Every expert's net, `width -> hidden -> width`, on the same rows."""

    def __init__(self, experts: int, width: int, hidden: int) -> None:
        """Outputs start about as large as inputs."""
        super().__init__()
        self.enter = EnsembleLinear(experts, width, hidden)
        self.leave = EnsembleLinear(experts, hidden, width, scale=0.5**0.5)

    def forward(self, x: Float[Tensor, "row width"]) -> Float[Tensor, "expert row width"]:
        """Each expert's output for each row."""
        shared = x.expand(self.enter.weight.shape[0], *x.shape)
        outputs: Tensor = self.leave(gelu(self.enter(shared), approximate="tanh"))
        return outputs
