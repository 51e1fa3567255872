"""Playing: actors step a suite side by side, each with a memory of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtrl.agent.agent import Agent
from mtrl.training.explore import Explorer
from tasks.suite import Suite
from tasks.task import Task


def places_in_training(trained: Suite, tasks: Sequence[Task]) -> list[int]:
    """For each of the tasks its place among those of the suite that an agent was trained on, or their number if it is
    none of them.

    A task is the same under another name, with other seeds, attempts or scale of rewards, but not with instances drawn
    from another distribution. Where training had a task twice, the name decides.
    """
    places = []
    for task in tasks:
        same = [place for place, other in enumerate(trained.tasks) if other.simulator_key == task.simulator_key]
        named = [place for place in same if trained.tasks[place].name == task.name]
        found = named or (same if len(same) == 1 else [])
        places.append(found[0] if found else trained.num_tasks)
    return places


class Player:
    """Slots of a suite and the memory of their actors.

    Args:
        seed: of the suite's slots.
        generator: draws the actions; on the device of the agent.
        task_of_slot: a fixed task for each slot; None draws one for every trial.
        workers: processes for the simulators; 0: they run in this one.
        max_faults: times in a row that a task's simulator may fail.
        patience: seconds for a worker to answer.
        trained_as: for each of the suite's tasks, which one it was in training, see `places_in_training`; None: they
            are the tasks that the agent was trained on, in the same order.
        explore_length: mean steps for which a random action is held; None: the actors' actions are never replaced.
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
        max_faults: int | None = None,
        patience: float = 60.0,
        trained_as: Sequence[int] | None = None,
        explore_length: float | None = None,
    ) -> None:
        self.agent, self.suite, self.generator, self.greedy = agent, suite, generator, greedy
        self.num_slots, self.device = num_slots, agent.discounts.device
        self.trained_as = None if trained_as is None else torch.tensor(trained_as, device=self.device)
        self.envs = suite.make_vector(
            num_slots,
            seed=seed,
            task_of_slot=task_of_slot,
            workers=workers,
            max_faults=max_faults,
            patience=patience,
        )
        self.allowed = torch.tensor(suite.action_mask, device=self.device) if suite.masks_actions else None
        self.explorer = None if explore_length is None else Explorer(suite, num_slots, explore_length, self.device)
        self.faults: list[str] = []
        """What went wrong with simulators since this was last emptied."""
        self.memory = agent.memory.initial_state(num_slots)
        self.observation, infos = self.envs.reset()
        self.task_id: NDArray[np.int32] = infos["task_id"].copy()
        self._note(infos)

    def restart(self, *, seed: int, task_of_slot: list[int], generator: torch.Generator) -> None:
        """Begin anew with other seeds and tasks, as a new player would, with the simulators that are there."""
        self.generator = generator
        self.observation, infos = self.envs.reset(seed=seed, options={"task_of_slot": task_of_slot})
        self.task_id[:] = infos["task_id"]
        self._note(infos)

    def play(self) -> list[tuple[int, dict[str, Any]]]:
        """One step of every slot. Returns (slot, the suite's summary) for each trial that ended.

        Raises:
            SimulatorError: a task failed too often; nothing has changed.
        """
        self.envs.raise_if_failed()  # before an actor's memory has moved
        ended: list[tuple[int, dict[str, Any]]] = self._advance(self._act())[-1].get("trials", [])
        return ended

    def close(self) -> None:
        """Close the simulators."""
        self.envs.close()

    def _advance(self, actions: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.bool_], dict[str, Any]]:
        self.observation, reward, terminated, _, infos = self.envs.step(actions)
        self._note(infos)
        self.task_id[:] = infos["next_task_id"]
        return reward, terminated, infos

    def _note(self, infos: dict[str, Any]) -> None:
        self.faults += [message for _, message in infos.get("faults", ())]

    def _input(self) -> tuple[dict[str, torch.Tensor], torch.Tensor | None, torch.Tensor]:
        """What the agent is given: the observation, which actions each slot's task has, and the tasks."""
        observation = {key: torch.from_numpy(value).to(self.device) for key, value in self.observation.items()}
        task = torch.from_numpy(self.task_id).long().to(self.device)
        allowed = None if self.allowed is None else self.allowed[task]
        return observation, allowed, task if self.trained_as is None else self.trained_as[task]

    def _act(self) -> NDArray[Any]:
        observation, allowed, task = self._input()
        with torch.inference_mode():
            actions = self.agent.act(
                observation, self.memory, allowed, task, greedy=self.greedy, generator=self.generator
            )
            if self.explorer is not None:
                actions = self.explorer(actions, allowed, observation["time"] == 0, self.generator)
        result: NDArray[Any] = actions.cpu().numpy()
        return result
