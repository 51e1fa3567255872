"""How fast are trials through the toolkit, next to the bare simulator stepped in a loop?

    python -m benchmarks.simulators [--json] [--tasks popgym:RepeatFirstEasy procgen:coinrun] [--slots 32] [--here]

In one run alternate: the bare simulator with random actions, reset whenever an episode ends; the same task as trials in
one slot and in many slots of this process, and in as many slots of one and of two worker processes. A ratio is the
median of the rounds' ratios, so that a busy machine slows both sides alike: many short rounds are better than few long.
What the machine allows is in the same rounds, in brackets: as many bare simulators as slots, one after the other in a
loop, next to one; and bare loops in two processes that share nothing and wait for nobody, next to one process.
Procgen's bare loop is its own Python interface without threads; the others' is Gymnasium's `step`. Memory is what the
second of two simulators of a task adds to a process; loading is the time until a suite's spaces are known, in a fresh
process, simulators' libraries included.
"""

import argparse
import json
import math
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from tasks.registry import load_suite, make_simulator
from tasks.suite import Suite

TASKS = (
    *("popgym:RepeatFirstEasy", "popgym:AutoencodeEasy", "popgym:HigherLowerEasy", "popgym:PositionOnlyCartPoleEasy"),
    *("babyai:GoToRedBallGrey", "babyai:GoToLocal", "babyai:PickupLoc", "babyai:GoTo"),
    *("procgen:coinrun", "procgen:starpilot", "procgen:ninja"),
)
SUITES = ("popgym-27", "babyai-68", "procgen-16", "babyai-quick", "procgen-quick")


def bare(task_id: str, count: int = 1) -> Callable[[int], object]:
    """Plays so many steps of the simulator as its authors ship it; of so many of them, one after the other."""
    source, _, name = task_id.partition(":")
    if source == "procgen":
        return _bare_procgen(name, count)
    envs: list[Any] = []
    for seed in range(count):
        if source == "babyai":
            import gymnasium
            import minigrid  # noqa: F401  # registers its ids

            envs.append(gymnasium.make(f"BabyAI-{name}-v0").unwrapped)
        else:
            envs.append(make_simulator(load_suite(task_id).tasks[0]))
        envs[-1].reset(seed=seed)
    generator = np.random.default_rng(0)
    space = envs[0].action_space

    def play(steps: int) -> None:
        if isinstance(space, spaces.Discrete):
            actions = generator.integers(space.n, size=steps).tolist()
        else:
            actions = list(generator.uniform(space.low, space.high, (steps, *space.shape)).astype(space.dtype))
        for env, action in zip(cycle(envs), actions, strict=False):
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return play


def _bare_procgen(name: str, count: int) -> Callable[[int], object]:
    from procgen import ProcgenGym3Env  # type: ignore[import-untyped]

    envs = [ProcgenGym3Env(num=1, env_name=name, distribution_mode="easy", num_threads=0) for _ in range(count)]
    generator = np.random.default_rng(0)

    def play(steps: int) -> None:
        for env, action in zip(cycle(envs), generator.integers(15, size=(steps, 1)), strict=False):
            env.act(action)
            env.observe()

    return play


def through(suite: Suite, slots: int, workers: int) -> tuple[Callable[[int], object], Callable[[], object]]:
    """Plays so many steps of trials; and how to end it."""
    envs = suite.make_vector(slots, seed=0, workers=workers)
    envs.reset()
    generator = np.random.default_rng(0)

    def play(steps: int) -> None:
        size = (-(-steps // slots), slots)
        drawn: Any
        if suite.continuous:
            drawn = generator.uniform(-1.0, 1.0, (*size, suite.num_actions)).astype(np.float32)
        else:
            drawn = generator.integers(suite.num_actions, size=size)
        for actions in drawn:
            envs.step(actions)

    return play, envs.close


class Apart:
    """Bare loops of one task in processes of their own."""

    def __init__(self, task_id: str, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.ends = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            context.Process(target=_play_apart, args=(task_id, theirs), daemon=True).start()
            self.ends.append(ours)
        for end in self.ends:
            end.recv()

    def play(self, steps: int, processes: int) -> None:
        """So many steps in all, shared among so many of the processes."""
        ends = self.ends[:processes]
        for end in ends:
            end.send(steps // processes)
        for end in ends:
            end.recv()

    def close(self) -> None:
        """End them."""
        for end in self.ends:
            end.send(None)


def _play_apart(task_id: str, end: Connection) -> None:
    play = bare(task_id)
    end.send(None)
    while (steps := end.recv()) is not None:
        play(steps)
        end.send(None)


def rate(play: Callable[[int], object], steps: int) -> float:
    """Steps a second."""
    start = time.perf_counter()
    play(steps)
    return steps / (time.perf_counter() - start)


def measure(task_id: str, repeats: int, seconds: float, slots: int, *, here: bool) -> dict[str, Any]:
    """One task's row.

    Args:
        here: leave other processes out.
    """
    suite = load_suite(task_id, invalid_actions="mask")
    ways: dict[str, Callable[[int], object]] = {"bare": bare(task_id), "many bare": bare(task_id, slots)}
    trials = [("1 slot", 1, 0), ("slots", slots, 0)]
    ends: list[Callable[[], object]] = []
    if not here:
        apart = Apart(task_id, 2)
        ways |= {"1 process": partial(apart.play, processes=1), "2 processes": partial(apart.play, processes=2)}
        ends.append(apart.close)
        trials += [("1 worker", slots, 1), ("2 workers", slots, 2)]
    for name, count, workers in trials:
        ways[name], end = through(suite, count, workers)
        ends.append(end)
    for play in ways.values():
        play(4 * slots)
    steps = max(2 * slots, int(seconds * rate(ways["bare"], 200)) // slots * slots)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, play in ways.items():
            rates[name].append(rate(play, steps))
    for end in ends:
        end()

    def ratio(name: str, of: str = "bare") -> float:
        if name not in rates:
            return math.nan
        return statistics.median(one / other for one, other in zip(rates[name], rates[of], strict=True))

    return {
        "task": task_id,
        "bare": statistics.median(rates["bare"]),
        "one_slot": ratio("1 slot"),
        "slots": ratio("slots"),
        "slots_rate": statistics.median(rates["slots"]),
        "slots_bare": ratio("many bare"),
        "worker": ratio("1 worker"),
        "two_workers": ratio("2 workers", "1 worker"),
        "two_bare": ratio("2 processes", "1 process"),
        "mib_per_simulator": extra_memory(task_id),
        "repeats": repeats,
    }


def extra_memory(task_id: str, count: int = 20) -> float:
    """MiB that each further simulator of a task adds, in a fresh process."""
    return float(_fresh(_MEMORY, task_id, str(count)))


def load_seconds(suite: str) -> float:
    """Seconds until a suite's spaces are known, in a fresh process."""
    return float(_fresh(_LOAD, suite))


_MEMORY = """
import sys
from pathlib import Path
from tasks.registry import load_suite, make_simulator
task, count, made = load_suite(sys.argv[1]).tasks[0], int(sys.argv[2]), []
def resident():
    return int(next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmRSS")).split()[1])
def more():
    made.append(make_simulator(task))
    made[-1].reset(seed=len(made))
    for _ in range(5):
        if any(made[-1].step(made[-1].action_space.sample())[2:4]):
            made[-1].reset(seed=len(made))
more()
before = resident()
for _ in range(count):
    more()
print((resident() - before) / 1024 / count)
"""
_LOAD = """
import sys, time
start = time.perf_counter()
from tasks.registry import load_suite
load_suite(sys.argv[1]).observation_space
print(time.perf_counter() - start)
"""


def _fresh(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    return done.stdout.split()[-1]


def bracketed(ratio: float) -> str:
    """A ratio of bare simulators."""
    return f"({ratio:.2f})".rjust(8)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tasks", nargs="+", default=list(TASKS), help="tasks, or suites of which the first task counts"
    )
    parser.add_argument("--suites", nargs="*", default=list(SUITES), help="suites to load")
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--seconds", type=float, default=0.15, help="of the bare simulator, in each round")
    parser.add_argument("--here", action="store_true", help="leave workers and other processes out")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    for task in given.tasks:
        try:
            load_suite(task, invalid_actions="mask")
        except ValueError as error:
            parser.error(str(error))
    rows = []
    if not given.json:
        ours = f"{'1 slot':>9}{f'{given.slots} slots':>22}{'(bare)':>8}{'1 worker':>10}{'2 of 1':>8}{'(bare)':>8}"
        print(f"{'task':34}{'bare':>10}{ours}{'MiB':>7}")
    for task in given.tasks:
        row = measure(task, given.repeats, given.seconds, given.slots, here=given.here)
        rows.append(row)
        if not given.json:
            numbers = (
                f"{row['one_slot']:>9.2f}{row['slots_rate']:>10,.0f}/s{row['slots']:>10.2f}"
                f"{bracketed(row['slots_bare'])}{row['worker']:>10.2f}"
            )
            numbers += f"{row['two_workers']:>8.2f}{bracketed(row['two_bare'])}{row['mib_per_simulator']:>7.2f}"
            print(f"{task:34}{row['bare']:>8,.0f}/s{numbers}", flush=True)
    loads = {suite: load_seconds(suite) for suite in given.suites}
    if given.json:
        print(json.dumps({"tasks": rows, "load_seconds": loads}, indent=1))
    else:
        print("\n".join(f"loading {suite}: {seconds:.1f} s" for suite, seconds in loads.items()))


if __name__ == "__main__":
    main()
