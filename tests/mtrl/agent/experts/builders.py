"""Small mixtures in double precision, and the plain network that they are compared with."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.experts.registry import MIXTURES

WIDTH, HIDDEN, TASKS = 6, 5, 3
ROUTED_BY = [(name, how) for name in ("dense", "top-k") for how in ("state", "task", "both")]
EVERY = [*ROUTED_BY, *((name, "both") for name in MIXTURES if name not in ("dense", "top-k"))]
"""Each mixture with everything that its router may see."""


def build(name: str, **settings: Any) -> Mixture:
    """A mixture of `WIDTH` features for `TASKS` tasks, no bias of which is 0."""
    torch.manual_seed(0)
    config = ExpertsConfig(**{"experts": name, "expert_width": HIDDEN, "router_noise": 0.0, **settings})
    mixture = MIXTURES[name](WIDTH, TASKS, config).double()
    with torch.no_grad():
        for key, parameter in mixture.named_parameters():
            if key.endswith("bias"):
                parameter.normal_()
    return mixture


def features(rows: int, seed: int = 1) -> Tensor:
    """Normally distributed."""
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draws(seed: int = 0) -> torch.Generator:
    """For training."""
    return torch.Generator().manual_seed(seed)


def parameters_of(mixture: Mixture) -> list[Tensor]:
    """The experts' two layers: weight and bias of the first, weight and bias of the second."""
    named = dict(mixture.named_parameters())
    ends = ("enter.weight", "enter.bias", "leave.weight", "leave.bias")
    if any("layers" in key for key in named):
        ends = ("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias")
    return [next(p for key, p in named.items() if key.endswith(end)) for end in ends]


def plain(mixture: Mixture, x: Tensor, expert: int) -> Tensor:
    """One expert as a network of its own."""
    w_in, b_in, w_out, b_out = (p[expert] for p in parameters_of(mixture))
    return gelu(x @ w_in + b_in, approximate="tanh") @ w_out + b_out


def make_identical(mixture: Mixture) -> None:
    """Give all experts the parameters of the first."""
    with torch.no_grad():
        for parameter in parameters_of(mixture):
            parameter.copy_(parameter[:1].expand_as(parameter).clone())


def table_of(mixture: Mixture) -> Tensor:
    """The tasks' vectors."""
    return next(
        p
        for key, p in mixture.named_parameters()
        if key in ("router.task.weight", "weights.weight", "context.weight", "routing.task.weight")
    )
