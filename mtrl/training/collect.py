"""Collecting: what all slots see is recorded in one ring, time first; when a trial ends, its column is cut out."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtrl.agent.agent import Agent
from mtrl.training.explore import Explorer
from mtrl.training.play import Player
from mtrl.training.windows import Trial
from tasks.suite import Suite


class Collector(Player):
    """A player whose finished trials come out whole. Settings: those of `Player`.

    Args:
        history: None for whole trials; otherwise of what is older than `learnt`, this many steps come with the rest.
    """

    explorer: Explorer

    def __init__(
        self,
        agent: Agent,
        suite: Suite,
        num_slots: int,
        *,
        history: int | None = None,
        explore_length: float = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(agent, suite, num_slots, explore_length=explore_length, **settings)
        self.history = history
        self.learnt = 0
        """The step, on the clock of `now`, up to which everything has been learnt from."""
        self.now = 0
        self.start = np.zeros(num_slots, np.int64)
        self.ring: dict[str, NDArray[Any]] = {
            **{key: np.zeros((256, *value.shape), value.dtype) for key, value in self.observation.items()},
            "action": np.zeros((256, num_slots, *(suite.action_space.shape or ())), _action_type(suite)),
            "reward": np.zeros((256, num_slots), np.float32),
        }

    def restart(self, *, seed: int, task_of_slot: list[int], generator: torch.Generator) -> None:
        """See `Player`."""
        super().restart(seed=seed, task_of_slot=task_of_slot, generator=generator)
        self.start[:] = self.now

    def step(self) -> list[tuple[int, Trial, dict[str, Any]]]:
        """One step of every slot. Returns (slot, trial, the suite's summary of it) for each trial that ended.

        Raises:
            SimulatorError: a task failed too often; nothing has changed.
        """
        self.envs.raise_if_failed()  # before an actor's memory has moved
        self._make_room()
        place = self.now % len(self.ring["action"])
        for key, value in self.observation.items():
            self.ring[key][place] = value
        actions = self._act()
        self.ring["action"][place] = actions
        reward, terminated, infos = self._advance(actions)
        self.ring["reward"][place] = reward
        self.now += 1
        ended = []
        for slot, summary in infos.get("trials", ()):
            final = {key: value[slot] for key, value in infos["final_obs"].items()}
            trial = self._cut(slot, final, summary["task_id"], terminated=bool(terminated[slot]))
            ended.append((slot, trial, summary))
            self.start[slot] = self.now
        for slot in infos.get("dropped", ()):
            self.start[slot] = self.now
        return ended

    def fresh(self, trial: Trial) -> int:
        """How many of the last steps of a trial that ended now, or goes on, have not been learnt from."""
        return min(trial.length, self.now - self.learnt)

    def unfinished(self) -> list[Trial]:
        """What there is of the trials that go on."""
        return [
            self._cut(
                slot,
                {key: value[slot] for key, value in self.observation.items()},
                int(self.task_id[slot]),
                terminated=False,
            )
            for slot in range(self.num_slots)
            if self.start[slot] < self.now
        ]

    def _cut(self, slot: int, final: dict[str, NDArray[Any]], task_id: int, *, terminated: bool) -> Trial:
        first = self.start[slot] if self.history is None else max(self.start[slot], self.learnt - self.history)
        places = np.arange(first, self.now) % len(self.ring["action"])
        observation = {
            key: np.concatenate([self.ring[key][places, slot], final[key][None]]) for key in self.observation
        }
        return Trial(
            task_id=task_id,
            observation=observation,
            action=self.ring["action"][places, slot],
            reward=self.ring["reward"][places, slot],
            terminated=terminated,
        )

    def _make_room(self) -> None:
        size = len(self.ring["action"])
        oldest = int(self.start.min())
        if self.now - oldest < size:
            return
        old = np.arange(oldest, self.now)
        for key, array in self.ring.items():
            bigger = np.zeros((2 * size, *array.shape[1:]), array.dtype)
            bigger[old % (2 * size)] = array[old % size]
            self.ring[key] = bigger

    def revive(self) -> None:
        """Notice workers that have died since the last step, as the suite's `revive` does; before a checkpoint."""
        revived = self.envs.revive()
        if revived is not None:
            self.observation, infos = revived
            self.task_id[:] = infos["next_task_id"]
            self._note(infos)
            for slot in infos.get("dropped", ()):
                self.start[slot] = self.now

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` needs beside the suite's own state: the memory of the actors and the trials in progress."""
        size = len(self.ring["action"])
        old = np.arange(int(self.start.min()), self.now)
        return {
            **{f"memory.{key}": value.cpu().numpy() for key, value in self.memory.items()},
            **{f"ring.{key}": value[old % size] for key, value in self.ring.items()},
            **self.explorer.state_arrays(),
            "start": self.start,
            "now": np.array(self.now),
            "learnt": np.array(self.learnt),
            "size": np.array(size),
        }

    def load(self, suite_state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Continue exactly where `state_arrays` and the suite's `state_dict` were taken."""
        self.observation, infos = self.envs.load_state_dict(suite_state)
        self.task_id[:] = infos["task_id"]
        self.start, self.now, size = arrays["start"].copy(), int(arrays["now"]), int(arrays["size"])
        self.learnt = int(arrays["learnt"]) if "learnt" in arrays else 0
        old = np.arange(int(self.start.min()), self.now)
        for key, value in self.ring.items():
            self.ring[key] = np.zeros((size, *value.shape[1:]), value.dtype)
            self.ring[key][old % size] = arrays[f"ring.{key}"]
        self.explorer.load(arrays)
        for key, memory in self.memory.items():
            memory.copy_(torch.from_numpy(arrays[f"memory.{key}"]))


def _action_type(suite: Suite) -> type:
    return np.float32 if suite.continuous else np.int16
