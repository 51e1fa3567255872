"""Which rows of which parameters are whose: vectors of tables, heads, and the maps of normalised returns."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from conflict.rescaling.task_affine import TaskAffine
from mtrl.agent.task_heads import TaskLinear
from mtrl.agent.task_table import TaskTable


@dataclass(frozen=True)
class TaskRows:
    """How a parameter is shared out among tasks."""

    axis: int
    """Along which the rows lie."""
    tasks: Bool[Tensor, "row task"]
    """The tasks that have each row, one or several."""


def rows_of_tasks(network: nn.Module) -> dict[str, TaskRows]:
    """Every parameter of a network of which a task has some rows and not all, by name."""
    found: dict[str, TaskRows] = {}
    for name, module in network.named_modules():
        for key, tasks in _tasks_of(module).items():
            behind = 3 if isinstance(module, TaskLinear) else 2
            axis = module.get_parameter(key).dim() - behind
            found[f"{name}.{key}" if name else key] = TaskRows(axis, tasks)
    return found


def _tasks_of(module: nn.Module) -> dict[str, Bool[Tensor, "row task"]]:
    """Whose the rows of a module's own parameters are."""
    if isinstance(module, TaskTable):
        return {"weight": torch.eye(len(module.weight), dtype=torch.bool)}
    if isinstance(module, TaskAffine) and module.num_tasks > 1:
        return dict.fromkeys(("weight", "bias"), torch.eye(module.num_tasks, dtype=torch.bool))
    if isinstance(module, TaskLinear):
        heads = torch.arange(module.count)[:, None] == module.of_task[:-1].cpu()
        shared, own = heads.tensor_split([module.weight.shape[-3]])
        rows = {"weight": shared, "bias": shared, "own_weight": own, "own_bias": own}
        return {key: rows[key] for key, _ in module.named_parameters(recurse=False)}
    return {}
