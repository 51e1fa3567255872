"""A suite as a `gymnasium.vector.VectorEnv`: trials side by side, each slot with a generator of its own.

Departs: from Gymnasium's own vector environments in the infos, which are arrays over all slots at every step.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from tasks.trial import Buffers, Pool, Slot

if TYPE_CHECKING:
    from tasks.suite import Suite

Arrays: TypeAlias = dict[str, NDArray[Any]]


class SuiteVectorEnv(VectorEnv[Arrays, NDArray[Any], NDArray[Any]]):
    """Slots that play trials; a slot whose trial ends begins the next one in the same step.

    All arrays that `reset` and `step` return are fresh copies.

    Args:
        num_slots: trials side by side, at least 1.
        seed: slot ``i`` draws from ``SeedSequence(seed, spawn_key=(i,))`` alone.
        task_of_slot: the task that each slot always plays; None: drawn uniformly for every trial.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012  # as in the base class

    def __init__(
        self, suite: "Suite", num_slots: int, *, seed: int | None = None, task_of_slot: Sequence[int] | None = None
    ) -> None:
        if num_slots < 1:
            raise ValueError(f"expected at least one slot, got num_slots={num_slots}")
        if task_of_slot is not None and len(task_of_slot) != num_slots:
            raise ValueError(f"expected a task for each of {num_slots} slots, got {len(task_of_slot)} in task_of_slot")
        self.suite, self.num_envs = suite, num_slots
        self.single_observation_space, self.single_action_space = suite.observation_space, suite.action_space
        self.observation_space = batch_space(suite.observation_space, num_slots)
        self.action_space = batch_space(suite.action_space, num_slots)
        self._masks = suite.action_mask if suite.invalid_actions == "mask" else None
        self._buffers, self._pool = Buffers.zeros(suite, num_slots), Pool(suite)
        self._tasks = None if task_of_slot is None else [suite.task_id(task) for task in task_of_slot]
        tasks: Sequence[int | None] = self._tasks or [None] * num_slots
        self._slots = [Slot(suite, self._buffers, self._pool, i, task) for i, task in enumerate(tasks)]
        self._next_task_id = np.zeros(num_slots, np.int32)
        self._begun = False
        self._seed(seed)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Arrays, dict[str, Any]]:
        """Begin a trial in every slot; with a seed the generators start anew, without one they go on.

        There are no options. The infos hold "task_id" (and with "mask" the "action_mask" of every slot).
        """
        if seed is not None:
            self._seed(seed)
        for slot in self._slots:
            self._begin(slot)
        self._begun = True
        return self._first()

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Arrays, NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one action in every slot.

        Returns:
            Observation, trained reward, terminated, truncated, infos. The infos always hold "raw_reward", "attempt",
            "paid" and "task_id" of this transition and "next_task_id" of the observation returned (and with "mask"
            its "action_mask"); when some trial ended also "final_obs" (rows valid where terminated or truncated) and
            "trials", a list of (slot, summary).
        Raises:
            ValueError: an action is no action of its slot; then no slot has moved.
            SimulatorError: a simulator failed; call `reset` before going on.
        """
        if not self._begun:
            raise ResetNeeded("call reset() first: no trial has begun, or a simulator failed")
        chosen = self._integers(actions)
        for slot, action in zip(self._slots, chosen, strict=True):
            slot.check(action)
        self._begun = False  # until all have moved: after a failure the slots are out of step
        ended = [slot for slot, action in zip(self._slots, chosen, strict=True) if slot.step(action)]
        out = self._buffers
        infos: dict[str, Any] = {
            "raw_reward": out.raw_reward.copy(),
            "attempt": out.attempt.copy(),
            "paid": out.paid.copy(),
            "task_id": out.task_id.copy(),
        }
        if ended:
            infos["final_obs"] = self._observation()
            infos["trials"] = [(slot.index, slot.summary()) for slot in ended]
            for slot in ended:
                self._begin(slot)
        infos["next_task_id"] = self._next_task_id.copy()
        if self._masks is not None:
            infos["action_mask"] = self._masks[self._next_task_id]
        self._begun = True
        return self._observation(), out.reward.copy(), out.terminated.copy(), out.truncated.copy(), infos

    def state_dict(self) -> dict[str, Any]:
        """Where every slot stands: its generator when its trial began, and the actions since. Fit for JSON.

        Raises:
            ResetNeeded: no trial has begun.
        """
        if not self._begun:
            raise ResetNeeded("call reset() first: no trial has begun, so there is no state")
        slots = [{"generator": slot.origin, "actions": list(slot.actions)} for slot in self._slots]
        return {"protocol": self._protocol(), "slots": slots}

    def load_state_dict(self, state: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
        """Rebuild the trials of a `state_dict` by playing their actions again.

        Returns:
            The observation at that point, and infos as from `reset`.
        Raises:
            ValueError: the state is of another suite, protocol or number of slots.
        """
        if not {"slots", "protocol"} <= set(state):
            raise ValueError(f"expected a state with 'slots' and 'protocol', got {sorted(state)}")
        if len(state["slots"]) != self.num_envs:
            raise ValueError(f"the state is of {len(state['slots'])} slots, this environment has {self.num_envs}")
        for key, value in self._protocol().items():
            if state["protocol"].get(key) != value:
                raise ValueError(
                    f"the state is of another suite: its {key} is {state['protocol'].get(key)}, expected {value}"
                )
        self._begun = False
        for slot, saved in zip(self._slots, state["slots"], strict=True):
            slot.generator.bit_generator.state = saved["generator"]
            self._begin(slot)
            for action in saved["actions"]:
                slot.check(action)
                slot.step(action)
        self._begun = True
        return self._first()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the simulators."""
        self._begun = False
        for slot in self._slots:
            slot.release()
        self._pool.close()

    def _seed(self, seed: int | None) -> None:
        entropy = np.random.SeedSequence(seed).entropy  # drawn once if there is no seed
        for slot in self._slots:
            slot.seed(entropy)  # type: ignore[arg-type]

    def _begin(self, slot: Slot) -> None:
        slot.begin()
        self._next_task_id[slot.index] = slot.task_id

    def _first(self) -> tuple[Arrays, dict[str, Any]]:
        infos: dict[str, Any] = {"task_id": self._next_task_id.copy()}
        if self._masks is not None:
            infos["action_mask"] = self._masks[self._next_task_id]
        return self._observation(), infos

    def _observation(self) -> Arrays:
        return {key: array.copy() for key, array in self._buffers.observation.items()}

    def _integers(self, actions: Any) -> list[int]:
        array = np.asarray(actions)
        if array.shape != (self.num_envs,) or array.dtype.kind not in "iu":
            raise ValueError(
                f"expected {self.num_envs} integers as actions, one a slot, got {array.dtype} of shape {array.shape}"
            )
        integers: list[int] = array.tolist()
        return integers

    def _protocol(self) -> dict[str, Any]:
        return {
            "tasks": [[t.id, t.warmup_attempts, t.attempts, t.instance, t.max_steps] for t in self.suite.tasks],
            "invalid_actions": self.suite.invalid_actions,
            "task_of_slot": self._tasks,
        }
