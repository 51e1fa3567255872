"""What follows attention in every block: a feed-forward network, or a mixture of experts in its place."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.experts.routes import Mix


class FeedForward(nn.Module):
    """Behind a norm, and added to the stream."""

    def __init__(self, width: int, mixture: Mixture | None = None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mixture = mixture
        if mixture is None:
            self.enter = nn.Linear(width, 4 * width)
            self.leave = nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "*rows width"], mix: Mix | None) -> Float[Tensor, "*rows width"]:
        """`mix` runs the mixture, where there is one."""
        if self.mixture is not None:
            assert mix is not None
            return x + mix(self.mixture, self.norm(x))
        fed: Tensor = self.leave(gelu(self.enter(self.norm(x)), approximate="tanh"))
        return x + fed
