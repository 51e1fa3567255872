"""Playing: actors step the suite side by side, and finished trials come out.

What all slots see is recorded in one ring, time first; when a slot's trial ends, its column is cut out.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtrl.agent.agent import Agent
from mtrl.training.replay import Trial
from tasks.suite import Suite


class Collector:
    """Slots of a suite and the memory of their actors.

    Args:
        seed: of the suite's slots.
        generator: draws the actions; on the device of the agent.
        task_of_slot: a fixed task for each slot; None draws one for every trial.
        workers: processes for the simulators; 0: they run in this one.
        max_faults: times in a row that a task's simulator may fail.
    """

    def __init__(
        self,
        agent: Agent,
        suite: Suite,
        num_slots: int,
        *,
        seed: int,
        generator: torch.Generator,
        task_of_slot: list[int] | None = None,
        greedy: bool = False,
        workers: int = 0,
        max_faults: int = 0,
    ) -> None:
        self.agent, self.suite, self.generator, self.greedy = agent, suite, generator, greedy
        self.device = agent.discounts.device
        self.envs = suite.make_vector(
            num_slots, seed=seed, task_of_slot=task_of_slot, workers=workers, max_faults=max_faults
        )
        masked = suite.invalid_actions == "mask" or suite.continuous
        self.allowed = torch.tensor(suite.action_mask, device=self.device) if masked else None
        self.faults: list[str] = []
        """What went wrong with simulators since this was last emptied."""
        self.exploration = 0.0
        """Probability with which an actor takes a uniformly random action in place of its own."""
        self.memory = agent.memory.initial_state(num_slots)
        self.observation, infos = self.envs.reset()
        self.task_id: NDArray[np.int32] = infos["task_id"].copy()
        self.now = 0
        self.start = np.zeros(num_slots, np.int64)
        self.ring: dict[str, NDArray[Any]] = {
            **{key: np.zeros((256, *value.shape), value.dtype) for key, value in self.observation.items()},
            "action": np.zeros((256, num_slots, *(suite.action_space.shape or ())), _action_type(suite)),
            "reward": np.zeros((256, num_slots), np.float32),
        }

    def restart(self, *, seed: int, task_of_slot: list[int], generator: torch.Generator) -> None:
        """Begin anew with other seeds and tasks, as a new collector would, with the simulators that are there."""
        self.generator = generator
        self.observation, infos = self.envs.reset(seed=seed, options={"task_of_slot": task_of_slot})
        self.task_id[:] = infos["task_id"]
        self.start[:] = self.now

    @property
    def num_slots(self) -> int:
        """Trials side by side."""
        return len(self.start)

    def step(self) -> list[tuple[int, Trial, dict[str, Any]]]:
        """One step of every slot. Returns (slot, trial, the suite's summary of it) for each trial that ended.

        Raises:
            SimulatorError: a task failed too often; nothing has changed.
        """
        self._make_room()
        place = self.now % len(self.ring["action"])
        for key, value in self.observation.items():
            self.ring[key][place] = value
        actions = self._act()
        self.ring["action"][place] = actions
        self.observation, reward, terminated, _, infos = self.envs.step(actions)
        self.ring["reward"][place] = reward
        self.now += 1
        ended = []
        for slot, summary in infos.get("trials", ()):
            final = {key: value[slot] for key, value in infos["final_obs"].items()}
            ended.append((slot, self._cut(slot, final, bool(terminated[slot])), summary))
            self.start[slot] = self.now
        for slot in infos.get("dropped", ()):
            self.start[slot] = self.now
        self.faults += [message for _, message in infos.get("faults", ())]
        self.task_id[:] = infos["next_task_id"]
        return ended

    def _act(self) -> NDArray[Any]:
        observation = {key: torch.from_numpy(value).to(self.device) for key, value in self.observation.items()}
        allowed = None if self.allowed is None else self.allowed[torch.from_numpy(self.task_id).long()]
        with torch.inference_mode():
            actions = self.agent.act(observation, self.memory, allowed, greedy=self.greedy, generator=self.generator)
            if self.exploration > 0:
                actions = self._explore(actions, allowed)
        result: NDArray[Any] = actions.cpu().numpy()
        return result

    def _explore(self, actions: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
        draws = torch.rand(len(actions), self.suite.num_actions + 1, device=self.device, generator=self.generator)
        if self.suite.continuous:
            assert allowed is not None
            anything = (2 * draws[:, 1:] - 1) * allowed  # numbers that a task's actions do not have stay 0
            return torch.where(draws[:, :1] < self.exploration, anything, actions)
        preference = draws[:, 1:] if allowed is None else draws[:, 1:] * allowed
        return torch.where(draws[:, 0] < self.exploration, preference.argmax(dim=-1), actions)

    def _cut(self, slot: int, final: dict[str, NDArray[Any]], terminated: bool) -> Trial:
        places = np.arange(self.start[slot], self.now) % len(self.ring["action"])
        observation = {
            key: np.concatenate([self.ring[key][places, slot], final[key][None]]) for key in self.observation
        }
        return Trial(
            task_id=int(self.task_id[slot]),
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

    def close(self) -> None:
        """Close the simulators."""
        self.envs.close()

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` needs beside the suite's own state: the memory of the actors and the trials in progress."""
        size = len(self.ring["action"])
        old = np.arange(int(self.start.min()), self.now)
        return {
            **{f"memory.{key}": value.cpu().numpy() for key, value in self.memory.items()},
            **{f"ring.{key}": value[old % size] for key, value in self.ring.items()},
            "start": self.start,
            "now": np.array(self.now),
            "size": np.array(size),
        }

    def load(self, suite_state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Continue exactly where `state_arrays` and the suite's `state_dict` were taken."""
        self.observation, infos = self.envs.load_state_dict(suite_state)
        self.task_id[:] = infos["task_id"]
        self.start, self.now, size = arrays["start"].copy(), int(arrays["now"]), int(arrays["size"])
        old = np.arange(int(self.start.min()), self.now)
        for key, value in self.ring.items():
            self.ring[key] = np.zeros((size, *value.shape[1:]), value.dtype)
            self.ring[key][old % size] = arrays[f"ring.{key}"]
        for key, memory in self.memory.items():
            memory.copy_(torch.from_numpy(arrays[f"memory.{key}"]))


def _action_type(suite: Suite) -> type:
    return np.float32 if suite.continuous else np.int16
