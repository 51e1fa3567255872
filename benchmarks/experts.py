"""What does a sparse mixture of experts save, next to one that runs all experts for every row?

    python -m benchmarks.experts [--json] [--experts 4 8 16 32] [--rows 4096] [--width 64] [--hidden 128] [--tasks 10]

Forward and backward pass in training, the gradient of the features included. `dense` and `top-k` (two experts a row,
capacity 1.5) alternate in one run, as do both under per-task gradients (of `--tasks` tasks, with their Gramian and the
weighted sum); a ratio is that of the medians, so that a busy machine slows all alike. `feed-forward` is one expert
alone, the net that all mixtures replace. A second table has every mixture, with the first number of experts.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from conflict.engine.task_gradients import TaskGradients
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.experts.registry import MIXTURES

WARM_UP = 2
CHOICES = 2
FEED_FORWARD = "feed-forward"


def make(name: str, experts: int, width: int, hidden: int, tasks: int) -> Mixture:
    """A mixture with its usual settings."""
    torch.manual_seed(0)
    config = ExpertsConfig(num_experts=experts, chosen_experts=min(CHOICES, experts), expert_width=hidden)
    return MIXTURES[name](width, tasks, config)


def forward(mixture: Mixture, x: Tensor, task: Tensor, tasks: int) -> Tensor:
    """One loss a task, whose rows are equally many."""
    out, routing = mixture(x, task, generator=torch.Generator().manual_seed(0))
    losses: Tensor = (out.square().mean(dim=1) + routing.loss).view(tasks, -1).mean(dim=1)
    return losses


def plain(mixture: Mixture, x: Tensor, task: Tensor, tasks: int) -> None:
    """One ordinary pass forward and backward."""
    mixture.zero_grad()
    x.grad = None
    forward(mixture, x, task, tasks).mean().backward()


def by_task(gradients: TaskGradients, mixture: Mixture, x: Tensor, task: Tensor, tasks: int) -> None:
    """One pass with per-task gradients."""
    mixture.zero_grad()
    with gradients:
        losses = forward(mixture, x, task, tasks)
    gradients.backward(losses)
    gradients.gramian()
    gradients.accumulate(torch.full((tasks,), 1 / tasks))


def milliseconds(action: Callable[[], object]) -> float:
    """Wall-clock of one call."""
    start = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - start)


def medians(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Milliseconds of each, all in turn."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(WARM_UP + repeats):
        for name, action in actions.items():
            taken[name].append(milliseconds(action))
    return {name: statistics.median(times[WARM_UP:]) for name, times in taken.items()}


def both_ways(names: Sequence[str], experts: int, given: argparse.Namespace) -> dict[str, float]:
    """Medians of some mixtures, plainly and by task, and of one expert alone."""
    x = torch.randn(given.rows // given.tasks * given.tasks, given.width, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    task = torch.arange(given.tasks).repeat_interleave(len(x) // given.tasks)
    alone = make("dense", 1, given.width, given.hidden, given.tasks)
    actions: dict[str, Callable[[], object]] = {FEED_FORWARD: partial(plain, alone, x, task, given.tasks)}
    for name in names:
        mixture = make(name, experts, given.width, given.hidden, given.tasks)
        gradients = TaskGradients(mixture, num_tasks=given.tasks)
        actions[name] = partial(plain, mixture, x, task, given.tasks)
        actions[f"{name}, by task"] = partial(by_task, gradients, mixture, x, task, given.tasks)
    return medians(actions, given.repeats)


def sparse_against_dense(experts: int, given: argparse.Namespace) -> dict[str, Any]:
    """A row of the first table."""
    found = both_ways(("dense", "top-k"), experts, given)
    return {
        "experts": experts,
        **{f"{name}, ms": round(value, 1) for name, value in found.items()},
        "top-k / dense": round(found["top-k"] / found["dense"], 2),
        "by task": round(found["top-k, by task"] / found["dense, by task"], 2),
    }


def every_mixture(experts: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The second table."""
    found = both_ways(list(MIXTURES), experts, given)
    return [
        {
            "mixture": name,
            "ms": round(found[name], 1),
            f"/ {FEED_FORWARD}": round(found[name] / found[FEED_FORWARD], 2),
            "by task / plainly": round(found[f"{name}, by task"] / found[name], 2),
        }
        for name in MIXTURES
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--experts", type=int, nargs="+", default=[4, 8, 16, 32], help="numbers of experts")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--width", type=int, default=64, help="of the features")
    parser.add_argument("--hidden", type=int, default=128, help="hidden width of one expert")
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=20, help="rounds of measurement")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads)
    sparse = [sparse_against_dense(experts, given) for experts in given.experts]
    mixtures = every_mixture(given.experts[0], given)
    if given.json:
        print(json.dumps({**vars(given), "sparse against dense": sparse, "every mixture": mixtures}, indent=2))
        return
    show(sparse)
    print(f"\nWith {given.experts[0]} experts:\n")
    show(mixtures)


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """As a table in Markdown."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
