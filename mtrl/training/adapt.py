"""How a saved agent adapts within a trial: trials of any suite that it can play, with what its memory held.

What they say is in `mtrl.training.adaptation`.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtrl.agent.agent import Agent
from mtrl.training.adaptation import Trials, adapted, gaps, is_probed, tasks_told_apart
from mtrl.training.evaluate import by_attempt, generator_of, load_agent, seed_of
from mtrl.training.play import Player, places_in_training
from tasks.registry import found_again, load_suite
from tasks.suite import Suite
from tasks.task import Task

_MOST_SLOTS = 256
_PROBED_TRIALS = 1_000
_PROBED_NUMBERS = 10_000_000  # features of a task beyond which no further trial's are kept


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

    def watch(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """One step of every slot: features [slot, width] before it, and the suite's infos."""
        self.envs.raise_if_failed()
        actions = self._act()
        infos = self._advance(actions)[-1]
        return self.features.cpu().numpy(), infos


def adapt(
    agent: Agent,
    trained: Suite,
    suite: Suite,
    *,
    trials: int,
    seed: int = 0,
    greedy: bool = False,
    workers: int = 0,
    max_faults: int | None = None,
    patience: float = 60.0,
) -> dict[str, Any]:
    """Play trials of every task of a suite, on instances that training may have met, on others, and of tasks held out.

    Args:
        trained: the suite that the agent was trained on; a task of the other suite that is one of its is played as that
            one, rewards on the scale of training, all others as tasks that training never saw.
        suite: one that the agent can play, see `Suite.for_agent_of`.
        trials: per task, at least 2.
    Returns:
        {part: {task: entry}} with the parts "trained" (tasks that training had, on the instances that it drew from,
        where it left others for testing), "tested" and "held_out" (where there are any), and "gaps" between them.
        Entries and gaps: see `mtrl.training.adaptation`.
        With more than one task also "told_apart" of the part: time and accuracy of reading from the memory which task
        is played. Where simulators failed "faults", what happened; the trials are others then.
    Raises:
        ValueError: the agent cannot play the suite, or has nothing for tasks that training never saw.
        SimulatorError: a task's simulator failed more than `max_faults` times in a row.
    """
    if trials < 2:
        raise ValueError(f"expected at least 2 trials a task, got {trials}")
    suite = _on_scales_of(trained, suite.for_agent_of(trained))
    places = places_in_training(trained, suite.tasks)
    _refuse_unseen(agent, trained, suite, places)
    parts: dict[str, tuple[Suite, list[int]]] = {}
    if (met := _as_trained(trained, suite, places)) is not None:
        parts["trained"] = met
    parts["tested"] = (suite.testing(), places)
    if (held_out := suite.holdout()) is not None:
        parts["held_out"] = (held_out, [agent.num_tasks] * held_out.num_tasks)
    result: dict[str, Any] = {}
    faults: list[str] = []
    for name, (part, trained_as) in parts.items():
        player = _Watched(
            agent,
            dataclasses.replace(part, like=trained),
            min(trials, _MOST_SLOTS),
            seed=seed_of(part.tasks[0], seed),
            generator=generator_of(agent, part.tasks[0], seed),
            task_of_slot=[0] * min(trials, _MOST_SLOTS),
            greedy=greedy,
            workers=workers,
            max_faults=max_faults,
            patience=patience,
            trained_as=trained_as,
        )
        try:
            result[name] = _part(player, trials, seed)
        finally:
            player.close()
        faults += player.faults
    return {**result, "gaps": gaps(result), **({"faults": faults} if faults else {})}


def _as_trained(trained: Suite, suite: Suite, places: Sequence[int]) -> tuple[Suite, list[int]] | None:
    """The tasks that training had, with the seeds that it drew from, and their places there; None where there are none
    that it left seeds of for testing."""
    met = [
        (dataclasses.replace(task, seeds=trained.tasks[place].seeds, test_seeds=None), place)
        for task, place in zip(suite.tasks, places, strict=True)
        if place < trained.num_tasks and trained.tasks[place].test_seeds
    ]
    if not met:
        return None
    tasks = tuple(task for task, _ in met)
    return dataclasses.replace(suite, tasks=tasks, held_out=()), [place for _, place in met]


def _on_scales_of(trained: Suite, suite: Suite) -> Suite:
    """The suite with rewards on the scales of training, also for tasks that training held out."""
    every = dataclasses.replace(trained, tasks=trained.all_tasks, held_out=())

    def scaled(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        places = places_in_training(every, tasks)
        known = [
            task if place == every.num_tasks else every.tasks[place] for task, place in zip(tasks, places, strict=True)
        ]
        return tuple(
            dataclasses.replace(task, reward_scale=one.reward_scale) for task, one in zip(tasks, known, strict=True)
        )

    return dataclasses.replace(suite, tasks=scaled(suite.tasks), held_out=scaled(suite.held_out))


def _refuse_unseen(agent: Agent, trained: Suite, suite: Suite, places: Sequence[int]) -> None:
    unseen = [task.name for task, place in zip(suite.tasks, places, strict=True) if place == trained.num_tasks]
    unseen += [task.name for task in suite.held_out]
    if unseen and agent.knows_tasks and agent.sharing.unseen_tasks == "error":
        raise ValueError(
            f"suite {suite.name!r}: training on {trained.name!r} never saw {', '.join(unseen)}, and what tasks have of "
            "their own here (heads, conditioning, experts routed by task) has nothing for such tasks; an agent trained "
            "with --unseen-tasks mean plays them with the mean of what the others have"
        )


def adapt_run(
    run: Path, *, suite: str | None, attempts: int | None, trials: int, seed: int, greedy: bool | None
) -> dict[str, Any]:
    """`adapt` for the newest checkpoint of a run's folder.

    Args:
        suite: name of a suite, or its file; None: the run's own. The run's own is played as the run did, with its
            protocol.
        attempts: paid attempts a trial; None: as the suite says.
        greedy: None: as the run's settings say.
    Raises:
        CheckpointError: the folder holds no run, or no whole checkpoint yet.
        ValueError: the agent cannot play the suite.
    """
    agent, trained, config, state = load_agent(run)
    torch.set_num_threads(1)
    greedy = config.loop.greedy if greedy is None else greedy
    suite = found_again(suite or config.suite)
    played = trained if suite == config.suite else load_suite(suite)
    if attempts is not None:
        played = _with_attempts(played, attempts)
    found = adapt(
        agent,
        trained,
        played,
        trials=trials,
        seed=seed,
        greedy=greedy,
        workers=config.collect.processes(slow=played.slow),
        max_faults=config.collect.max_faults,
        patience=config.collect.patience,
    )
    file = Path(suite).name if suite == config.suite else suite  # which may call itself what it likes
    return {
        "suite": played.name if suite == played.name else f"{played.name} ({file})",
        "trained_on": trained.name,
        "steps": state["steps"],
        "seed": seed,
        "greedy": greedy,
        **found,
    }


def _with_attempts(suite: Suite, attempts: int) -> Suite:
    """The suite with other attempts a trial, and as many steps for each as before; where trials are of a fixed horizon,
    it stays."""

    def changed(tasks: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            dataclasses.replace(
                task,
                attempts=attempts,
                max_steps=task.max_steps
                if task.max_steps is None or task.at_max_steps == "terminate"
                else max(
                    1, task.max_steps * (task.warmup_attempts + attempts) // (task.warmup_attempts + task.attempts)
                ),
            )
            for task in tasks
        )

    return dataclasses.replace(suite, tasks=changed(suite.tasks), held_out=changed(suite.held_out))


def _part(player: _Watched, trials: int, seed: int) -> dict[str, Any]:
    played = {}
    for index, task in enumerate(player.suite.tasks):
        if index:
            player.restart(
                seed=seed_of(task, seed),
                task_of_slot=[index] * player.num_slots,
                generator=generator_of(player.agent, task, seed),
            )
        played[task.name] = _play(player, task, trials)
    found: dict[str, Any] = {"tasks": {task.name: adapted(task, played[task.name]) for task in player.suite.tasks}}
    return {**found, "told_apart": tasks_told_apart(list(played.values()))} if len(played) > 1 else found


def _play(player: _Watched, task: Task, trials: int) -> Trials:
    """So many trials, how many in each slot settled beforehand."""
    left = np.full(player.num_slots, trials // player.num_slots)
    left[: trials % player.num_slots] += 1
    rewards: list[list[float]] = [[] for _ in range(player.num_slots)]
    features: list[list[NDArray[np.float32]]] = [[] for _ in range(player.num_slots)]
    done: list[tuple[list[float], list[NDArray[np.float32]], dict[str, Any]]] = []
    probed, kept = [True] * player.num_slots, 0
    while left.any():
        seen, infos = player.watch()
        for slot in np.flatnonzero(left):
            rewards[slot].append(float(infos["raw_reward"][slot]))
            if probed[slot] and is_probed(len(rewards[slot]) - 1):
                features[slot].append(seen[slot])
                kept += seen.shape[1]
        ended = infos.get("trials", [])
        for slot, summary in ended:
            if left[slot]:
                left[slot] -= 1
                done.append((rewards[slot], features[slot], summary))
        for slot in (*(slot for slot, _ in ended), *infos.get("dropped", ())):
            rewards[slot], features[slot] = [], []
            probed[slot] = len(done) < _PROBED_TRIALS and kept < _PROBED_NUMBERS  # settled before a trial begins
    longest = max(len(one) for one, _, _ in done)
    by_step = np.full((len(done), longest), np.nan)
    for row, (one, _, _) in enumerate(done):
        by_step[row, : len(one)] = one
    looked_into = [(one, summary) for _, one, summary in done if one]
    kept_steps = sum(map(is_probed, range(longest)))
    memory = np.zeros((len(looked_into), kept_steps, looked_into[0][0][0].shape[-1]), np.float32)
    for row, (one_memory, _) in enumerate(looked_into):
        memory[row, : len(one_memory)] = one_memory
    tell = all("instance" in summary for _, summary in looked_into)
    return Trials(
        returns=np.array([summary["raw_return"] for _, _, summary in done]),
        attempts=by_attempt(task, [summary for _, _, summary in done]),
        cut=np.array([len(summary["attempt_returns"]) - 1 if summary["cut"] else -1 for _, _, summary in done]),
        rewards=by_step,
        features=memory,
        instances=np.array([summary["instance"] for _, summary in looked_into], np.float64) if tell else None,
        lengths=np.array([summary["length"] for _, summary in looked_into]),
    )
