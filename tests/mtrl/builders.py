"""Small agents, batches and configurations for the tests of this folder."""

from dataclasses import replace

import numpy as np
import torch
from gymnasium.spaces import Discrete

from conflict.registry import make_rescaling
from conflict.rescaling.rescaling import Rescaling
from mtrl.agent.agent import Agent
from mtrl.agent.config import AgentConfig
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.config import RunConfig
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig
from mtrl.training.config import CollectConfig, LoopConfig, UpdateConfig
from tasks.spaces import trial_space

SMALL = AgentConfig(width=16, layers=1, attention_heads=2, context=16, head_width=16, critics=3)
LEARNING = LearningConfig(discounts=(0.5, 0.9), acting_discount=0.9)


def small_run(suite: str = "popgym-quick", **loop: object) -> RunConfig:
    """A run that takes seconds."""
    settings = {
        "steps": 1_600,
        "evaluate_every": 800,
        "evaluate_trials": 2,
        "checkpoint_every": 400,
        "log_every": 2,
        "learn_threads": 1,
    }
    return RunConfig(
        suite=suite,
        agent=SMALL,
        learning=LEARNING,
        collect=CollectConfig(slots=4, steps_per_update=40, start_steps=400, replay_steps=600, explore_length=3.0),
        update=UpdateConfig(sequences=5, warmup_updates=2),
        loop=LoopConfig(**{**settings, **loop}),  # type: ignore[arg-type]
    )


def agent(
    learning: LearningConfig = LEARNING,
    config: AgentConfig = SMALL,
    *,
    width: int = 6,
    actions: int = 4,
    tasks: int = 3,
    rescaling: str | Rescaling = "none",
    sharing: SharingConfig = SharingConfig(),
    experts: ExpertsConfig = ExpertsConfig(),
    seed: int = 0,
) -> Agent:
    """An agent for made-up observations, in float64."""
    torch.manual_seed(seed)
    if isinstance(rescaling, str):
        rescaling = make_rescaling(rescaling, num_tasks=tasks, value_shape=(len(learning.discounts),))
    return Agent(
        trial_space(width=width, num_actions=actions),
        Discrete(actions),
        tasks,
        config,
        learning,
        rescaling,
        sharing,
        experts,
    ).double()


def batch(
    *,
    tasks: tuple[int, ...] = (0, 1, 2),
    sequences: int = 2,
    time: int = 7,
    width: int = 6,
    actions: int = 4,
    masked: bool = False,
    seed: int = 0,
) -> Batch:
    """A batch of noise with padding of different lengths."""
    rng = np.random.default_rng(seed)
    shape = (len(tasks), sequences, time)
    lengths = rng.integers(1, time + 1, size=shape[:2])
    lengths[0, 0] = time
    mask = torch.from_numpy(np.arange(time) < lengths[..., None])
    last = torch.from_numpy(np.arange(time) == lengths[..., None] - 1)
    start = rng.integers(0, 5, size=shape[:2])
    observation = {
        "vector": rng.standard_normal((*shape[:2], time + 1, width)),
        "previous_action": rng.integers(0, actions + 1, (*shape[:2], time + 1)).astype(float),
        "previous_reward": rng.standard_normal((*shape[:2], time + 1)),
        "attempt_start": rng.integers(0, 2, (*shape[:2], time + 1)).astype(float),
        "time": (start[..., None] + np.arange(time + 1)).astype(float),
    }
    allowed = torch.arange(actions)[None, :] < torch.arange(2, 2 + len(tasks))[:, None].clamp(max=actions)
    limit = allowed.sum(dim=1).numpy() if masked else np.full(len(tasks), actions)
    return Batch(
        observation={key: torch.from_numpy(value).float() for key, value in observation.items()},
        action=torch.from_numpy(rng.integers(0, limit[:, None, None], shape)),
        reward=torch.from_numpy(rng.standard_normal(shape)) * mask,
        terminated=last & torch.from_numpy(rng.random(shape) < 0.5),
        mask=mask,
        task_ids=torch.tensor(tasks),
        allowed=allowed if masked else None,
    )


def scaled(given: Batch, factor: float) -> Batch:
    """The same batch with other rewards to learn from (what the agent sees is left alone)."""
    return replace(given, reward=given.reward * factor)
