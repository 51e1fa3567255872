"""How long does each strategy take to turn a Gramian into weights?

    python -m benchmarks.solvers [--json] [--tasks 2 10 50] [--repeats 30]

One thread. Half of the gradients have much in common and the norms span two decades, so that some conflict and some do
not; each repeat has gradients of its own. Ours and TorchJD's (if it is installed and has the method) alternate in one
run, and medians are reported. Both read the same float32 Gramian; only where TorchJD's class takes the gradients
(``OF_GRADIENTS``, of 1,000 parameters) does its time include their products. TorchJD's solvers stop at tolerances of
their own: MGDA after at most 100 Frank-Wolfe steps, SDMGrad after 20 gradient steps, Nash-MTL after 20 convex programs.
"""

import argparse
import importlib
import json
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from conflict.registry import STRATEGIES, make_strategy
from conflict.strategies.strategy import Strategy

PARAMETERS = 1000
WARM_UP = 2
THEIRS: dict[str, tuple[str, Callable[[int], dict[str, object]]]] = {
    # TorchJD's class, and its arguments given the number of tasks
    "mean": ("MeanWeighting", lambda tasks: {}),
    "random": ("RandomWeighting", lambda tasks: {}),
    "pcgrad": ("PCGradWeighting", lambda tasks: {}),
    "gradvac": ("GradVacWeighting", lambda tasks: {}),
    "graddrop": ("GradDrop", lambda tasks: {}),
    "mgda": ("MGDAWeighting", lambda tasks: {}),
    "cagrad": ("CAGradWeighting", lambda tasks: {"c": 0.5}),
    "sdmgrad": ("SDMGradWeighting", lambda tasks: {}),
    "imtl-g": ("IMTLGWeighting", lambda tasks: {}),
    "config": ("ConFIG", lambda tasks: {}),
    "nash-mtl": ("NashMTL", lambda tasks: {"n_tasks": tasks, "max_norm": 0.0}),
    "fairgrad": ("FairGradWeighting", lambda tasks: {"alpha": 2.0}),
    "aligned-mtl": ("AlignedMTLWeighting", lambda tasks: {}),
    "dualproj": ("DualProjWeighting", lambda tasks: {}),
    "upgrad": ("UPGradWeighting", lambda tasks: {}),
}
OF_GRADIENTS = {"graddrop", "config", "nash-mtl"}
"""Where TorchJD's class takes the gradients."""


def gradients(tasks: int, seed: int) -> Tensor:
    """Task gradients, [task, parameter]."""
    generator = torch.Generator().manual_seed(seed)
    jac = torch.randn(tasks, PARAMETERS, generator=generator)
    common = torch.randn(3, PARAMETERS, generator=generator)
    jac += (torch.randn(tasks, 3, generator=generator) + 0.5) @ common * (torch.arange(tasks) % 2)[:, None]
    norms: Tensor = 10 ** (2 * torch.rand(tasks, 1, generator=generator) - 1)
    return jac * norms


def milliseconds(action: Callable[[], object]) -> float:
    """Wall-clock of one call."""
    start = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - start)


def torchjd_solver(name: str, tasks: int) -> Callable[[Tensor], object] | None:
    """TorchJD's method of that name; None where it or one of its extras is missing."""
    try:
        aggregation: Any = importlib.import_module("torchjd.aggregation")
        kind, arguments = THEIRS[name]
        solver: Callable[[Tensor], object] = getattr(aggregation, kind)(**arguments(tasks))
    except (ImportError, KeyError):
        return None
    return solver


def measure(name: str, tasks: int, repeats: int) -> dict[str, object]:
    """One row: medians over the repeats, ours and theirs in turn."""
    strategy, theirs, ids = make_strategy(name, tasks), torchjd_solver(name, tasks), torch.arange(tasks)
    generator = torch.Generator().manual_seed(0)
    taken: list[float] = []
    taken_theirs: list[float] = []
    for repeat in range(WARM_UP + repeats):
        jac = gradients(tasks, repeat)
        gram = jac @ jac.T
        taken.append(milliseconds(partial(update, strategy, jac, gram, ids, generator)))
        if theirs is not None:
            taken_theirs.append(milliseconds(partial(theirs, jac if name in OF_GRADIENTS else gram)))
    del taken[:WARM_UP], taken_theirs[:WARM_UP]
    return {
        "strategy": name,
        "tasks": tasks,
        "milliseconds": round(statistics.median(taken), 4),
        "torchjd_milliseconds": round(statistics.median(taken_theirs), 4) if taken_theirs else None,
    }


def update(strategy: Strategy, jac: Tensor, gram: Tensor, ids: Tensor, generator: torch.Generator) -> Tensor:
    """What is timed: the weights, or the update where TorchJD makes that."""
    if strategy.needs == "jacobian":
        return strategy.combine(jac, task_ids=ids, generator=generator)
    return strategy.weights(gram, task_ids=ids, generator=generator)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 10, 50], help="numbers of tasks")
    parser.add_argument("--repeats", type=int, default=30, help="rounds of measurement")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")  # of TorchJD's optional solvers
    rows = [measure(name, tasks, args.repeats) for name in STRATEGIES for tasks in args.tasks]
    if args.json:
        print(json.dumps({"threads": 1, "repeats": args.repeats, "rows": rows}, indent=2))
        return
    print(f"{'strategy':<12} {'tasks':>5} {'ms':>9} {'TorchJD ms':>11}")
    for row in rows:
        theirs = row["torchjd_milliseconds"]
        print(
            f"{row['strategy']:<12} {row['tasks']:>5} {row['milliseconds']:>9.3f} "
            + (f"{theirs:>11.3f}" if theirs is not None else f"{'–':>11}")
        )


if __name__ == "__main__":
    main()
