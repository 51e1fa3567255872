"""Several slots that are played one after the other, in this process or as the inside of a worker.

A simulator that fails costs its slot the trial: it is dropped, the simulator is built anew, and the slot begins the
next trial, all of which is told by events.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from tasks.buffers import Buffers
from tasks.trial import Pool, SimulatorError, Slot

if TYPE_CHECKING:
    from tasks.suite import Suite

State: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """A slot's trial ended."""

    slot: int
    summary: dict[str, Any]


@dataclass(frozen=True)
class Dropped:
    """A slot's trial was given up. `fault` says why, if this slot's own simulator was at fault."""

    slot: int
    task_id: int
    fault: str | None


@dataclass(frozen=True)
class Failed:
    """A slot could not begin a trial, however often it tried."""

    slot: int
    task_id: int
    fault: str


@dataclass(frozen=True)
class Begun:
    """A slot began a trial, from this state of its generator."""

    slot: int
    origin: dict[str, Any]


Event: TypeAlias = Ended | Dropped | Failed | Begun


class SlotGroup:
    """Slots with some of the rows of the buffers.

    Args:
        indices: the slots' rows, one after the other.
        fixed: the task that each always plays; None: drawn for every trial.
        tries: times in a row that a trial may fail to begin before the slot gives up; None: the first failure raises.
        busy: one whole number, in which the slot is noted that is being played; ~slot while its next trial begins
            or is prepared.
    """

    def __init__(
        self,
        suite: "Suite",
        buffers: Buffers,
        indices: Sequence[int],
        fixed: Sequence[int | None],
        *,
        tries: int | None,
        busy: Any = None,
    ) -> None:
        self.suite, self.out, self.pool, self.tries = suite, buffers, Pool(suite), tries
        self.rows = slice(indices[0], indices[-1] + 1)
        self.busy = [0] if busy is None else busy
        self.unprepared: deque[Slot] = deque()
        self.slots = [Slot(suite, buffers, self.pool, i, task) for i, task in zip(indices, fixed, strict=True)]

    def seed(self, entropy: Any) -> None:
        """Start all generators anew."""
        for slot in self.slots:
            slot.seed(entropy)

    def fix(self, fixed: Sequence[int | None]) -> None:
        """From the next trials on, let each slot always play this task; None: draw it."""
        for slot, task in zip(self.slots, fixed, strict=True):
            slot.fixed_task = task

    def begin(self) -> list[Event]:
        """Begin a trial in every slot."""
        events: list[Event] = []
        for slot in self.slots:
            self._begin(slot, events)
        return events

    def step(self, actions: NDArray[Any]) -> list[Event]:
        """Play an action in every slot: ``[slot]``, or ``[slot, number]`` where they are continuous.

        Raises:
            SimulatorError: a simulator failed, and the first failure is to raise.
        """
        events: list[Event] = []
        decoded: Iterable[Any] = repeat(None, len(self.slots))
        if self.suite.continuous:  # all slots' at once: number by number it would cost as much as a simulator's step
            self.out.observation["previous_action"][self.rows] = actions
            decoded = self.suite.decoding.decode(actions, self.out.next_task_id[self.rows])
        for slot, action, numbers in zip(self.slots, actions.tolist(), decoded, strict=True):
            self.busy[0] = slot.index
            try:
                over = slot.step(action, numbers)
            except SimulatorError as fault:
                if self.tries is None:
                    raise
                i = slot.index
                self.out.reward[i] = self.out.raw_reward[i] = 0.0
                self.out.terminated[i], self.out.truncated[i] = False, True
                self.out.task_id[i] = slot.task_id
                events.append(Dropped(i, slot.task_id, str(fault)))
                self._begin(slot, events)
                continue
            if over:
                for key, array in self.out.observation.items():
                    self.out.final[key][slot.index] = array[slot.index]
                events.append(Ended(slot.index, slot.summary()))
                self._begin(slot, events)
        return events

    def prepare(self) -> bool:
        """Make ready what one slot will need for its next trial, while there is nothing else to do.

        Returns:
            Whether there was a slot left that had not.
        """
        if not self.unprepared:
            return False
        slot = self.unprepared.popleft()
        self.busy[0] = ~slot.index
        slot.prepare()
        self.busy[0] = slot.index
        return True

    def go_on_after(self, origins: Sequence[dict[str, Any]]) -> list[Event]:
        """Begin, in every slot, the trial that comes after the one that began from this state of its generator."""
        events: list[Event] = []
        for slot, origin in zip(self.slots, origins, strict=True):
            slot.generator.bit_generator.state = origin
            slot.draw()
            self._begin(slot, events)
        return events

    def states(self) -> list[State]:
        """Where every slot stands. Fit for JSON."""
        return [{"generator": s.origin, "task": s.task_id, "actions": list(s.actions)} for s in self.slots]

    def load(self, states: Sequence[State]) -> list[Event]:
        """Play the trials of `states` again; one that fails now is dropped."""
        events: list[Event] = []
        for slot, state in zip(self.slots, states, strict=True):
            slot.generator.bit_generator.state = state["generator"]
            try:
                slot.begin(state.get("task"))
                self._begun(slot, events)
                for action in state["actions"]:
                    slot.play(slot.action_of(action))
            except SimulatorError as fault:
                if self.tries is None:
                    raise
                events.append(Dropped(slot.index, slot.task_id, str(fault)))
                self._begin(slot, events)
        return events

    def close(self) -> None:
        """Close the simulators."""
        for slot in self.slots:
            slot.close()
        self.pool.close()

    def _begin(self, slot: Slot, events: list[Event]) -> None:
        for _ in range(1 + (self.tries or 0)):
            self.busy[0] = ~slot.index
            try:
                slot.begin()
            except SimulatorError as fault:
                if self.tries is None:
                    raise
                failure = str(fault)
                events.append(Dropped(slot.index, slot.task_id, failure))
                continue
            self._begun(slot, events)
            return
        events.append(Failed(slot.index, slot.task_id, failure))

    def _begun(self, slot: Slot, events: list[Event]) -> None:
        self.busy[0] = slot.index
        events.append(Begun(slot.index, slot.origin))
        if slot.prepared is None and slot not in self.unprepared:
            self.unprepared.append(slot)
