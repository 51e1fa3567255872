"""Multi-task gradients for any ``nn.Module``: how large each task's loss is, and how the task gradients are combined.

A batch holds the rows of K tasks one after the other, and each task has its own loss::

    import torch
    from torch import nn
    from conflict import TaskGradients, make_strategy

    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters())
    gradients = TaskGradients(model, num_tasks=3)
    strategy, tasks = make_strategy("pcgrad", num_tasks=3), torch.arange(3)
    inputs, targets = torch.randn(3 * 32, 8), torch.randn(3 * 32, 1)
    for _ in range(100):
        optimizer.zero_grad()
        with gradients:  # watches the forward pass
            losses = (model(inputs) - targets).square().reshape(3, -1).mean(dim=1)  # one loss a task
        gradients.backward(losses)  # one backward pass for all three task gradients
        gradients.accumulate(strategy.weights(gradients.gramian(), task_ids=tasks))  # fills .grad
        optimizer.step()

Importing this package loads no torch; the names below load on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from conflict.registry import RESCALINGS, STRATEGIES, VALUE_TARGETS, make_rescaling, make_strategy, make_value_target

if TYPE_CHECKING:
    from conflict.engine.reference import reference_jacobian
    from conflict.engine.rows import task_rows
    from conflict.engine.task_gradients import TaskGradients
    from conflict.measures import conflict_rate, cosine_matrix, effective_tasks, gradient_norms, norm_spread
    from conflict.rescaling.dwa import DWA
    from conflict.rescaling.famo import FAMO
    from conflict.rescaling.fixed import FixedScales
    from conflict.rescaling.geometric import Geometric
    from conflict.rescaling.gradnorm import GradNorm
    from conflict.rescaling.imtl_l import IMTLL
    from conflict.rescaling.popart import PopArt
    from conflict.rescaling.rescaling import Identity, Rescaling
    from conflict.rescaling.return_scale import MaxReturn, ReturnScale
    from conflict.rescaling.rlw import RLW
    from conflict.rescaling.stch import STCH
    from conflict.rescaling.task_affine import TaskAffine
    from conflict.rescaling.task_rates import TaskRates
    from conflict.rescaling.uncertainty import Uncertainty
    from conflict.strategies.aligned_mtl import AlignedMTL
    from conflict.strategies.cagrad import CAGrad
    from conflict.strategies.config import ConFIG
    from conflict.strategies.dualproj import DualProj
    from conflict.strategies.fairgrad import FairGrad
    from conflict.strategies.fixed import Fixed
    from conflict.strategies.graddrop import GradDrop
    from conflict.strategies.gradvac import GradVac
    from conflict.strategies.imtl_g import IMTLG
    from conflict.strategies.mean import Mean
    from conflict.strategies.mgda import MGDA
    from conflict.strategies.nash_mtl import NashMTL
    from conflict.strategies.pcgrad import PCGrad
    from conflict.strategies.random_weights import RandomWeights
    from conflict.strategies.sdmgrad import SDMGrad
    from conflict.strategies.strategy import Strategy
    from conflict.strategies.upgrad import UPGrad
    from conflict.value.c51 import C51
    from conflict.value.hl_gauss import HLGauss
    from conflict.value.regression import Regression
    from conflict.value.symlog import symexp, symlog
    from conflict.value.symlog_regression import SymlogRegression
    from conflict.value.two_hot import TwoHot
    from conflict.value.value_target import ValueTarget

_HOMES = {
    "engine.reference": ("reference_jacobian",),
    "engine.rows": ("task_rows",),
    "engine.task_gradients": ("TaskGradients",),
    "measures": ("conflict_rate", "cosine_matrix", "effective_tasks", "gradient_norms", "norm_spread"),
    "rescaling.dwa": ("DWA",),
    "rescaling.famo": ("FAMO",),
    "rescaling.fixed": ("FixedScales",),
    "rescaling.geometric": ("Geometric",),
    "rescaling.imtl_l": ("IMTLL",),
    "rescaling.rlw": ("RLW",),
    "rescaling.stch": ("STCH",),
    "rescaling.task_rates": ("TaskRates",),
    "rescaling.uncertainty": ("Uncertainty",),
    "rescaling.gradnorm": ("GradNorm",),
    "rescaling.return_scale": ("MaxReturn", "ReturnScale"),
    "rescaling.popart": ("PopArt",),
    "rescaling.rescaling": ("Identity", "Rescaling"),
    "rescaling.task_affine": ("TaskAffine",),
    "strategies.aligned_mtl": ("AlignedMTL",),
    "strategies.cagrad": ("CAGrad",),
    "strategies.config": ("ConFIG",),
    "strategies.dualproj": ("DualProj",),
    "strategies.fairgrad": ("FairGrad",),
    "strategies.fixed": ("Fixed",),
    "strategies.graddrop": ("GradDrop",),
    "strategies.gradvac": ("GradVac",),
    "strategies.imtl_g": ("IMTLG",),
    "strategies.mean": ("Mean",),
    "strategies.mgda": ("MGDA",),
    "strategies.nash_mtl": ("NashMTL",),
    "strategies.pcgrad": ("PCGrad",),
    "strategies.random_weights": ("RandomWeights",),
    "strategies.sdmgrad": ("SDMGrad",),
    "strategies.strategy": ("Strategy",),
    "strategies.upgrad": ("UPGrad",),
    "value.c51": ("C51",),
    "value.hl_gauss": ("HLGauss",),
    "value.regression": ("Regression",),
    "value.symlog": ("symexp", "symlog"),
    "value.symlog_regression": ("SymlogRegression",),
    "value.two_hot": ("TwoHot",),
    "value.value_target": ("ValueTarget",),
}
_MODULE_OF = {name: f"conflict.{module}" for module, names in _HOMES.items() for name in names}

__all__ = [
    "C51",
    "DWA",
    "FAMO",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "RESCALINGS",
    "RLW",
    "STCH",
    "STRATEGIES",
    "VALUE_TARGETS",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "DualProj",
    "FairGrad",
    "Fixed",
    "FixedScales",
    "Geometric",
    "GradDrop",
    "GradNorm",
    "GradVac",
    "HLGauss",
    "Identity",
    "MaxReturn",
    "Mean",
    "NashMTL",
    "PCGrad",
    "PopArt",
    "RandomWeights",
    "Regression",
    "Rescaling",
    "ReturnScale",
    "SDMGrad",
    "Strategy",
    "SymlogRegression",
    "TaskAffine",
    "TaskGradients",
    "TaskRates",
    "TwoHot",
    "UPGrad",
    "Uncertainty",
    "ValueTarget",
    "conflict_rate",
    "cosine_matrix",
    "effective_tasks",
    "gradient_norms",
    "make_rescaling",
    "make_strategy",
    "make_value_target",
    "norm_spread",
    "reference_jacobian",
    "symexp",
    "symlog",
    "task_rows",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'conflict' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
