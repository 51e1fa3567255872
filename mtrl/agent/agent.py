"""One shared backbone for all tasks: encoders, memory, actor and critics."""

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from conflict.registry import make_rescaling, make_value_target
from conflict.rescaling.rescaling import Rescaling
from conflict.rescaling.task_affine import TaskAffine
from conflict.value.value_target import ValueTarget
from mtrl.agent.config import AgentConfig
from mtrl.agent.critic import CriticEnsemble
from mtrl.agent.encoders.timestep import Sequences, TimestepEncoder
from mtrl.agent.insight import Insight, look_inside
from mtrl.agent.memory.gru import GRU
from mtrl.agent.memory.memory import Memory, State
from mtrl.agent.memory.transformer import Transformer
from mtrl.agent.policy import DiscretePolicy, Policy
from mtrl.agent.squashed_normal import SquashedNormalPolicy
from mtrl.learning.actor_critic import TaskLosses, task_losses
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig

# The window holds the step after the last trained one too: its value is the last target.
MEMORIES: dict[str, Callable[[AgentConfig], Memory]] = {
    "transformer": lambda c: Transformer(c.width, c.layers, c.attention_heads, window=c.context + 1),
    "gru": lambda c: GRU(c.width, c.layers),
}


class Agent(nn.Module):
    """The network, its target critics, and how it acts. What it learns from a batch is in `mtrl.learning`.

    Args:
        observation_space: the suite's padded observation, a Dict with one entry per key.
        action_space: the suite's padded one: Discrete, or a Box of rank 1 from -1 to 1.
        num_tasks: tasks of the suite; sizes per-task statistics alone, the network does not see the task.
        rescaling: one that normalises returns sets the unit of the critics' outputs. Without one, critics that regress
            have one PopArt over all tasks (see `LearningConfig.popart`), and critics that classify none.
    """

    def __init__(
        self,
        observation_space: gym.spaces.Dict,
        action_space: gym.Space[Any],
        num_tasks: int,
        config: AgentConfig,
        learning: LearningConfig,
        rescaling: Rescaling,
    ) -> None:
        super().__init__()
        action_space = _known(action_space)
        self.discounts: Tensor
        self.register_buffer("discounts", torch.tensor(learning.discounts), persistent=False)
        self.acting = learning.discounts.index(learning.acting_discount)
        self.value_target: ValueTarget = make_value_target(learning.critic, learning.target_options())
        if self.value_target.distributional and learning.return_lambda:
            raise ValueError(
                f"return_lambda {learning.return_lambda} is for critics with scalar targets; {learning.critic} learns "
                "the next step's distribution: leave it at 0"
            )
        self.encoder = TimestepEncoder(observation_space, action_space, config)
        self.memory = MEMORIES[config.memory](config)
        self.policy: Policy
        if isinstance(action_space, gym.spaces.Box):
            size = action_space.shape[0]
            self.policy = SquashedNormalPolicy(config.width, config.head_width, size, len(learning.discounts))
        else:
            actions = int(action_space.n)
            self.policy = DiscretePolicy(config.width, config.head_width, actions, len(learning.discounts))
        if rescaling.normalises_returns:
            self.normaliser = rescaling
        else:
            default = "popart-global" if self.value_target.linear and learning.popart else "none"
            self.normaliser = make_rescaling(default, num_tasks=num_tasks, value_shape=(len(learning.discounts),))
        # Only a scalar output can be rewritten so that it keeps its value while the statistics move.
        affine = (
            TaskAffine(self.normaliser.num_groups, len(learning.discounts), leading=(config.critics,))
            if self.normaliser.normalises_returns and self.value_target.linear
            else None
        )
        self.critic = CriticEnsemble(
            config.width,
            config.head_width,
            action_space,
            len(learning.discounts),
            self.value_target.num_outputs,
            config.critics,
            affine,
            self.value_target.prior(),
        )
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.rows_of_all: Callable[..., tuple[Tensor, ...]] = _own_rows
        """What makes this process's rows those of all that train together; see `mtrl.training.ranks`."""

    def encode(self, observation: dict[str, Tensor], sequences: Sequences | None = None) -> Tensor:
        """Backbone features [sequence, time, width] of observations [sequence, time, ...]; `sequences` in training."""
        features: Tensor = self.memory(self.encoder(observation, sequences), observation["time"].long())
        return features

    @torch.no_grad()
    def act(
        self,
        observation: dict[str, Tensor],
        state: State,
        allowed: Tensor | None,
        *,
        greedy: bool = False,
        generator: torch.Generator,
    ) -> Tensor:
        """One action for every actor: [actor], or [actor, size] where actions are continuous.

        Args:
            observation: [actor, ...] under every key; actors may stand at different times.
            state: of the memory; changed in place.
            allowed: the actions that each actor's task has, or the numbers of a continuous one; None for all.
        """
        features = self.memory.step(self.encoder(observation), observation["time"].long(), state)
        return self.policy.act(features, self.acting, allowed, greedy=greedy, generator=generator)

    @torch.no_grad()
    def inspect(self, observation: dict[str, Tensor], state: State, allowed: Tensor | None, task_id: Tensor) -> Insight:
        """What the agent thinks of what it sees before it acts. Nothing changes, neither `state` nor a generator.

        Args:
            observation, state, allowed: as for `act`.
            task_id: [actor] the tasks; read where the critics' unit is each task's own.
        """
        unchanged = {key: value.clone() for key, value in state.items()}
        features = self.memory.step(self.encoder(observation), observation["time"].long(), unchanged)
        return look_inside(self, features, allowed, task_id)

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """What the optimizer moves: all but the target critics."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def owned_parameters(self) -> list[nn.Parameter]:
        """Parameters of which each task has its own: never projected by a strategy."""
        affine = self.critic.affine
        return [] if affine is None or affine.num_tasks == 1 else list(affine.parameters())

    def task_losses(
        self, batch: Batch, config: LearningConfig, generator: torch.Generator, *, observe: bool = True
    ) -> TaskLosses:
        """Losses (loss_k) of the tasks in a batch, and metrics; see `mtrl.learning.actor_critic`."""
        return task_losses(self, batch, config, generator, observe=observe)

    @torch.no_grad()
    def follow(self, rate: float) -> None:
        """Move the target critics towards the critics."""
        for target, source in zip(self.target_critic.parameters(), self.critic.parameters(), strict=True):
            target.lerp_(source, rate)


def _own_rows(*rows: Tensor) -> tuple[Tensor, ...]:
    return rows


def _known(space: gym.Space[Any]) -> gym.spaces.Discrete | gym.spaces.Box:
    if isinstance(space, gym.spaces.Discrete):
        return space
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1:
        return space
    raise ValueError(f"expected an action space that is Discrete or a Box of rank 1, found {space}")
