"""Trials as evaluation plays them, moment by moment.

The same number of trials side by side, the same seeds, the same draws: what is filmed is what is scored. The trials of
a film are shown one after the other, so each of them but the first is played again, among the same others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtrl.agent.agent import Agent
from mtrl.report.video.story import Moment, Thought
from mtrl.report.video.window import Window, with_windows
from mtrl.training.evaluate import generator_of, seed_of
from mtrl.training.play import Player
from tasks.compose.watch import mission_of
from tasks.suite import Suite


class Witness(Player):
    """A player that tells what one of its slots thinks and what comes of it. Settings: those of `Player`."""

    def tell(self, slot: int, *, readable: bool) -> tuple[Thought, Any, dict[str, Any]]:
        """One step of every slot, as `play`.

        Args:
            readable: whether there is a unit in which the critics can be read.
        Returns:
            What the agent thought in this slot, its action, and the suite's infos.
        """
        self.envs.raise_if_failed()
        thought = self._thought(slot, readable=readable)
        actions = self._act()
        infos = self._advance(actions)[-1]
        return thought, actions[slot], infos

    def _thought(self, slot: int, *, readable: bool) -> Thought:
        rows = slice(slot, slot + 1)
        observation, allowed, task = self._input()
        with torch.inference_mode():
            insight = self.agent.inspect(
                {key: part[rows] for key, part in observation.items()},
                {key: part[rows] for key, part in self.memory.items()},
                None if allowed is None else allowed[rows],
                task[rows],
            )
        scale = self.suite.tasks[int(self.task_id[slot])].reward_scale
        each = insight.action_values if readable else None
        return Thought(
            value=float(insight.value) / scale if readable else None,
            action_values=None if each is None else _numbers(each) / scale,
            policy=_numbers(insight.policy),
            entropy=float(insight.entropy),
            gates=tuple(_numbers(gates) for gates in insight.gates),
        )


@dataclass(frozen=True)
class Cast:
    """Who plays what."""

    agent: Agent
    suite: Suite
    """As evaluation has it: `Suite.testing` or `Suite.holdout` of the agent's own."""
    task_id: int
    """In that suite."""
    trials: int
    """At least 1; all of them are played side by side."""
    seed: int
    """Which held-out seeds, as for `evaluate`."""
    greedy: bool
    known: bool
    """Whether the agent was trained on the suite's tasks."""

    @property
    def readable(self) -> bool:
        """Whether there is a unit in which the critics can be read: that of all tasks, or the task's own."""
        return self.known or self.agent.normaliser.num_groups == 1

    def moments(self) -> Iterator[Moment]:
        """All moments of all trials, in order.

        Raises:
            SimulatorError: a simulator failed.
        """
        for trial in range(self.trials):
            yield from self._trial(trial)

    def _trial(self, trial: int) -> Iterator[Moment]:
        suite, windows = with_windows(self.suite, self.task_id)
        task = suite.tasks[self.task_id]
        witness = Witness(
            self.agent,
            suite,
            self.trials,
            seed=seed_of(task, self.seed),
            generator=generator_of(self.agent, task, self.seed),
            task_of_slot=[self.task_id] * self.trials,
            greedy=self.greedy,
            trained_as=None if self.known else [self.agent.num_tasks] * suite.num_tasks,
        )
        try:
            # Windows that were made before the slots' were for their spaces alone.
            yield from self._watched(witness, windows[-self.trials :][trial], trial)
        finally:
            witness.close()

    def _watched(self, witness: Witness, window: Window, trial: int) -> Iterator[Moment]:
        warmup = witness.suite.tasks[self.task_id].warmup_attempts
        window.open()
        step, attempt, return_, reward = 0, 0, 0.0, None
        while True:
            sight, mission = window.now, mission_of(window)
            thought, action, infos = witness.tell(trial, readable=self.readable)
            yield Moment(
                trial=trial,
                step=step,
                attempt=attempt,
                paid=attempt >= warmup,
                sight=sight,
                mission=mission,
                reward=reward,
                return_=return_,
                thought=thought,
                action=action.astype(np.float64) if action.ndim else int(action),
                played=window.played,
            )
            step, reward = step + 1, float(infos["raw_reward"][trial])
            return_ += reward if attempt >= warmup else 0.0
            over = any(slot == trial for slot, _ in infos.get("trials", ()))
            if over or witness.observation["attempt_start"][trial]:
                yield Moment(
                    trial=trial,
                    step=step,
                    attempt=attempt,
                    paid=attempt >= warmup,
                    sight=window.after_step,
                    mission=mission,
                    reward=reward,
                    return_=return_,
                    thought=None,
                    action=None,
                    played=None,
                    end="trial" if over else "attempt",
                )
                attempt, reward = attempt + 1, None
            if over:
                return


def _numbers(tensor: torch.Tensor) -> NDArray[np.float64]:
    result: NDArray[np.float64] = tensor[0].double().cpu().numpy()
    return result
