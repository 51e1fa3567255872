"""How a saved agent adapts within a trial: reward by attempt and by step, and what its memory knows of the instance.

Source: Duan et al. 2016, "RL^2" (score by attempt); Alain & Bengio 2017, "Understanding Intermediate Layers Using
Linear Classifier Probes" (what can be read from features by a linear map).
"""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from mtrl.agent.agent import Agent
from mtrl.training.evaluate import HELD_OUT, load_agent
from mtrl.training.play import Player
from mtrl.training.probe import readable, told_apart
from tasks.registry import load_suite
from tasks.scores import Played, load_played, load_reference, normalised
from tasks.suite import Suite
from tasks.task import Task

Floats = NDArray[np.float64]
_MOST_SLOTS = 256
_PROBED_TRIALS, _PROBED_TIMES = 1_000, 24
_PROBED_NUMBERS = 20_000_000  # features beyond which no further trial's are kept


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Played:
    """Trials of one task."""

    attempts: Floats
    """[trial, attempt] raw return."""
    rewards: Floats
    """[trial, step] raw reward, NaN beyond a trial's end."""
    features: NDArray[np.float32]
    """[probed trial, step, width] what the memory gave before each action, zeros beyond the end."""
    instances: Floats | None
    """[probed trial, number] what the simulators drew; None: they do not tell."""
    lengths: NDArray[np.int64]
    """[probed trial] steps."""

    def remembered(self, time: int) -> NDArray[np.float32]:
        """What the memories gave at a step, of the probed trials that came so far: [trial, width]."""
        found: NDArray[np.float32] = self.features[self.lengths > time, time]
        return found


class _Watched(Player):
    """A player that keeps what its actors' memories give."""

    features: torch.Tensor

    def _act(self) -> NDArray[Any]:
        observation, allowed, task = self._input()
        with torch.inference_mode():
            self.features = self.agent.remember(observation, self.memory, task)
            actions = self.agent.policy.act(
                self.features, self.agent.acting, allowed, task, greedy=self.greedy, generator=self.generator
            )
        result: NDArray[Any] = actions.cpu().numpy()
        return result

    def watch(self) -> tuple[NDArray[np.float32], NDArray[np.float32], list[tuple[int, dict[str, Any]]]]:
        """One step of every slot: features [slot, width] before it, raw rewards [slot], and trials that ended."""
        self.envs.raise_if_failed()
        actions = self._act()
        infos = self._advance(actions)[-1]
        return self.features.cpu().numpy(), infos["raw_reward"], infos.get("trials", [])


def adapt(
    agent: Agent,
    trained: Suite,
    suite: Suite,
    *,
    trials: int,
    seed: int = 0,
    greedy: bool = False,
    workers: int = 0,
) -> dict[str, Any]:
    """Play trials of every task of a suite, on instances that training may have met, on others, and of tasks held out.

    Args:
        trained: the suite that the agent was trained on; its tasks are known to the agent, all others are not.
        suite: one that the agent can play, see `Suite.for_agent_of`.
        trials: per task, at least 2.
    Returns:
        {part: {task: entry}} with the parts "trained" (where a suite says which instances are for training), "tested"
        and "held_out" (where there are any), and "gaps", differences of mean scores from one part to the next.
        An entry has "return" and "interval" of a trial, "attempts" and "attempt_intervals" [attempt],
        "attempt_scores" [attempt] and "regret" [attempt] where a best return is known, "rewards" and "alive" [step]
        (mean raw reward, and share of the trials that were still played), "instance" (time and R^2 of reading the
        instance from the memory, where simulators tell it), "references" ("attempts", "attempt_scores" and "rewards"
        of every algorithm that was measured on the task), "trials". With more than one task also "told_apart" of the
        part: time and accuracy of reading from the memory which task is played.
    Raises:
        ValueError: the agent cannot play the suite.
        SimulatorError: a simulator failed.
    """
    if trials < 2:
        raise ValueError(f"expected at least 2 trials a task, got {trials}")
    suite = suite.for_agent_of(trained)
    known = trained.task_names == suite.task_names
    parts: dict[str, tuple[Suite, bool]] = {}
    if any(task.test_seeds for task in suite.tasks):
        parts["trained"] = (dataclasses.replace(suite, held_out=(), like=trained), known)
    parts["tested"] = (suite.testing(), known)
    if (held_out := suite.holdout()) is not None:
        parts["held_out"] = (held_out, False)
    result: dict[str, Any] = {}
    for name, (part, part_known) in parts.items():
        player = _Watched(
            agent,
            dataclasses.replace(part, like=trained),
            min(trials, _MOST_SLOTS),
            seed=HELD_OUT + seed,
            generator=_generator(agent, seed),
            task_of_slot=[0] * min(trials, _MOST_SLOTS),
            greedy=greedy,
            workers=workers,
            known=part_known,
        )
        try:
            result[name] = _part(player, trials, seed)
        finally:
            player.close()
    means = {name: _mean_score(part["tasks"]) for name, part in result.items()}
    names = [name for name, mean in means.items() if mean is not None]
    result["gaps"] = {
        f"{one} to {other}": float(means[other] - means[one])  # type: ignore[operator]
        for one, other in pairwise(names)
    }
    return result


def adapt_run(
    run: Path, *, suite: str | None, attempts: int | None, trials: int, seed: int, greedy: bool | None
) -> dict[str, Any]:
    """`adapt` for the newest checkpoint of a run's folder.

    Args:
        suite: name of a suite; None: the run's own.
        attempts: paid attempts a trial; None: as the suite says.
        greedy: None: as the run's settings say.
    Raises:
        CheckpointError: the folder holds no run, or no whole checkpoint yet.
        ValueError: the agent cannot play the suite.
    """
    agent, trained, config, state = load_agent(run)
    torch.set_num_threads(1)
    played = trained if suite is None else load_suite(suite)
    if attempts is not None:
        played = _with_attempts(played, attempts)
    found = adapt(
        agent,
        trained,
        played,
        trials=trials,
        seed=seed,
        greedy=config.loop.greedy if greedy is None else greedy,
        workers=config.collect.processes(slow=played.slow),
    )
    return {"suite": played.name, "trained_on": trained.name, "steps": state["steps"], "seed": seed, **found}


def _with_attempts(suite: Suite, attempts: int) -> Suite:
    """The suite with other attempts a trial, and as many steps for each as before."""

    def changed(tasks: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            dataclasses.replace(
                task,
                attempts=attempts,
                max_steps=None
                if task.max_steps is None
                else task.max_steps * (task.warmup_attempts + attempts) // (task.warmup_attempts + task.attempts),
            )
            for task in tasks
        )

    return dataclasses.replace(suite, tasks=changed(suite.tasks), held_out=changed(suite.held_out))


def _generator(agent: Agent, seed: int) -> torch.Generator:
    return torch.Generator(device=agent.discounts.device).manual_seed(HELD_OUT + seed)


def _part(player: _Watched, trials: int, seed: int) -> dict[str, Any]:
    played = {}
    for index, task in enumerate(player.suite.tasks):
        if index:
            player.restart(
                seed=HELD_OUT + seed,
                task_of_slot=[index] * player.num_slots,
                generator=_generator(player.agent, seed),
            )
        played[task.name] = _play(player, trials)
    entries = {task.name: _entry(task, played[task.name]) for task in player.suite.tasks}
    found: dict[str, Any] = {"tasks": entries}
    if len(played) > 1:
        steps = min(one.features.shape[1] for one in played.values())
        times = _times(steps)
        found["told_apart"] = {
            "time": times,
            "accuracy": [told_apart([one.remembered(time) for one in played.values()]) for time in times],
        }
    return found


def _play(player: _Watched, trials: int) -> _Played:
    """So many trials, how many in each slot settled beforehand."""
    left = np.full(player.num_slots, trials // player.num_slots)
    left[: trials % player.num_slots] += 1
    rewards: list[list[float]] = [[] for _ in range(player.num_slots)]
    features: list[list[NDArray[np.float32]]] = [[] for _ in range(player.num_slots)]
    done: list[tuple[list[float], list[NDArray[np.float32]], dict[str, Any]]] = []
    probed, kept = [True] * player.num_slots, 0
    while left.any():
        seen, paid, ended = player.watch()
        for slot in np.flatnonzero(left):
            rewards[slot].append(float(paid[slot]))
            if probed[slot]:
                features[slot].append(seen[slot])
                kept += seen.shape[1]
        for slot, summary in ended:
            if left[slot]:
                left[slot] -= 1
                done.append((rewards[slot], features[slot], summary))
            rewards[slot], features[slot] = [], []
            probed[slot] = len(done) < _PROBED_TRIALS and kept < _PROBED_NUMBERS  # settled before a trial begins
    longest = max(len(one) for one, _, _ in done)
    by_step = np.full((len(done), longest), np.nan)
    for row, (one, _, _) in enumerate(done):
        by_step[row, : len(one)] = one
    looked_into = [(one, summary) for _, one, summary in done if one]
    memory = np.zeros((len(looked_into), longest, looked_into[0][0][0].shape[-1]), np.float32)
    for row, (one_memory, _) in enumerate(looked_into):
        memory[row, : len(one_memory)] = one_memory
    tell = all("instance" in summary for _, summary in looked_into)
    return _Played(
        attempts=np.array([summary["attempt_returns"] for _, _, summary in done]),
        rewards=by_step,
        features=memory,
        instances=np.array([summary["instance"] for _, summary in looked_into], np.float64) if tell else None,
        lengths=np.array([len(one) for one, _ in looked_into]),
    )


def _entry(task: Task, played: _Played) -> dict[str, Any]:
    paid = played.attempts[:, task.warmup_attempts :]
    mean, interval = _mean(paid.sum(axis=1))
    of_attempts = [_mean(column) for column in played.attempts.T]
    reference = load_reference(task.id)
    known = reference is not None and reference.best is not None
    means = [value for value, _ in of_attempts]
    entry = {
        "return": mean,
        "interval": interval,
        "attempts": means,
        "attempt_intervals": [span for _, span in of_attempts],
        "attempt_scores": [normalised(value, reference) for value in means] if known else None,
        "regret": [reference.best - value for value in means] if known else None,  # type: ignore[operator, union-attr]
        "rewards": np.nanmean(played.rewards, axis=0).tolist(),
        "alive": np.isfinite(played.rewards).mean(axis=0).tolist(),
        "instance": None,
        "references": {
            name: {
                "attempts": list(found.attempts),
                "attempt_scores": [normalised(value, reference) for value in found.attempts] if known else None,
                "rewards": list(found.rewards),
            }
            for name, found in load_played(task.id).items()
            if _comparable(task, found)
        },
        "trials": len(paid),
    }
    if played.instances is not None:
        times = _times(played.features.shape[1])
        entry["instance"] = {
            "time": times,
            "r2": [readable(played.remembered(time), played.instances[played.lengths > time]) for time in times],
        }
    return entry


def _comparable(task: Task, found: Played) -> bool:
    """Whether the reference played under the task's protocol, for as many attempts or fewer."""
    return (
        len(found.attempts) <= task.attempts
        and task.warmup_attempts == 0
        and (task.attempts == 1 or task.instance == "same")
        and (task.max_steps is None or len(found.rewards) <= task.max_steps)
    )


def _mean(values: Floats) -> tuple[float, list[float]]:
    mean, half = float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return mean, [mean - half, mean + half]


def _times(steps: int) -> list[int]:
    return sorted(set(np.linspace(0, steps - 1, min(steps, _PROBED_TIMES)).round().astype(int).tolist()))


def _mean_score(tasks: dict[str, Any]) -> float | None:
    scores = [float(np.mean(entry["attempt_scores"])) for entry in tasks.values() if entry["attempt_scores"]]
    return float(np.mean(scores)) if scores and len(scores) == len(tasks) else None
