"""Settings of data, optimizer and loop. Imports no torch, so that the command line can list them at once."""

import math
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from conflict.registry import RESCALINGS, STRATEGIES

if TYPE_CHECKING:
    StrategyName = str
    RescalingName = str
else:
    StrategyName = Literal[tuple(STRATEGIES)]
    RescalingName = Literal[tuple(RESCALINGS)]


def _at_least(config: object, least: float, *names: str) -> None:
    for name in names:
        if getattr(config, name) < least:
            raise ValueError(f"{name}: expected at least {least}, found {getattr(config, name)}")


@dataclass(frozen=True, kw_only=True)
class SuiteConfig:
    """How the suite's tasks are played."""

    invalid_actions: Literal["random", "mask"] | None = None
    """What becomes of an action that the task does not have; default: as the suite says."""
    sampling: Literal["uniform", "weighted", "steps", "progress"] | None = None
    """How a trial's task is drawn: all alike; by the tasks' weights; so that all tasks get equally many steps; or more
    of those whose return is changing; default: as the suite says."""
    reward_scales: dict[str, float] = field(default_factory=dict)
    """Factor on a task's trained reward, e.g. `--reward-scales RepeatFirstEasy 100`; scores stay on the raw scale."""
    only: tuple[str, ...] = ()
    """Tasks to which the suite is reduced; default: all."""
    weights: dict[str, float] = field(default_factory=dict)
    """How often a task is drawn next to the others, e.g. `--weights RepeatFirstEasy 3`, where --sampling is not
    uniform."""
    attempts: int | None = None
    """Paid attempts per trial; default: as the suite says."""
    warmup_attempts: int | None = None
    """Attempts before them whose rewards are seen but not paid; default: as the suite says."""


@dataclass(frozen=True, kw_only=True)
class ConflictConfig:
    """The remedy for gradient conflict."""

    strategy: StrategyName = "mean"
    """How the task gradients are combined."""
    strategy_options: dict[str, float | str] = field(default_factory=dict)
    """Options of the strategy."""
    rescaling: RescalingName = "none"
    """How the tasks' losses or returns are rescaled."""
    rescaling_options: dict[str, float | str] = field(default_factory=dict)
    """Options of the rescaling, e.g. `--rescaling-options alpha 0.5`."""
    measure_every: int = 50
    """Updates between two measurements of gradient conflict; 0 turns them off."""

    def __post_init__(self) -> None:
        _at_least(self, 0, "measure_every")


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """Acting and replay."""

    slots: int = 16
    """Trials played side by side (actors)."""
    workers: int | None = None
    """Processes for the simulators; 0: they run in this one. Default: one a core where simulators are slow, else 0."""
    max_faults: int = 5
    """Times in a row that a task's simulator may fail before the run stops with a checkpoint; each time its trial is
    dropped and the simulator built anew."""
    patience: float = 60.0
    """Seconds after which a worker process that does not answer is taken for hung, and replaced."""
    steps_per_update: int = 128
    """Environment steps, summed over all tasks, between two updates; a multiple of --slots."""
    rollout_length: int = 128
    """PPO: steps of every slot between two rounds of updates."""
    replay_steps: int = 1_000_000
    """Environment steps that the replay holds, over all tasks; the oldest trials go first."""
    start_steps: int = 5_000
    """Environment steps collected before the first update."""
    explore_from: float = 1.0
    """Share of uniformly random actions at the start of training, in [0, 1]."""
    explore_to: float = 0.05
    """Share of uniformly random actions after the decline, in [0, 1]."""
    explore_steps: int = 100_000
    """Environment steps over which the share of random actions declines linearly."""
    explore_length: float = 1.0
    """Mean steps for which a random action is held, at least 1 (Dabney et al. 2021); the share stays the same."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "slots", "steps_per_update", "rollout_length", "replay_steps", "explore_steps")
        _at_least(self, 0, "start_steps", "max_faults")
        if self.workers is not None:
            _at_least(self, 0, "workers")
        if not self.patience > 0:
            raise ValueError(f"patience: expected seconds above 0, found {self.patience}")
        if not (0 <= self.explore_from <= 1 and 0 <= self.explore_to <= 1):
            raise ValueError(
                f"explore_from and explore_to: expected shares in [0, 1], found {self.explore_from}, {self.explore_to}"
            )
        if not 1 <= self.explore_length < math.inf:
            raise ValueError(f"explore_length: expected a finite number of at least 1, found {self.explore_length}")
        if self.steps_per_update % self.slots:
            raise ValueError(f"steps_per_update {self.steps_per_update} is not a multiple of slots {self.slots}")

    def processes(self, *, slow: bool) -> int:
        """Processes for the simulators."""
        if self.workers is not None:
            return self.workers
        return len(os.sched_getaffinity(0)) if slow and hasattr(os, "sched_getaffinity") else 0

    def exploration(self, steps: int) -> float:
        """Share of random actions after so many environment steps."""
        return self.explore_from + (self.explore_to - self.explore_from) * min(1.0, steps / self.explore_steps)


@dataclass(frozen=True, kw_only=True)
class UpdateConfig:
    """The batch and the optimizer (AdamW)."""

    frozen: tuple[Literal["encoder", "conditioning", "experts", "memory", "policy", "critic"], ...] = ()
    """Parts of the network in which what was taken over from a pretrained run stays as it is; what new tasks have of
    their own there learns."""
    epochs: int = 4
    """PPO: times that a rollout is learnt from."""
    minibatches: int = 4
    """PPO: updates in which all of a rollout is learnt from once."""
    sequences: int = 24
    """Sequences in a batch, divided evenly among the tasks of the update; a remainder is dropped."""
    tasks_per_update: int | None = None
    """Tasks in an update, drawn in turn; default: all, or as many as there are sequences."""
    learning_rate: float = 3e-4
    """Step size of AdamW."""
    policy_rate: float = 1.0
    """Share of the learning rate that the policy head gets, above 0. Below 1 it follows the average of what the critics
    say, and not the noise of critics that know little yet."""
    weight_decay: float = 1e-4
    """Decoupled weight decay of AdamW."""
    second_moment: float = 0.99
    """AdamW's rate of forgetting for squared gradients (beta2), in [0, 1). Targets move and early gradients are
    large: forget soon."""
    clip: float = 1.0
    """Largest norm of the combined gradient; longer ones are shortened to it."""
    warmup_updates: int = 100
    """Updates over which the learning rate rises linearly from 0."""
    last_learning_rate: float = 1.0
    """Share of the learning rate that is left at the run's last step; it declines linearly. In [0, 1]."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "sequences", "epochs", "minibatches")
        _at_least(self, 0, "weight_decay", "warmup_updates")
        if self.tasks_per_update is not None:
            _at_least(self, 1, "tasks_per_update")
            if self.tasks_per_update > self.sequences:
                raise ValueError(
                    f"tasks_per_update {self.tasks_per_update} needs at least as many sequences, found {self.sequences}"
                )
        if not 0 <= self.second_moment < 1:
            raise ValueError(f"second_moment: expected a rate in [0, 1), found {self.second_moment}")
        if not 0 <= self.last_learning_rate <= 1:
            raise ValueError(f"last_learning_rate: expected a share in [0, 1], found {self.last_learning_rate}")
        for name in ("learning_rate", "policy_rate", "clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected a number above 0, found {getattr(self, name)}")

    def rate(self, update: int, progress: float) -> float:
        """The learning rate of an update (counted from 0) when this share of the run is done."""
        warmth = min(1.0, (update + 1) / max(1, self.warmup_updates))
        return self.learning_rate * warmth * (1.0 - (1.0 - self.last_learning_rate) * min(1.0, progress))


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Length of the run and what happens along it."""

    steps: int = 300_000
    """Environment steps of the run, summed over all tasks."""
    seed: int = 0
    """Seed of everything: weights, suite, sampling."""
    evaluate_every: int = 50_000
    """Environment steps between two evaluations on held-out seeds; 0: only at the end."""
    evaluate_trials: int = 20
    """Trials per task in an evaluation."""
    greedy: bool = False
    """Evaluate with the most likely action in place of a drawn one."""
    checkpoint_every: int = 50_000
    """Environment steps between two checkpoints; 0: only at the end."""
    log_every: int = 20
    """Updates between two records of losses."""
    learn_threads: int = 2
    """Threads for updates; acting always uses one. Never more than the machine has."""
    pretrained: str = ""
    """Folder of a run whose weights this one starts from, as far as they fit; it may be of another suite."""
    device: str = "cpu"
    """Where the network lives: cpu, cuda, cuda:1, ..."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "steps", "evaluate_trials", "log_every", "learn_threads")
        _at_least(self, 0, "seed", "evaluate_every", "checkpoint_every")
        if not re.fullmatch(r"(cpu|cuda|mps|xpu)(:\d+)?", self.device):
            raise ValueError(f"device: expected cpu, cuda, cuda:1, ..., found {self.device!r}")
