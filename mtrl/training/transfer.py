"""Starting from the weights of another run, perhaps on another suite: forward transfer.

What fits is taken over: a parameter of the same name and shape, and what tasks have of their own by the task's name; a
task that the other run did not have starts from the mean of those that it had (its statistics of returns start anew).
Critics are taken over only where they speak of values in the same way. What does not fit starts afresh, and learns even
where its part of the network is frozen, and so does what belongs to a new task.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from conflict.rescaling.task_affine import TaskAffine
from mtrl.agent.agent import Agent
from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.heads import EnsembleLinear
from mtrl.agent.task_heads import TaskLinear
from mtrl.agent.task_rows import rows_of_tasks
from mtrl.agent.task_table import TaskTable
from mtrl.training.evaluate import load_agent

RECORD = "pretrained.json"
"""File in a run's folder that says what it took over."""

_SHAPED_BY_SETTINGS = ("encoder.sum_norm.", "encoder.mix.", "experts.", "memory.", "policy.hidden.")

Taken = dict[str, list[str]]
"""Names of parameters and statistics: those that were "taken", and those that start "afresh"."""


def begin_from(
    agent: Agent, task_names: Sequence[str], source: str, frozen: Sequence[str], out: Path
) -> dict[str, Any]:
    """Take over what fits from the newest checkpoint of a run, and freeze parts of it; a run that goes on does as it
    did when it was begun.

    Returns:
        What was taken, for a record; empty without a source.
    Raises:
        CheckpointError: the source holds no run, or no whole checkpoint.
        ValueError: the source is of another architecture; a part that is to be frozen has nothing that was taken; or
            nothing is left to learn.
    """
    if not source:
        return {}
    noted = out / RECORD
    if noted.is_file() and any((out / "checkpoints").glob("step-*")):
        found: dict[str, Any] = json.loads(noted.read_text())
    else:
        other, suite, _, state = load_agent(Path(source))
        taken = start_from(agent, task_names, other, suite.task_names)
        new = [name for name in task_names if name not in suite.task_names]
        found = {"run": source, "steps": state["steps"], "frozen": list(frozen), "new_tasks": new, **taken}
    freeze(agent, frozen, found["taken"], [name in found.get("new_tasks", ()) for name in task_names])
    return found


def freeze(agent: Agent, parts: Sequence[str], taken: Sequence[str], new: Sequence[bool] = ()) -> None:
    """Keep what was taken over in these parts of the network as it is: no update moves it.

    Args:
        taken: names of parameters.
        new: of every task, whether the other run did not have it: its heads and its rows of tables learn. None, as it
            stands.
    Raises:
        ValueError: nothing was taken over in a part, or nothing is left to learn.
    """
    trained, known, rows = agent.trained_parameters(), set(taken), rows_of_tasks(agent)
    fresh = torch.tensor(new or [False] * agent.num_tasks)
    for part in parts:
        names = _of_part(agent, part, trained)
        learning = {name: rows[name].tasks[:, fresh].any(dim=1) for name in names if name in rows}
        kept = [name for name in names if name in known and not (name in learning and learning[name].all())]
        if not kept:
            why = "none of it fits the pretrained run's" if names else "the network has no such part"
            why = "all that was taken is what new tasks start from" if known & set(names) else why
            raise ValueError(f"frozen: expected parts that are taken over from the pretrained run, found {part}: {why}")
        for name in kept:
            if name in learning and learning[name].any():
                agent.frozen_rows[name] = ~learning[name]
            else:
                trained[name].requires_grad_(False)
    for name, module in agent.named_modules():
        mask = agent.frozen_rows.get(f"{name}.weight")
        if isinstance(module, TaskLinear) and mask is not None:
            module.frozen[: len(mask)] = mask
    if not agent.trained_parameters():
        raise ValueError(f"frozen: with {', '.join(parts)} nothing is left to learn")


def _of_part(agent: Agent, part: str, names: Iterable[str]) -> list[str]:
    """Those of a part of the network; experts may also stand in the blocks of the memory, and a mission's words scale
    and shift the features in the encoder."""
    places = [part]
    if part == "experts":
        places += [name for name, module in agent.named_modules() if isinstance(module, Mixture)]
    elif part == "conditioning":
        places.append("encoder.mission")
    return [name for name in names if name.startswith(tuple(f"{place}." for place in places))]


@torch.no_grad()
def start_from(agent: Agent, task_names: Sequence[str], source: Agent, source_names: Sequence[str]) -> Taken:
    """Take over what fits from another agent.

    Args:
        task_names, source_names: of both agents' tasks, in their order.
    Raises:
        ValueError: the other network is of another architecture.
    """
    _check_alike(agent, source)
    found: Taken = {"taken": [], "afresh": []}
    theirs = dict(source.named_modules())
    for name, module in agent.named_modules():
        other = theirs.get(name)
        fits = other is not None and _speaks_alike(name.partition(".")[0], agent, source)
        together = agent.normaliser.normalises_returns and not agent.normaliser.by_task
        values = _values(name, module, other, task_names, source_names, together) if fits and other is not None else {}
        for key, tensor in module.state_dict().items():
            if "." in key:
                continue
            value = values.get(key)
            taken = value is not None and value.shape == tensor.shape
            if taken and value is not None:
                tensor.copy_(value)
            found["taken" if taken else "afresh"].append(f"{name}.{key}" if name else key)
    return found


def _check_alike(agent: Agent, source: Agent) -> None:
    """Refuse a network of which next to nothing would fit: what neither suite nor critics shape must be alike."""
    modules = dict(source.named_modules())
    for name, module in agent.named_modules():
        same_kind = name not in modules or type(modules[name]) is type(module)
        if (name == "memory" or isinstance(module, Mixture)) and not same_kind:
            raise ValueError(
                f"pretrained: expected a run of the same architecture, found {type(modules[name]).__name__} as its "
                f"{name} and {type(module).__name__} here"
            )
    theirs, rows = dict(source.named_parameters()), rows_of_tasks(agent)
    for name, mine in agent.named_parameters():
        other = theirs.get(name)
        if other is None or name in rows or not name.startswith(_SHAPED_BY_SETTINGS):
            continue
        if mine.shape != other.shape:
            raise ValueError(
                f"pretrained: expected a run of the same architecture, found {name} of shape {list(other.shape)} there "
                f"and of {list(mine.shape)} here; likely --width, --head-width or a setting of the experts differs"
            )


def _speaks_alike(part: str, agent: Agent, source: Agent) -> bool:
    """Whether the numbers that a part gives mean the same in both agents."""
    if part == "policy":
        return agent.values.discounts == source.values.discounts
    if part in ("critic", "target_critic", "normaliser"):
        same = type(agent.normaliser) is type(source.normaliser)
        same = same and agent.normaliser.by_task == source.normaliser.by_task
        return same and agent.values == source.values
    return True


def _values(
    name: str, module: nn.Module, other: nn.Module, names: Sequence[str], source_names: Sequence[str], together: bool
) -> dict[str, Tensor]:
    """Those of the other module, in the order of this one's tasks; `together`: returns have one unit for all tasks."""
    if isinstance(module, TaskTable) and isinstance(other, TaskTable):
        return {"weight": torch.stack([_by_name(name, source_names, other.weight) for name in names])}
    if isinstance(module, TaskLinear) or isinstance(other, TaskLinear):
        return _head_values(module, other, names, source_names)
    theirs = {key: t for key, t in other.state_dict().items() if "." not in key}
    if type(module) is not type(other):
        return {}
    if (name.startswith("normaliser") or isinstance(module, TaskAffine)) and not together:
        axis = -2 if isinstance(module, TaskAffine) else 0
        if not set(names) & set(source_names):
            return {}  # new tasks measure their returns anew
        mine = module.state_dict()
        return {key: _statistics(mine[key], t, names, source_names, axis) for key, t in theirs.items() if key in mine}
    return theirs


def _statistics(mine: Tensor, theirs: Tensor, names: Sequence[str], source_names: Sequence[str], axis: int) -> Tensor:
    """Those of known tasks by name, of others as they are; all, where they are not by task."""
    if not theirs.dim() or theirs.shape[axis] != len(source_names) or mine.shape[axis] != len(names):
        return theirs
    found = mine.clone()
    for place, name in enumerate(names):
        if name in source_names:
            found.select(axis, place).copy_(theirs.select(axis, list(source_names).index(name)))
    return found


def _head_values(
    module: nn.Module, other: nn.Module, names: Sequence[str], source_names: Sequence[str]
) -> dict[str, Tensor]:
    """Heads from heads, from one layer, or into one layer."""
    of_tasks = [_of_tasks(other, t, len(source_names)) for t in _as_heads(other)]
    if isinstance(module, TaskLinear):
        mine = module.of_task[:-1].tolist()
        members = [[name for name, head in zip(names, mine, strict=True) if head == h] for h in range(module.count)]
        pairs = [[_of_known(group, source_names, t) for group in members] for t in of_tasks]
        return module.split(*(torch.stack(t).movedim(0, -3) for t in pairs))
    weight, bias = (t.mean(dim=0) for t in of_tasks)
    return {"weight": weight.T, "bias": bias[0]} if isinstance(module, nn.Linear) else {"weight": weight, "bias": bias}


def _as_heads(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight [*lead, head, in, out] and bias [*lead, head, 1, out]."""
    if isinstance(layer, nn.Linear):
        return layer.weight.T[None], layer.bias[None, None]
    assert isinstance(layer, TaskLinear | EnsembleLinear)
    if isinstance(layer, TaskLinear):
        return layer.heads
    return layer.weight[:, None], layer.bias[:, None]


def _of_tasks(layer: nn.Module, heads: Tensor, num_tasks: int) -> Tensor:
    """[*lead, head, ...] -> [task, *lead, ...]."""
    first = heads.movedim(-3, 0)
    if isinstance(layer, TaskLinear):
        return first[layer.of_task[:-1].tolist()]
    return first.expand(num_tasks, *first.shape[1:])


def _of_known(group: Sequence[str], source_names: Sequence[str], table: Tensor) -> Tensor:
    """The mean of the rows of those tasks of a group that are known, or of all rows where none is."""
    known = [list(source_names).index(name) for name in group if name in source_names]
    return table[known].mean(dim=0) if known else table.mean(dim=0)


def _by_name(name: str, source_names: Sequence[str], table: Tensor) -> Tensor:
    """The row of a task, or the mean of all rows."""
    return table[list(source_names).index(name)] if name in source_names else table.mean(dim=0)
