"""Measure all references that fit the tasks of a suite.

python -m baselines.references bandits --trials 2000 --seed 0
python -m baselines.references bandit:bernoulli-5x10 --trials 20000 --json
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from baselines.measurement import Measurement, circumstances, summarise, to_file, write
from baselines.random_policy import measure
from baselines.references.families import Family, family_of
from baselines.references.play import Played, play
from tasks.registry import load_suite
from tasks.suite import Suite
from tasks.task import Task

RANDOM, KNOWN = "random", "known instance"


def measure_all(task: Task, *, trials: int, seed: int) -> Iterator[tuple[str, Measurement | Played, float]]:
    """The random policy, every reference that fits, and the best that is possible with the instance known.

    Args:
        trials: of each, at least 2.
        seed: of the simulators and of the references, each alike.
    Yields:
        Name, what it got, and seconds. An optimum that is exact has an interval without width.
    Raises:
        ValueError: there are no references for the task, or fewer than two trials.
    """
    family = family_of(task, seed=seed)
    began = time.perf_counter()
    ((_, result),) = measure(Suite(name=task.name, tasks=(task,)), trials=trials, seed=seed)
    yield RANDOM, result, time.perf_counter() - began
    for name, make in family.references.items():
        began = time.perf_counter()
        played = play(task, make, trials=trials, seed=seed)
        yield name, played, time.perf_counter() - began
    began = time.perf_counter()
    yield KNOWN, _known(family, task), time.perf_counter() - began


def _known(family: Family, task: Task) -> Measurement:
    values = family.known() * task.attempts
    if not family.exact:
        return summarise(values, 0.0)
    mean = round(float(values.mean()), 5)
    return Measurement(mean=mean, interval=(mean, mean), trials=len(values), steps=0)


def _entry(found: Measurement | Played, seconds: float) -> dict[str, Any]:
    if isinstance(found, Measurement):
        return asdict(found) | {"seconds": round(seconds, 2)}
    curves = {name: [round(value, 5) for value in getattr(found, name)] for name in ("attempts", "steps")}
    entry = asdict(found.result) | {"seconds": round(seconds, 2)}
    return entry | {"return_of_attempt": curves["attempts"], "reward_at_step": curves["steps"]}


_PROTOCOL = ("attempts", "warmup_attempts", "instance", "max_steps")


def _protocol(task: Task, names: Sequence[str]) -> str:
    return ", ".join(str(getattr(task, name)) for name in names)


def _one_protocol_each(tasks: Sequence[Task]) -> list[Task]:
    """Each task once.

    Raises:
        ValueError: a task comes in two protocols, and results are filed by task.
    """
    found: dict[str, Task] = {}
    for task in tasks:
        one = found.setdefault(task.id, task)
        unlike = [name for name in _PROTOCOL if getattr(one, name) != getattr(task, name)]
        if unlike:
            raise ValueError(
                f"{task.id} comes twice, with other {', '.join(unlike)} "
                f"({_protocol(one, unlike)} and {_protocol(task, unlike)}), and results go by its name: measure them "
                f"in two commands{', or set --attempts' if unlike == ['attempts'] else ''}"
            )
    return list(found.values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure suites and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m baselines.references", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("suites", nargs="+", help="names of suites, or of tasks as in bandit:bernoulli-5x10")
    parser.add_argument("--attempts", type=int, help="paid attempts a trial (default: what the suite says)")
    parser.add_argument("--trials", type=int, default=2000, help="trials of each reference (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of simulators and references (default: 0)")
    parser.add_argument("--out", type=to_file, help="write the JSON to this file, too")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {}
    try:
        tasks = [task for name in options.suites for task in load_suite(name, attempts=options.attempts).all_tasks]
        for task in _one_protocol_each(tasks):
            results[task.id] = {"attempts": task.attempts, "references": {}}
            if not options.json:
                print(f"{task.id}, {task.attempts} attempts a trial" if task.attempts > 1 else task.id)
            for name, found, seconds in measure_all(task, trials=options.trials, seed=options.seed):
                results[task.id]["references"][name] = entry = _entry(found, seconds)
                if not options.json:
                    low, high = entry["interval"]
                    print(f"  {name:20s} {entry['mean']:9.3f}  [{low:.3f}, {high:.3f}]  {seconds:6.1f} s", flush=True)
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    named = " ".join(options.suites) + (f" --attempts {options.attempts}" if options.attempts is not None else "")
    content = {
        **circumstances("baselines.references", named, trials=options.trials, seed=options.seed),
        "exact": "means that are exact have an interval without width",
        "tasks": results,
    }
    if options.json:
        print(json.dumps(content, indent=1))
    if options.out is not None:
        write(options.out, content)


if __name__ == "__main__":
    main(sys.argv[1:])
