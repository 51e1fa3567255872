"""What do heads of every task's own cost, next to one that all tasks share?

    python -m benchmarks.task_heads [--json] [--tasks 5 27 68] [--outputs 7 448] [--rows 2048]

The last layer of an ensemble of critics: one for all tasks, and one a task. All of a row alternate in one run, and a
ratio is that of the medians, so that a busy machine slows all alike. `forward` and `update` (forward, backward, a step
of AdamW) have equally many rows of every task; in `unequal` the first task has three times as many as each other, and
in `24 tasks` an update has rows of so many tasks alone. `actions` is the forward pass over an action a discount, as
target critics make it, with `--discounts` discounts.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.experts import medians, show
from mtrl.agent.critic import CriticEnsemble
from mtrl.agent.task_rows import rows_of_tasks
from mtrl.training.resting import Resting

PRESENT = 24


class Layers:
    """Critics of states or of continuous actions with one last layer, or one a task, and their optimizer."""

    def __init__(self, tasks: int, outputs: int, given: argparse.Namespace, *, heads: bool) -> None:
        import gymnasium as gym

        torch.manual_seed(0)
        self.tasks, self.given = tasks, given
        self.critic = CriticEnsemble(
            given.inputs,
            given.inputs,
            gym.spaces.Box(-1.0, 1.0, (2,)),
            given.discounts,
            outputs // given.discounts,
            given.members,
            None,
            torch.zeros(outputs // given.discounts),
            range(tasks) if heads else None,
        )
        self.last: nn.Module = self.critic.outputs
        self.optimizer = torch.optim.AdamW(self.last.parameters(), fused=True)
        self.resting = Resting(dict(self.last.named_parameters()), rows_of_tasks(self.last), {})
        self.hidden = torch.randn(given.members, given.rows, given.inputs)
        self.action = torch.randn(given.rows, given.discounts, 2)

    def rows(self, kind: str) -> Tensor:
        """The task of every row."""
        if kind == "24 tasks":
            present = torch.arange(min(PRESENT, self.tasks))
            return present.repeat_interleave(-(-self.given.rows // len(present)))[: self.given.rows]
        shares = torch.ones(self.tasks)
        shares[0] = 3.0 if kind == "unequal" else 1.0
        ends = (shares.cumsum(0) / shares.sum() * self.given.rows).round().long()
        return torch.searchsorted(ends, torch.arange(self.given.rows), right=True)

    def forward(self, task: Tensor) -> Tensor:
        """Outputs of the last layer."""
        return self.critic._last(self.hidden, task, None)

    def update(self, task: Tensor) -> None:
        """All of it: the gradient of the features, too."""
        self.optimizer.zero_grad(set_to_none=True)
        self.hidden.grad = None
        self.hidden.requires_grad_()
        self.forward(task).sum().backward()
        self.resting.step(self.optimizer, torch.isin(torch.arange(self.tasks), task))

    @torch.no_grad()
    def actions(self, task: Tensor) -> Tensor:
        """Values of one action for every discount."""
        return self.critic.of_actions(self.hidden.detach(), self.action, task, lambda out: out.mean(dim=-1))


def row(tasks: int, outputs: int, given: argparse.Namespace) -> dict[str, Any]:
    """Both, in every way."""
    one, many = (Layers(tasks, outputs, given, heads=heads) for heads in (False, True))
    equal = one.rows("equal")

    def inference(layers: Layers) -> None:
        with torch.no_grad():
            layers.forward(equal)

    ways: dict[str, Callable[[Layers], object]] = {
        "forward": inference,
        "update": lambda layers: layers.update(equal),
        "unequal": lambda layers: layers.update(one.rows("unequal")),
        "24 tasks": lambda layers: layers.update(one.rows("24 tasks")),
        "actions": lambda layers: layers.actions(equal),
    }
    found: dict[str, Any] = {"tasks": tasks, "outputs": outputs}
    actions = {
        f"{way} {which}": (lambda do=do, layers=layers: do(layers))
        for way, do in ways.items()
        for which, layers in (("one", one), ("many", many))
    }
    times = medians(actions, given.repeats)
    for way in ways:
        alone, each = times[f"{way} one"], times[f"{way} many"]
        found |= {f"{way}, ms": f"{alone:.1f} / {each:.1f}", f"{way}, ratio": round(each / alone, 2)}
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--tasks", type=int, nargs="+", default=[5, 27, 68])
    parser.add_argument("--outputs", type=int, nargs="+", default=[7, 448], help="of the layer, all discounts together")
    parser.add_argument("--discounts", type=int, default=7)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--inputs", type=int, default=128)
    parser.add_argument("--members", type=int, default=4, help="critics")
    parser.add_argument("--repeats", type=int, default=20, help="rounds of measurement")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads)
    rows = [row(tasks, outputs, given) for outputs in given.outputs for tasks in given.tasks]
    if given.json:
        print(json.dumps({**vars(given), "task heads": rows}, indent=2))
    else:
        show(rows)


if __name__ == "__main__":
    main()
