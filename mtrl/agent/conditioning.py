"""How the network is told which task it plays: features of every step, moved by something about the task.

Source: Perez et al. 2018, "FiLM", Equation 1 (scale and shift); Sodhani et al. 2021, "Multi-Task Reinforcement Learning
with Context-based Representations" (learnt task embeddings).
Departs: embeddings have unit norm, so that no task is told louder than another; scale and shift start at 1 and 0. What
a number alone tells (one-hot) is a row of weights that may grow to any length, as in a linear layer, and so is what the
mixtures' tables hold of a task (`mtrl.agent.experts`).
"""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from mtrl.agent.sharing import SharingConfig
from mtrl.agent.task_table import TaskTable


class Conditioning(nn.Module):
    """Moves the features of every step by what is known of the task."""

    def __init__(self, width: int, num_tasks: int, config: SharingConfig) -> None:
        super().__init__()
        self.kind = config.conditioning
        self.table: TaskTable | None = None
        if self.kind in ("embedding", "film"):
            self.table = TaskTable(num_tasks, config.task_width, std=config.task_width**-0.5)
        if self.kind == "one-hot":
            self.table = TaskTable(num_tasks, width, std=width**-0.5)
        elif self.kind == "embedding":
            self.project = nn.Linear(config.task_width, width, bias=False)
        elif self.kind == "film":
            self.project = film_layer(config.task_width, width)

    def forward(
        self, features: Float[Tensor, "*batch width"], task: Int[Tensor, "*lead"] | None
    ) -> Float[Tensor, "*batch width"]:
        """The features of every step.

        Args:
            task: of the features' first axes, the same for all others; None: not told.
        Raises:
            ValueError: the network is to be told the task, and is not.
        """
        if self.table is None:
            return features
        if task is None:
            raise ValueError(f"conditioning {self.kind}: expected the task of every row, got None")
        told = self.table(task.flatten())
        if self.kind != "one-hot":
            told = self.project(normalize(told, dim=-1))
        told = told.view(*task.shape, *[1] * (features.dim() - 1 - task.dim()), -1)
        return film(features, told) if self.kind == "film" else features + told


def film_layer(inputs: int, width: int) -> nn.Linear:
    """To scale and shift; both start at "no change", and stay there for inputs of 0."""
    layer = nn.Linear(inputs, 2 * width, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def film(features: Float[Tensor, "*batch width"], told: Float[Tensor, "*told 2*width"]) -> Tensor:
    """``features * (1 + scale) + shift``; what is told is broadcast over the features' steps."""
    scale, shift = told.chunk(2, dim=-1)
    return features * (1 + scale) + shift
