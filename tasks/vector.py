"""A suite as a `gymnasium.vector.VectorEnv`: trials side by side, each slot with a generator of its own.

Departs: from Gymnasium's own vector environments in the infos, which are arrays over all slots at every step.
"""

import weakref
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from tasks.actions import checked_actions
from tasks.buffers import Buffers
from tasks.group import Dropped, Ended, Event, Failed, SlotGroup
from tasks.trial import SimulatorError
from tasks.worker import Exchange, SharedMemory, Worker, WorkerLost, shared_size

if TYPE_CHECKING:
    from tasks.suite import Suite

Arrays: TypeAlias = dict[str, NDArray[Any]]


def _close_all(workers: Sequence[Worker], memory: SharedMemory) -> None:
    for worker in workers:
        worker.close()
    memory.file.close()


class SuiteVectorEnv(VectorEnv[Arrays, NDArray[Any], NDArray[Any]]):
    """Slots that play trials; a slot whose trial ends begins the next one in the same step.

    All arrays that `reset` and `step` return are fresh copies.

    Args:
        num_slots: trials side by side, at least 1.
        seed: slot ``i`` draws from ``SeedSequence(seed, spawn_key=(i,))`` alone.
        task_of_slot: the task that each slot always plays; None: drawn for every trial, as the suite's `sampling` says.
        workers: processes that the simulators run in; 0: in this one, where one that hangs cannot be noticed.
        max_faults: times in a row that a task's simulator may fail; each time its trial is dropped and the simulator
            built anew. After one more `step` raises, before anything has moved. None: the first failure raises at once.
        patience: seconds after which a worker that does not answer is taken for hung, and replaced.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012  # as in the base class

    def __init__(
        self,
        suite: "Suite",
        num_slots: int,
        *,
        seed: int | None = None,
        task_of_slot: Sequence[int] | None = None,
        workers: int = 0,
        max_faults: int | None = None,
        patience: float = 60.0,
    ) -> None:
        if num_slots < 1:
            raise ValueError(f"expected at least one slot, got num_slots={num_slots}")
        if task_of_slot is not None and len(task_of_slot) != num_slots:
            raise ValueError(f"expected a task for each of {num_slots} slots, got {len(task_of_slot)} in task_of_slot")
        if workers < 0 or (max_faults or 0) < 0 or not patience > 0:
            raise ValueError(
                f"expected workers >= 0, max_faults >= 0 and patience > 0, got {workers}, {max_faults} and {patience}"
            )
        self.suite, self.num_envs, self.max_faults = suite, num_slots, max_faults
        self.single_observation_space, self.single_action_space = suite.observation_space, suite.action_space
        self.observation_space = batch_space(suite.observation_space, num_slots)
        self.action_space = batch_space(suite.action_space, num_slots)
        self._masks = suite.action_mask if suite.masks_actions else None
        self._tasks = None if task_of_slot is None else [suite.task_id(task) for task in task_of_slot]
        fixed: Sequence[int | None] = self._tasks or [None] * num_slots
        workers = min(workers, num_slots)
        if workers:
            self._memory = SharedMemory.create(shared_size(suite, num_slots, workers))
            self._exchange = Exchange(suite, num_slots, workers, self._memory.allocate)
        else:
            self._exchange = Exchange(suite, num_slots, 0, np.zeros)
        self._buffers: Buffers = self._exchange.buffers
        self._buffers.weights[:] = [task.weight for task in suite.tasks]
        self._group = None if workers else SlotGroup(suite, self._buffers, range(num_slots), fixed, tries=max_faults)
        ends = [num_slots * i // max(1, workers) for i in range(workers + 1)]
        self._workers = [
            Worker(
                suite, self._exchange, self._memory, number, workers, range(a, b), fixed[a:b],
                tries=max_faults, patience=patience,
            )
            for number, (a, b) in enumerate(pairwise(ends))
        ]  # fmt: skip
        if workers:  # processes must not outlive an environment that nobody closed
            self._end = weakref.finalize(self, _close_all, self._workers, self._memory)
        self._failures = [0] * suite.num_tasks
        self._fatal: str | None = None
        self._begun = False
        self._seed(seed)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Arrays, dict[str, Any]]:
        """Begin a trial in every slot; with a seed the generators start anew, without one they go on.

        The only option is "task_of_slot", as for the constructor: the tasks from here on. The infos hold "task_id" (and
        where actions are masked or continuous the "action_mask" of every slot).
        """
        if options and set(options) - {"task_of_slot"}:
            raise ValueError(f"expected no options but 'task_of_slot', got {sorted(options)}")
        if options and options["task_of_slot"] is not None:
            self._fix(options["task_of_slot"])
        if seed is not None:
            self._seed(seed)
        self._fatal, self._failures = None, [0] * self.suite.num_tasks
        events = self._everywhere("begin")
        self._begun = True
        return self._first(events)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Arrays, NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one action in every slot.

        Returns:
            Observation, trained reward, terminated, truncated, infos. The infos always hold "raw_reward", "attempt",
            "paid" and "task_id" of this transition and "next_task_id" of the observation returned (and with "mask"
            its "action_mask"); when some trial ended also "final_obs" (rows valid where it ended) and "trials", a list
            of (slot, summary); when trials were dropped "dropped", the slots (truncated, without final observation),
            and "faults", a list of (slot, what happened).
        Raises:
            ValueError: an action is no action of its slot; then no slot has moved.
            SimulatorError: without `max_faults`, a simulator failed: call `reset` before going on. With it, a task
                failed more often in a row before this step: no slot has moved.
        """
        if not self._begun:
            raise ResetNeeded("call reset() first: no trial has begun, or a simulator failed")
        self.raise_if_failed()
        self._exchange.actions[:] = checked_actions(self.suite, actions, self._buffers.next_task_id)
        self._begun = False  # until all have moved: after a failure the slots are out of step
        events = self._play()
        out = self._buffers
        infos: dict[str, Any] = {
            "raw_reward": out.raw_reward.copy(),
            "attempt": out.attempt.copy(),
            "paid": out.paid.copy(),
            "task_id": out.task_id.copy(),
        }
        if events:
            self._tell(events, infos)
        infos["next_task_id"] = out.next_task_id.copy()
        if self._masks is not None:
            infos["action_mask"] = self._masks[out.next_task_id]
        self._begun = True
        return self._observation(), out.reward.copy(), out.terminated.copy(), out.truncated.copy(), infos

    def raise_if_failed(self) -> None:
        """Raise what the next `step` would.

        Raises:
            SimulatorError: a task failed more than `max_faults` times in a row.
        """
        if self._fatal is not None:
            raise SimulatorError(self._fatal)

    def revive(self) -> tuple[Arrays, dict[str, Any]] | None:
        """Replace workers that have died since the last step; to be called before `state_dict`.

        Returns:
            None if none has; else the observation now, and infos with "next_task_id", "dropped" and "faults".
        Raises:
            SimulatorError: there is no leave for failures, or the replacement was lost too.
        """
        for worker in self._workers:
            worker.send("ping")
        events = self._events()
        if not events:
            return None
        infos: dict[str, Any] = {"next_task_id": self._buffers.next_task_id.copy()}
        self._tell(events, infos)
        return self._observation(), infos

    def set_task_weights(self, weights: Sequence[float]) -> None:
        """How often each task is drawn from now on, where the suite's `sampling` is not uniform.

        Raises:
            ValueError: they are not one finite number of at least 0 a task, and one of them above 0.
        """
        array = np.asarray(weights, np.float64)
        if array.shape != (self.suite.num_tasks,) or not np.isfinite(array).all() or array.min() < 0 or not array.sum():
            raise ValueError(f"expected {self.suite.num_tasks} weights of at least 0, one above 0, got {weights}")
        self._buffers.weights[:] = array

    def state_dict(self) -> dict[str, Any]:
        """Where every slot stands: its generator when its trial began, and the actions since. Fit for JSON.

        Raises:
            ResetNeeded: no trial has begun.
        """
        if not self._begun:
            raise ResetNeeded("call reset() first: no trial has begun, so there is no state")
        if self._group is not None:
            slots = self._group.states()
        else:
            slots = [state for states in self._ask("states") for state in states]
        return {"protocol": self._protocol(), "slots": slots, "weights": self._buffers.weights.tolist()}

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
        if "weights" in state:
            self.set_task_weights(state["weights"])
        self._fatal, self._failures = None, [0] * self.suite.num_tasks
        if self._group is not None:
            events = self._group.load(state["slots"])
        else:
            parts = self._ask("load", lambda worker: ([state["slots"][i] for i in worker.indices],))
            events = [event for part in parts for event in part]
        self._begun = True
        return self._first(events)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the simulators."""
        self._begun = False
        if self._group is not None:
            self._group.close()
        else:
            self._end()

    def _fix(self, task_of_slot: Sequence[int]) -> None:
        if len(task_of_slot) != self.num_envs:
            raise ValueError(f"expected a task for each of {self.num_envs} slots, got {len(task_of_slot)}")
        self._tasks = [self.suite.task_id(task) for task in task_of_slot]
        if self._group is not None:
            self._group.fix(self._tasks)
        for worker in self._workers:
            worker.fix([self._tasks[i] for i in worker.indices])
        self._events()

    def _play(self) -> list[Event]:
        if self._group is not None:
            return self._group.step(self._exchange.actions)
        for worker in self._workers:
            worker.send_step()
        return self._events()

    def _events(self) -> list[Event]:
        """What the workers answer; one that is lost is replaced if failures are allowed."""
        events: list[Event] = []
        failure: SimulatorError | None = None
        for worker in self._workers:  # all must be heard, or a later question would get an earlier answer
            try:
                events += worker.receive()
            except WorkerLost as lost:
                try:
                    if self.max_faults is None:
                        raise SimulatorError(worker.lost(lost)) from lost
                    events += worker.replace(lost)
                except SimulatorError as error:
                    failure = error
            except SimulatorError as error:
                failure = error
        if failure is not None:
            raise failure
        return events

    def _everywhere(self, command: str, *given: Any) -> list[Event]:
        if self._group is not None:
            return getattr(self._group, command)(*given) or []
        for worker in self._workers:
            worker.send(command, *given)
        return self._events()

    def _ask(self, command: str, given: Callable[[Worker], tuple[Any, ...]] = lambda worker: ()) -> list[Any]:
        for worker in self._workers:
            worker.send(command, *given(worker))
        answers, failure = [], None
        for worker in self._workers:  # all must be heard, or a later question would get an earlier answer
            try:
                answers.append(worker.receive())
            except (WorkerLost, SimulatorError) as error:
                failure = failure or error
        if isinstance(failure, WorkerLost):
            raise SimulatorError(f"a worker process {failure}") from failure
        if failure is not None:
            raise failure
        return answers

    def _tell(self, events: list[Event], infos: dict[str, Any]) -> None:
        for event in events:
            if isinstance(event, Failed):
                self._fatal = f"{event.fault} (no trial of slot {event.slot} could begin)"
        ended = [(event.slot, event.summary) for event in events if isinstance(event, Ended)]
        dropped = [event for event in events if isinstance(event, Dropped)]
        if ended:
            infos["final_obs"] = {key: array.copy() for key, array in self._buffers.final.items()}
            infos["trials"] = ended
            for _, summary in ended:
                self._failures[summary["task_id"]] = 0
        if dropped:
            infos["dropped"] = sorted({event.slot for event in dropped})
            infos["faults"] = [(event.slot, event.fault) for event in dropped if event.fault is not None]
        for event in dropped:
            if event.fault is not None:
                self._failures[event.task_id] += 1
                if self._failures[event.task_id] > (self.max_faults or 0):
                    self._fatal = f"{event.fault} ({self._failures[event.task_id]} failures of this task in a row)"

    def _seed(self, seed: int | None) -> None:
        entropy = np.random.SeedSequence(seed).entropy  # drawn once if there is no seed
        self._everywhere("seed", entropy)

    def _first(self, events: list[Event]) -> tuple[Arrays, dict[str, Any]]:
        infos: dict[str, Any] = {"task_id": self._buffers.next_task_id.copy()}
        self._tell(events, infos)
        if self._masks is not None:
            infos["action_mask"] = self._masks[self._buffers.next_task_id]
        return self._observation(), infos

    def _observation(self) -> Arrays:
        return {key: array.copy() for key, array in self._buffers.observation.items()}

    def _protocol(self) -> dict[str, Any]:
        return {**self.suite.protocol(), "task_of_slot": self._tasks}
