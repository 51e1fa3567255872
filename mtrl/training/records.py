"""What records say, ready for JSON."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import Tensor

from mtrl.agent.agent import Agent
from mtrl.agent.task_heads import TaskLinear, similarity
from mtrl.learning.actor_critic import TaskLosses

Record = dict[str, Any]
_PACKAGES = ("gradient-conflict", "torch", "numpy", "gymnasium", "popgym", "minigrid", "procgen-mirror")


def versions() -> dict[str, str]:
    """Of the packages that a run's numbers may depend on."""

    def of(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    return {name: of(name) for name in _PACKAGES}


def losses_by_task(losses: TaskLosses, names: list[str]) -> Record:
    """The losses, and what else is known of each task, under the tasks' names; nothing of a task without rows."""
    having = (~losses.targets["mean"].isnan()).nonzero().flatten().tolist()
    kinds = {
        "loss": losses.total,
        "actor_loss": losses.actor,
        "critic_loss": losses.critic,
        "imitated": losses.imitated,
    }
    targets = {key: values.tolist() for key, values in losses.targets.items()}
    return {
        **{kind: {names[i]: values[i].item() for i in having} for kind, values in kinds.items()},
        "target": {names[i]: {key: values[i] for key, values in targets.items()} for i in having},
        **(
            {"experts": [use().record({i: names[i] for i in having}) for use in losses.experts]}
            if losses.experts
            else {}
        ),
    }


def floats(metrics: dict[str, Tensor]) -> dict[str, float]:
    """Numbers in place of tensors."""
    return {name: float(value) for name, value in metrics.items()}


def heads_record(agent: Agent) -> Record:
    """How alike the heads of all tasks are, where tasks have heads of their own."""
    found = {"policy": agent.policy.last, "critics": agent.critic.outputs}
    layers = {name: layer for name, layer in found.items() if isinstance(layer, TaskLinear)}
    if not layers:
        return {}
    return {
        "heads": {
            name: [[round(c, 4) for c in row] for row in similarity(layer).tolist()] for name, layer in layers.items()
        }
    }
