"""Scores of an agent on held-out seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from mtrl.agent.agent import Agent
from mtrl.config import RunConfig, from_json
from mtrl.training.build import build_agent, build_rescaling, build_suite
from mtrl.training.checkpoint import CheckpointError, Checkpoints, read_state, read_tensors
from mtrl.training.play import Player
from tasks.scores import Reference, normalised, reference_of
from tasks.suite import Suite
from tasks.task import Task

# Training draws its levels from the run's own seed; evaluation from seeds that lie beyond every run's.
HELD_OUT = 1_000_000_007
_MOST_SLOTS = 256


def evaluate(
    agent: Agent,
    suite: Suite,
    *,
    trials: int,
    seed: int,
    greedy: bool,
    workers: int = 0,
    max_faults: int | None = None,
    patience: float = 60.0,
) -> dict[str, Any]:
    """Play `trials` trials of every task, and of every task held out, and score them on the raw scale.

    Instances are drawn from the tasks' seeds for testing, where they have any: training never sees these, though a
    family of few instances (goals in a room, sides of a hallway) has the same ones under its seeds for training.

    Trials are fixed beforehand (as many in every slot), so that short ones are not counted more often than long ones.

    Returns:
        {"score": mean normalised score or None, "tasks": {name: {"return", "interval", "score", "score_interval",
        "attempts", "trials"}}}; intervals of 95% by Student's t over trials; "attempts" are means over the
        trials that came so far, None where none did. Where tasks are held out also "held_out", the same for them; where
        simulators failed "faults", what happened.
    Raises:
        SimulatorError: a task's simulator failed too often.
    """
    held_out = suite.holdout()
    parts = [suite.testing(), *([] if held_out is None else [held_out])]
    faults: list[str] = []
    results = []
    for part in parts:
        player = Player(
            agent,
            part,
            min(trials, _MOST_SLOTS),
            seed=seed_of(part.tasks[0], seed),
            generator=generator_of(agent, part.tasks[0], seed),
            task_of_slot=[0] * min(trials, _MOST_SLOTS),
            greedy=greedy,
            workers=workers,
            max_faults=max_faults,
            patience=patience,
            trained_as=None if part is not held_out else [agent.num_tasks] * part.num_tasks,
        )
        try:
            results.append(_evaluate(player, trials, seed))
        finally:
            player.close()
        faults += player.faults
    result = results[0] if held_out is None else {**results[0], "held_out": results[1]}
    return {**result, "faults": faults} if faults else result


def seed_of(task: Task, seed: int) -> int:
    """The seed of a task's trials in evaluation: its own, whatever tasks are beside it. Tasks that are alike would
    meet the same instances with one seed, and the interval of a mean over tasks takes them for independent."""
    return HELD_OUT + seed + (crc32(task.name.encode()) << 24)


def _evaluate(player: Player, trials: int, seed: int) -> dict[str, Any]:
    tasks = {}
    # Task after task: those with short trials need not go on until the longest has ended.
    for index, task in enumerate(player.suite.tasks):
        if index:
            player.restart(
                seed=seed_of(task, seed),
                task_of_slot=[index] * player.num_slots,
                generator=generator_of(player.agent, task, seed),
            )
        played = _play(player, index, trials)
        returns = np.array([summary["raw_return"] for summary in played])
        tasks[task.name] = scored(reference_of(task), returns, by_attempt(task, played))
    scores = [entry["score"] for entry in tasks.values() if entry["score"] is not None]
    return {"score": float(np.mean(scores)) if scores else None, "tasks": tasks}


def generator_of(agent: Agent, task: Task, seed: int) -> torch.Generator:
    """What draws the actions of a task's trials in evaluation."""
    return torch.Generator(device=agent.discounts.device).manual_seed(seed_of(task, seed))


def _play(player: Player, task: int, trials: int) -> list[dict[str, Any]]:
    """The suite's summaries of so many trials; how many each slot plays is settled beforehand."""
    left = np.full(player.num_slots, trials // player.num_slots)
    left[: trials % player.num_slots] += 1
    played = []
    while left.any():
        for slot, summary in player.play():
            assert summary["task_id"] == task
            if left[slot]:
                left[slot] -= 1
                played.append(summary)
    return played


def by_attempt(task: Task, played: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Raw returns [trial, attempt], warm-up included, from the suite's summaries; NaN for an attempt without a step, as
    `max_steps` had come before."""
    returns = np.full((len(played), task.warmup_attempts + task.attempts), np.nan)
    for row, summary in zip(returns, played, strict=True):
        row[: len(summary["attempt_returns"])] = summary["attempt_returns"]
    return returns


def evaluate_run(run: Path, *, trials: int, seed: int = 0, greedy: bool | None = None) -> dict[str, Any]:
    """Evaluate the newest checkpoint of a run's folder.

    Args:
        trials: per task.
        seed: which held-out seeds; training's own evaluations use 0.
        greedy: most likely actions in place of drawn ones; None: as the run's settings say.
    Returns:
        As `evaluate`, with the checkpoint's "steps" and "updates" and "seconds".
    Raises:
        CheckpointError: the folder holds no run, or no whole checkpoint yet.
    """
    agent, suite, config, state = load_agent(run)
    torch.set_num_threads(1)
    result = evaluate(
        agent,
        suite,
        trials=trials,
        seed=seed,
        greedy=config.loop.greedy if greedy is None else greedy,
        workers=config.collect.processes(slow=suite.slow),
        max_faults=config.collect.max_faults,
        patience=config.collect.patience,
    )
    return {"kind": "evaluation", **{key: state[key] for key in ("steps", "updates", "seconds")}, **result}


def load_agent(run: Path) -> tuple[Agent, Suite, RunConfig, dict[str, Any]]:
    """The agent of a run's newest checkpoint, on the CPU, with its suite, settings and counters.

    Raises:
        CheckpointError: the folder holds no run, or no whole checkpoint yet.
    """
    settings = run / "config.json"
    if not settings.is_file():
        raise CheckpointError(f"{run} is no run folder: it has no config.json")
    config = from_json(settings.read_text())
    newest = Checkpoints(run).newest()
    if newest is None:
        raise CheckpointError(f"{run} has no checkpoint yet: let it train longer, or set --checkpoint-every lower")
    suite = build_suite(config)
    config = dataclasses.replace(config, loop=dataclasses.replace(config.loop, device="cpu"))
    agent = build_agent(config, suite, build_rescaling(config, suite))
    state = read_state(newest)
    prefix = "agent."
    weights = {
        name.removeprefix(prefix): t for name, t in read_tensors(newest, state).items() if name.startswith(prefix)
    }
    try:
        agent.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{newest} does not fit the settings in {settings}: {error}") from error
    return agent.eval(), suite, config, state["run"]


def scored(reference: Reference | None, returns: NDArray[np.float64], attempts: NDArray[np.float64]) -> dict[str, Any]:
    """A task's entry of `evaluate`.

    Args:
        reference: for trials of so many paid attempts.
        returns: [trial] raw, of the paid attempts.
        attempts: [trial, attempt], see `by_attempt`.
    """
    mean = float(returns.mean())
    half = float(stats.t.ppf(0.975, len(returns) - 1) * stats.sem(returns)) if len(returns) > 1 else float("inf")
    interval = [mean - half, mean + half] if np.isfinite(half) else None
    known = reference is not None and reference.best is not None
    return {
        "return": mean,
        "interval": interval,
        "score": normalised(mean, reference) if known else None,
        "score_interval": [normalised(end, reference) for end in interval] if known and interval else None,
        "attempts": [float(np.nanmean(column)) if np.isfinite(column).any() else None for column in attempts.T],
        "trials": len(returns),
    }
