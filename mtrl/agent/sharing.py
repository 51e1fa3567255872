"""What the tasks of a suite share, and what each has of its own. Imports no torch, so that the command line can list it
at once."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class SharingConfig:
    """Task heads and task conditioning; as it stands, tasks share everything, and the network is told no task."""

    heads: Literal["shared", "task", "group"] = "shared"
    """The last layers of actor and critics: one for all tasks, one a task, or one a group of tasks."""
    head_groups: dict[str, str] = field(default_factory=dict)
    """For `--heads group`: tasks and their groups in turn; tasks that are not named form a group of their own. The head
    of a group of one task is kept out of gradient strategies."""
    conditioning: Literal["none", "one-hot", "embedding", "film", "mission"] = "none"
    """How the network is told the task: not at all; by its number, or by a learnt embedding, added to the features of
    every step; film: the embedding scales and shifts them; mission: the words of the mission, which are added to them
    in any case, do so too."""
    task_width: int = 32
    """Width of the task embeddings, which have unit norm."""
    unseen_tasks: Literal["error", "mean"] = "error"
    """Held-out tasks, where tasks have heads, embeddings or routes of their own: refused, or given the mean of all."""

    def __post_init__(self) -> None:
        if self.task_width < 1:
            raise ValueError(f"task_width: expected a whole number of at least 1, found {self.task_width}")
        if self.head_groups and self.heads != "group":
            raise ValueError(f"head_groups: expected --heads group beside it, found --heads {self.heads}")
        if self.heads == "group" and not self.head_groups:
            raise ValueError("--heads group: expected --head-groups TASK GROUP ..., found none")

    def heads_of(self, task_names: tuple[str, ...]) -> tuple[int, ...]:
        """The number of every task's head, counted from 0.

        Names that are not among the tasks are left aside: the suite may be reduced to some of its tasks.
        """
        if self.heads == "shared":
            return (0,) * len(task_names)
        if self.heads == "task":
            return tuple(range(len(task_names)))
        groups = [self.head_groups.get(name, "") for name in task_names]
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        return tuple(numbers[group] for group in groups)
