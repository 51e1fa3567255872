"""Layers of modules, and a routing network that says how much each module reads from each of the layer below.

Source: Yang et al. 2020, "Multi-Task Reinforcement Learning with Soft Modularization", Section 4: with ``u`` the
product of state and task embedding, ``p^1 = D^1 relu(u)``, ``p^{l+1} = D^{l+1} relu(U^l p^l * u)``, and module i of
layer l+1 reads ``sum_j softmax_j(p^l_ij) act(W^l_j g^l_j)`` (Equation 8).
Departs: the outputs of the last modules are weighted by one more routing vector, as in published implementations; the
paper sums them. Features are the state embedding as they are, and GELU is the modules' activation, as in the other
mixtures. The task embedding starts around 1, so that routing starts with the state's. One routing network in the
backbone serves actor and critics, where the paper has modules and routing of the policy's and of the critics' own.
Losses are not balanced: the paper weighs each task's by a softmax over minus the temperatures of its soft actor-critic,
which there are none of here (a rescaling takes that place).
"""

import itertools

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.mixture import Mixture, Routing, weighted_sum, without_loss
from mtrl.agent.heads import EnsembleLinear
from mtrl.agent.task_table import TaskTable


class SoftModularization(Mixture):
    """`expert_layers` layers of `num_experts` modules; the gates are the last routing vector."""

    def __init__(self, width: int, num_tasks: int, config: ExpertsConfig) -> None:
        super().__init__()
        modules, layers = config.num_experts, config.expert_layers
        widths = [width, *[config.expert_width] * (layers - 1), width]
        self.layers = nn.ModuleList(
            EnsembleLinear(modules, before, after, scale=1.0 if depth < layers else 0.5**0.5)
            for depth, (before, after) in enumerate(itertools.pairwise(widths), start=1)
        )
        self.routing = RoutingNetwork(width, num_tasks, modules, layers)

    def forward(
        self, x: Tensor, task: Tensor, *, exists: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Routing]:
        first, *others = self.layers
        connections, gates = self.routing(x, task)
        outputs = first(x.expand(gates.shape[1], *x.shape))
        for layer, weights in zip(others, connections, strict=True):
            outputs = layer(connected(gelu(outputs, approximate="tanh"), weights))
        return weighted_sum(outputs, gates), without_loss(gates, exists)


class RoutingNetwork(nn.Module):
    """Softmax weights: a matrix between every two layers of modules, and a vector behind the last."""

    def __init__(self, width: int, num_tasks: int, modules: int, layers: int) -> None:
        super().__init__()
        self.num_modules = modules
        self.task = TaskTable(num_tasks, width, mean=1.0, std=0.5)
        self.down = nn.ModuleList(nn.Linear(width, modules**2) for _ in range(layers - 1))
        self.up = nn.ModuleList(nn.Linear(modules**2, width) for _ in range(layers - 1))
        self.last = nn.Linear(width, modules)

    def forward(
        self, x: Float[Tensor, "row width"], task: Int[Tensor, " row"]
    ) -> tuple[list[Float[Tensor, "row expert expert"]], Float[Tensor, "row expert"]]:
        """How much each module (axis 1) reads from each of the layer below (axis 2), and the gates of the last."""
        state = x * self.task(task)
        read, connections = state, []
        for down, up in zip(self.down, self.up, strict=True):
            logits = down(torch.relu(read))
            connections.append(logits.unflatten(-1, (self.num_modules, -1)).softmax(dim=-1))
            read = up(logits) * state
        return connections, self.last(torch.relu(read)).softmax(dim=-1)


def connected(
    outputs: Float[Tensor, "expert row width"], weights: Float[Tensor, "row expert expert"]
) -> Float[Tensor, "expert row width"]:
    """What the modules of a layer read: ``sum_j weights[r, i, j] outputs[j, r]``."""
    return (weights @ outputs.transpose(0, 1)).transpose(0, 1)
