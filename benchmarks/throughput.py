"""How fast does the agent act and learn on popgym-27, as a share of what the machine can multiply?

    python -m benchmarks.throughput [--json] [--profile] [--repeats 15]

The settings are those at which the reference implementation of AMAGO-2 was measured: context 128, 16 sequences,
Transformer 2 x 64 with 4
heads, MLP heads of 128, 4 critics, 7 discounts, 64 bins, 8 actors. Float32 matrix products, acting and updates
alternate in one run, and
medians are reported, so that a busy machine slows all of them alike. Operations are counted by torch's FlopCounterMode.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from mtrl.agent.config import AgentConfig
from mtrl.config import RunConfig
from mtrl.learning.config import LearningConfig
from mtrl.training.config import CollectConfig, UpdateConfig
from mtrl.training.loop import Run

THREADS = 2
# Seconds an update and environment steps a second of the reference implementation, and the rate of the machine it ran
# on (GFLOP/s).
REFERENCE = {
    "ind_ind": (0.73, 0.79),
    "dep_dep": (0.17, 0.18),
    "steps_per_second": (840.0, 990.0),
    "gemm_gflops": (230.0, 255.0),
}
VARIANTS: dict[str, tuple[Literal["filtered", "policy-gradient"], str]] = {
    "ind_ind": ("filtered", "two-hot"),
    "dep_dep": ("policy-gradient", "regression"),
}


def settings(actor: Literal["filtered", "policy-gradient"], critic: str) -> RunConfig:
    """The reference's settings with one of the update variants."""
    return RunConfig(
        suite="popgym-27",
        agent=AgentConfig(width=64, layers=2, attention_heads=4, context=128, head_width=128, critics=4),
        learning=LearningConfig(actor=actor, critic=critic, bins=64),
        collect=CollectConfig(slots=8, steps_per_update=8),
        update=UpdateConfig(sequences=16),
    )


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def gemm_gflops(size: int = 1024, products: int = 8) -> float:
    """The machine's float32 matrix-product rate at this moment."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    taken = seconds(lambda: [a @ b for _ in range(products)])
    return 2 * size**3 * products / taken / 1e9


class Bench:
    """One run of each update variant, with a filled replay."""

    def __init__(self, fill_steps: int) -> None:
        self.runs = {name: Run(settings(*variant), Path("unused")) for name, variant in VARIANTS.items()}
        first = next(iter(self.runs.values()))
        torch.set_num_threads(1)
        self.act(first, fill_steps // 8)
        for run in self.runs.values():
            run.replay = first.replay
        self.flops = {name: self.count(run) for name, run in self.runs.items()}

    @staticmethod
    def act(run: Run, steps: int) -> None:
        """So many steps of all actors; finished trials go into the replay."""
        for _ in range(steps):
            for _, trial, _ in run.collector.step():
                run.replay.add(trial)

    @staticmethod
    def update(run: Run) -> None:
        """Draw a batch and update."""
        run.updater.update(run.batch(), run.generator, measure=False)

    def count(self, run: Run) -> float:
        """Floating-point operations of an update, mean of a few: batches differ in padding."""
        torch.set_num_threads(THREADS)
        counts = []
        for _ in range(5):
            with FlopCounterMode(display=False) as counter:
                self.update(run)
            counts.append(float(counter.get_total_flops()))
        return statistics.mean(counts)

    def measure(self, repeats: int) -> dict[str, Any]:
        """Alternate products, updates and acting."""
        rates: list[float] = []
        steps: list[float] = []
        taken: dict[str, list[float]] = {name: [] for name in self.runs}
        for _ in range(repeats):
            torch.set_num_threads(THREADS)
            rates.append(gemm_gflops())
            for name, run in self.runs.items():
                taken[name] += [seconds(partial(self.update, run)) for _ in range(3)]
            torch.set_num_threads(1)
            steps.append(8 * 100 / seconds(partial(self.act, self.runs["ind_ind"], steps=100)))
        gemm = statistics.median(rates)
        per_update = {name: statistics.median(values) for name, values in taken.items()}
        return {
            "steps_per_second": statistics.median(steps),
            "seconds_per_update": per_update,
            "gemm_gflops": gemm,
            "gflop_per_update": {name: count / 1e9 for name, count in self.flops.items()},
            "share_of_gemm": {name: self.flops[name] / 1e9 / per_update[name] / gemm for name in self.runs},
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "times_reference": times_reference(statistics.median(steps), per_update, gemm),
        }


def times_reference(steps_per_second: float, per_update: dict[str, float], gemm: float) -> dict[str, list[float]]:
    """How many times faster than the reference, scaled by the machines' matrix-product rates: [from its best figures,
    from its worst]."""

    def times(mine: float, figures: tuple[float, float], invert: bool) -> list[float]:
        machine = [rate / gemm for rate in REFERENCE["gemm_gflops"]]
        ratios = [(f / mine if invert else mine / f) * m for f in figures for m in machine]
        return [round(min(ratios), 2), round(max(ratios), 2)]

    return {
        "steps_per_second": times(steps_per_second, REFERENCE["steps_per_second"], invert=False),
        **{name: times(value, REFERENCE[name], invert=True) for name, value in per_update.items()},
    }


def profile(run: Run, updates: int = 20) -> str:
    """Where the time of an update goes, by operation."""
    torch.set_num_threads(THREADS)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(updates):
            Bench.update(run)
    table: str = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=50)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--profile", action="store_true", help="also print where the time of an update goes")
    parser.add_argument("--repeats", type=int, default=15, help="rounds of measurement")
    parser.add_argument(
        "--fill-steps", type=int, default=40_000, help="environment steps in the replay before measuring"
    )
    args = parser.parse_args()
    bench = Bench(args.fill_steps)
    result = bench.measure(args.repeats)
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        print(f"matrix products (float32, {THREADS} threads): {result['gemm_gflops']:.0f} GFLOP/s")
        print(f"acting, 8 actors: {result['steps_per_second']:.0f} env steps/s")
        for name in VARIANTS:
            print(
                f"update {name}: {result['seconds_per_update'][name]:.4f} s, "
                f"{result['gflop_per_update'][name]:.2f} GFLOP, "
                f"{100 * result['share_of_gemm'][name]:.0f}% of the matrix-product rate"
            )
        print(f"peak memory: {result['peak_mib']:.0f} MiB")
        print("times faster than the reference, scaled by the machines' rates (least, most):")
        for name, (low, high) in result["times_reference"].items():
            print(f"  {name}: {low} to {high}")
    if args.profile:
        for name, run in bench.runs.items():
            print(f"\n{name}\n{profile(run)}")


if __name__ == "__main__":
    main()
