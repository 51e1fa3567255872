"""Several processes that train one agent together, as `torchrun` starts them; a process alone is the case of one.

Each plays its share of the slots, has its share of the replay, and its rows of every batch. What must be the same in
all is made so here: losses and gradients are averaged, rows that statistics are made of gathered. So N processes make
the run of one, spread over N machines or cores, and not a run with N times the batch.
"""

import dataclasses
import os
from collections.abc import Iterable
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from conflict.engine.passes import add_grad
from mtrl.config import RunConfig

PATIENCE = timedelta(hours=2)
"""How long processes wait for each other: the first evaluates alone, which may take longer than torch's ten minutes."""


class Ranks:
    """This process among those that train together.

    Attributes:
        index: this one's number, from 0; the one with 0 logs and evaluates.
        count: how many there are.
        group: for `conflict.TaskGradients`; None where there is one process.
    """

    def __init__(self, index: int = 0, count: int = 1) -> None:
        self.index, self.count = index, count
        self.group = distributed.group.WORLD if count > 1 else None

    @classmethod
    def of_environment(cls, device: str = "cpu") -> "Ranks":
        """What `torchrun` says; joins the others if there are any."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
        return cls(int(os.environ.get("RANK", "0")) if count > 1 else 0, count)

    def device(self, name: str) -> str:
        """The device of this process: of several GPUs of a machine, its own."""
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if self.count > 1 and name == "cuda" else name

    def share(self, total: int, what: str) -> int:
        """This process's part of a number.

        Raises:
            ValueError: it cannot be divided.
        """
        if total % self.count:
            raise ValueError(f"{what} {total} cannot be shared by {self.count} processes: choose a multiple")
        return total // self.count

    def seed(self, seed: int) -> int:
        """A seed of this process's own; that of the first is the seed itself."""
        return seed + 1_000_003 * self.index

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, elementwise."""
        if self.count == 1:
            return values
        total = values.detach().clone()
        distributed.all_reduce(total, group=self.group)
        return total / self.count

    def everywhere(self, flags: Tensor) -> Tensor:
        """Which flags are true in all processes."""
        if self.count == 1:
            return flags
        lowest = flags.to(torch.int32)
        distributed.all_reduce(lowest, op=distributed.ReduceOp.MIN, group=self.group)
        return lowest.bool()

    def lowest(self, value: int, device: str = "cpu") -> int:
        """The least of the processes' numbers."""
        if self.count == 1:
            return value
        found = torch.tensor(value, device=device)
        distributed.all_reduce(found, op=distributed.ReduceOp.MIN, group=self.group)
        return int(found)

    def rows(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The rows of all processes, those of the first first; they may have different numbers of them."""
        if self.count == 1:
            return tensors
        counts = [torch.zeros_like(torch.tensor(0, device=tensors[0].device)) for _ in range(self.count)]
        distributed.all_gather(counts, torch.tensor(len(tensors[0]), device=tensors[0].device), group=self.group)
        sizes = [int(count) for count in counts]
        return tuple(self._gathered(tensor, sizes) for tensor in tensors)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Let every ``.grad`` be the mean over all processes; one that only some have counts as 0 in the others."""
        if self.count == 1:
            return
        parameters = list(parameters)
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        mean = self.mean(flat)
        for parameter, part in zip(parameters, mean.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = None
            add_grad(parameter, part.view_as(parameter))

    def _gathered(self, tensor: Tensor, sizes: list[int]) -> Tensor:
        padded = tensor.new_zeros(max(sizes), *tensor.shape[1:])
        padded[: len(tensor)] = tensor
        parts = [torch.empty_like(padded) for _ in sizes]
        distributed.all_gather(parts, padded, group=self.group)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def on_this_rank(config: RunConfig, ranks: Ranks) -> RunConfig:
    """This process's share of slots, replay and batch."""
    if ranks.count == 1:
        return config
    collect = dataclasses.replace(
        config.collect,
        slots=ranks.share(config.collect.slots, "slots"),
        steps_per_update=ranks.share(config.collect.steps_per_update, "steps_per_update"),
        replay_steps=max(1, config.collect.replay_steps // ranks.count),
    )
    update = dataclasses.replace(config.update, sequences=ranks.share(config.update.sequences, "sequences"))
    loop = dataclasses.replace(config.loop, device=ranks.device(config.loop.device))
    return dataclasses.replace(config, collect=collect, update=update, loop=loop)
