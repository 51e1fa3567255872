"""What trials say of how an agent adapts: by attempt, by step, against who knows the instance, and from part to part.

Source: Duan et al. 2016, "RL^2" (score by attempt); Lai & Robbins 1985, "Asymptotically efficient adaptive allocation
rules" (regret against the best that is possible with the instance known); Alain & Bengio 2017, "Understanding
Intermediate Layers Using Linear Classifier Probes" (what can be read from features by a linear map).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mtrl.training.evaluate import scored
from mtrl.training.probe import readable, told_apart
from tasks.scores import Played, Reference, load_known, load_played, normalised, reference_of
from tasks.task import Task

Floats = NDArray[np.float64]
_PROBED_TIMES = 24


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Trials of one task."""

    returns: Floats
    """[trial] raw return of the paid attempts."""
    attempts: Floats
    """[trial, attempt] raw return, NaN for attempts that a trial did not come to."""
    rewards: Floats
    """[trial, step] raw reward, NaN beyond a trial's end."""
    cut: NDArray[np.int64]
    """[trial] the attempt that `max_steps` ended before its own end; -1: none."""
    features: NDArray[np.float32]
    """[probed trial, probed step, width] what the memory gave before the actions of the steps for which `is_probed`
    is true, in their order; zeros beyond the end."""
    instances: Floats | None
    """[probed trial, number] what the simulators drew; None: they do not tell."""
    lengths: NDArray[np.int64]
    """[probed trial] steps."""

    def remembered(self, time: int) -> NDArray[np.float32]:
        """What the memories gave at a probed step, of the probed trials that came so far: [trial, width]."""
        found: NDArray[np.float32] = self.features[self.lengths > time, sum(map(is_probed, range(time)))]
        return found

    @property
    def steps(self) -> int:
        """Steps of the longest trial."""
        return self.rewards.shape[1]


def is_probed(time: int) -> bool:
    """Whether a step of a trial is one at which memories are looked into: the first sixteen, then eight of as many as
    came before, and so on, so that trials of all lengths have steps in common and none has many."""
    return time < 16 or time % (1 << (time.bit_length() - 4)) == 0


def adapted(task: Task, played: Trials) -> dict[str, Any]:
    """What the trials of a task came to.

    Returns:
        What `mtrl.training.evaluate.scored` does;
        [attempt] "attempt_intervals" over the trials that came so far, "reached", the share of these, "attempt_scores"
        and "attempt_score_intervals" (attempts are worth the same, so that the paid ones' mean is the
        trial's score), "cut", the share of the trials whose attempt `max_steps` ended, and "regret": what an attempt
        falls short of "regret_against", "instance known" (the mean return of who knows the instance and does the best)
        or "best return" where that was not measured; None for attempts that in some trial were cut or did not begin
        (where many fit into a horizon, it went well);
        [step] "rewards", "reward_intervals", over all trials, 0 after their end, and "alive", the share of the trials
        that were still played;
        "instance", "time" and R^2 of reading the instance from the memory, where simulators tell it: "r2" on average
        over its numbers, "best_r2" of the one that is read best (a memory that is asked about one state says of an MDP
        what concerns that one); "references", the "attempts", "attempt_scores" and "rewards" of every algorithm that
        was measured on the task; "warmup_attempts".
        Intervals of 95% by Student's t over trials; None, as means are, where there are too few trials.
    """
    reference = reference_of(task)
    known = reference is not None and reference.best is not None
    of_attempts = [_mean(column) for column in played.attempts.T]
    of_steps = [_mean(column) for column in np.nan_to_num(played.rewards).T]
    bound, against = _bound(task, reference)
    cut = [float((played.cut == attempt).mean()) for attempt in range(len(of_attempts))]
    reached = np.isfinite(played.attempts).mean(axis=0).tolist()

    def score(return_: float | None) -> float | None:
        """Of an attempt, as of a trial all of whose attempts were like it."""
        return None if return_ is None else normalised(return_ * task.attempts, reference)

    return {
        **scored(reference, played.returns, played.attempts),
        "attempt_intervals": [span for _, span in of_attempts],
        "reached": reached,
        "attempt_scores": [score(value) for value, _ in of_attempts] if known else None,
        "attempt_score_intervals": [span and [score(end) for end in span] for _, span in of_attempts]
        if known
        else None,
        "cut": cut,
        "regret": None
        if bound is None
        else [
            None if value is None or share or begun < 1.0 else bound - value
            for (value, _), share, begun in zip(of_attempts, cut, reached, strict=True)
        ],
        "regret_against": against,
        "rewards": [value for value, _ in of_steps],
        "reward_intervals": [span for _, span in of_steps],
        "alive": np.isfinite(played.rewards).mean(axis=0).tolist(),
        "instance": None if played.instances is None else _read(played, played.instances),
        "references": {
            name: {
                "attempts": list(found.attempts),
                "attempt_scores": [score(value) for value in found.attempts] if known else None,
                "rewards": list(found.rewards),
            }
            for name, found in load_played(task.id).items()
            if _comparable(task, found)
        },
        "warmup_attempts": task.warmup_attempts,
    }


def tasks_told_apart(played: Sequence[Trials]) -> dict[str, Any]:
    """Accuracy, and at which steps, of reading from the memory which of several tasks is played, while all go on."""
    times = _times(min(one.steps for one in played))
    return {"time": times, "accuracy": [told_apart([one.remembered(time) for one in played]) for time in times]}


def gaps(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Differences of scores between instances for training and for testing, and from these to each task held out.

    Args:
        parts: as `mtrl.training.adapt.adapt` returns them.
    Returns:
        {from one to the other: {"score", "interval"}}: the second's mean score less the first's, over the tasks of both
        ("trained" to "tested"), for parts whose tasks all have a known best; 95%, the trials of the two being
        independent.
    """
    tasks = {name: parts.get(name, {"tasks": {}})["tasks"] for name in ("trained", "tested", "held_out")}
    pairs = {"trained to tested": (tasks["trained"], {task: tasks["tested"][task] for task in tasks["trained"]})}
    for task, entry in tasks["held_out"].items():
        pairs[f"tested to held out: {task}"] = (tasks["tested"], {task: entry})
    means = {name: (_mean_score(one), _mean_score(other)) for name, (one, other) in pairs.items()}
    return {name: _difference(one, other) for name, (one, other) in means.items() if one and other}


def _bound(task: Task, reference: Reference | None) -> tuple[float | None, str | None]:
    """What regret of an attempt is counted from, and what that is."""
    if (known := load_known(task.id)) is not None:
        return known, "instance known"
    if reference is not None and reference.best is not None:
        return reference.best / task.attempts, "best return"
    return None, None


def _read(played: Trials, instances: Floats) -> dict[str, Any]:
    times = _times(played.steps)
    found = [readable(played.remembered(time), instances[played.lengths > time]) for time in times]
    return {
        "time": times,
        "r2": [None if each is None else float(each.mean()) for each in found],
        "best_r2": [None if each is None else float(each.max()) for each in found],
    }


def _comparable(task: Task, found: Played) -> bool:
    """Whether the reference played under the task's protocol, for as many attempts or fewer."""
    return (
        len(found.attempts) <= task.attempts
        and task.warmup_attempts == 0
        and (task.attempts == 1 or task.instance == "same")
        and (task.max_steps is None or len(found.rewards) <= task.max_steps)
    )


def _mean(values: Floats) -> tuple[float | None, list[float] | None]:
    """Mean and interval of the numbers among them."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return (float(values[0]) if len(values) else None), None
    mean, half = float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return mean, [mean - half, mean + half]


def _times(steps: int) -> list[int]:
    """Probed steps, about evenly."""
    probed = np.array([time for time in range(steps) if is_probed(time)])
    wanted = np.linspace(0, steps - 1, min(steps, _PROBED_TIMES))
    return sorted(set(probed[np.abs(probed - wanted[:, None]).argmin(axis=1)].tolist()))


def _mean_score(tasks: Mapping[str, Any]) -> tuple[float, float] | None:
    """Mean and half its interval; None without a score of every task."""
    entries = list(tasks.values())
    if not entries or any(entry["score"] is None or entry["score_interval"] is None for entry in entries):
        return None
    halves = [(entry["score_interval"][1] - entry["score_interval"][0]) / 2 for entry in entries]
    return float(np.mean([entry["score"] for entry in entries])), float(np.hypot.reduce(halves)) / len(entries)


def _difference(one: tuple[float, float], other: tuple[float, float]) -> dict[str, Any]:
    gap, half = other[0] - one[0], float(np.hypot(one[1], other[1]))
    return {"score": gap, "interval": [gap - half, gap + half]}
