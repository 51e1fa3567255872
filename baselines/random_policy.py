"""The random policy: the zero of every normalised score.

Departs: AMAGO-2's protocol draws uniformly from the padded action set and replaces what a task does not have by a
random action that it has. The actions that reach the simulator are then uniform over the task's own, and they are
drawn from these directly.

    python -m baselines.random_policy popgym-27 --trials 1000 --seed 0 --out tasks/data/popgym_random.json
    python -m baselines.random_policy procgen-16 procgen-16-hard procgen-16-memory --attempts 1 --trials 200 --seed 0 \
        --out tasks/data/procgen_random.json
    python -m baselines.random_policy gym:CartPole-v1 gym:Acrobot-v1 gym:MountainCar-v0 gym:Pendulum-v1 \
        gym:MountainCarContinuous-v0 --trials 1000 --seed 0 --out tasks/data/gym_random.json
"""

import argparse
import dataclasses
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from baselines.measurement import Measurement, circumstances, summarise, to_file, write
from tasks.registry import load_suite
from tasks.suite import Suite

_PACKAGES = {"popgym": "popgym", "babyai": "minigrid", "procgen": "procgen-mirror", "gym": "gymnasium"}
"""Source of tasks -> the package whose version matters."""


def measure(suite: Suite, *, trials: int, seed: int) -> Iterator[tuple[str, Measurement]]:
    """Play every task in turn, held-out ones after the others; the other tasks make no difference to a task's figures.

    Args:
        trials: per task, at least 2.
        seed: of the simulators and of the actions.
    Yields:
        Task id and measurement.
    Raises:
        ValueError: fewer than two trials, which have no interval.
    """
    if trials < 2:
        raise ValueError(f"expected at least 2 trials a task, got {trials}")
    suite = dataclasses.replace(suite, tasks=suite.tasks + suite.held_out, held_out=())
    for task_id, task in enumerate(suite.tasks):
        env = suite.make_env(task_id, seed=seed)
        num_valid = int(suite.action_mask[task_id].sum())
        # The name's checksum keeps this stream apart from the simulators', which are drawn with small keys.
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(task.id.encode()), 1)))
        returns, steps = np.zeros(trials), 0
        for trial in range(trials):
            env.reset()
            over = False
            while not over:
                for action in _drawn(generator, suite, num_valid, count=64):
                    _, _, terminated, truncated, info = env.step(action)
                    over = terminated or truncated
                    if over:
                        break
            returns[trial] = info["trial"]["raw_return"]
            steps += info["trial"]["length"]
        env.close()
        yield task.id, summarise(returns, steps / trials)


def _drawn(generator: np.random.Generator, suite: Suite, num_valid: int, *, count: int) -> Iterator[Any]:
    """Actions, or vectors whose numbers beyond the task's own are 0."""
    if not suite.continuous:
        yield from generator.integers(num_valid, size=count).tolist()
        return
    actions = np.zeros((count, suite.num_actions), np.float32)
    actions[:, :num_valid] = generator.uniform(-1.0, 1.0, size=(count, num_valid))
    yield from actions


def report(
    suites: Sequence[str], results: dict[str, Measurement], *, attempts: int | None, trials: int, seed: int
) -> dict[str, Any]:
    """Everything needed to measure the same again."""
    named = " ".join(suites) + (f" --attempts {attempts}" if attempts is not None else "")
    packages = {_PACKAGES[source] for id_ in results if (source := id_.partition(":")[0]) in _PACKAGES}
    return {
        **circumstances("baselines.random_policy", named, trials=trials, seed=seed, packages=tuple(sorted(packages))),
        "policy": "uniform over each task's own actions",
        "tasks": {task_id: asdict(result) for task_id, result in results.items()},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure suites and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m baselines.random_policy", description=__doc__.split("\n")[0])
    parser.add_argument("suites", nargs="+", help="names of suites, or of tasks as in popgym:NAME")
    parser.add_argument("--attempts", type=int, help="paid attempts a trial (default: what the suite says)")
    parser.add_argument("--trials", type=int, default=1000, help="trials a task (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of simulators and actions (default: 0)")
    parser.add_argument("--out", type=to_file, help="write the JSON to this file, too")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args(arguments)
    results: dict[str, Measurement] = {}
    played: set[int] = set()
    try:
        for name in options.suites:
            suite = load_suite(name, attempts=options.attempts)
            new = tuple(task for task in suite.all_tasks if task.id not in results)
            played.update(task.attempts for task in new)
            if len(played) > 1:
                parser.error(
                    f"tasks have {sorted(played)} paid attempts a trial: measure them apart, or set --attempts"
                )
            part = dataclasses.replace(suite, tasks=new, held_out=()) if new else None
            for task_id, result in measure(part, trials=options.trials, seed=options.seed) if part else ():
                results[task_id] = result
                if not options.json:
                    low, high = result.interval
                    print(
                        f"{task_id:40s} {result.mean:7.3f}  [{low:.3f}, {high:.3f}]  {result.steps} steps", flush=True
                    )
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    content = {"attempts": max(played, default=1)} | report(
        options.suites, results, attempts=options.attempts, trials=options.trials, seed=options.seed
    )
    if options.json:
        print(json.dumps(content, indent=1))
    if options.out is not None:
        write(options.out, content)


if __name__ == "__main__":
    main(sys.argv[1:])
