"""One shared backbone for all tasks: encoders, memory, actor and critics."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from conflict.registry import make_rescaling, make_value_target
from conflict.rescaling.rescaling import Rescaling
from conflict.rescaling.task_affine import TaskAffine
from conflict.value.value_target import ValueTarget
from mtrl.agent.conditioning import Conditioning
from mtrl.agent.config import AgentConfig
from mtrl.agent.critic import CriticEnsemble
from mtrl.agent.encoders.timestep import Sequences, TimestepEncoder
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.experts.registry import MakeMixture, mixture_maker
from mtrl.agent.experts.routes import ExpertBlock, Routes
from mtrl.agent.insight import Insight, look_inside
from mtrl.agent.memory.gru import GRU
from mtrl.agent.memory.linear_attention import LinearAttention
from mtrl.agent.memory.memory import Memory, State
from mtrl.agent.memory.transformer import Transformer
from mtrl.agent.policy import DiscretePolicy, Policy
from mtrl.agent.sharing import SharingConfig
from mtrl.agent.squashed_normal import SquashedNormalPolicy
from mtrl.agent.task_heads import TaskLinear
from mtrl.agent.task_table import TaskTable
from mtrl.learning.actor_critic import TaskLosses, task_losses
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig
from mtrl.learning.ppo import ppo_losses

# The window holds the step after the last trained one too: its value is the last target.
MEMORIES: dict[str, Callable[[AgentConfig, MakeMixture | None], Memory]] = {
    "transformer": lambda c, mixture: Transformer(c.width, c.layers, c.attention_heads, c.context + 1, mixture),
    "linear-attention": lambda c, mixture: LinearAttention(c.width, c.layers, c.attention_heads, mixture),
    "gru": lambda c, mixture: GRU(c.width, c.layers),
}


@dataclass(frozen=True)
class ValueKind:
    """What the critics' outputs say: numbers of two agents mean the same only if these are equal."""

    critic: str
    options: dict[str, Any]
    discounts: tuple[float, ...]
    of_states: bool
    """Of states, and not of actions."""


class Agent(nn.Module):
    """The network, its target critics, and how it acts. What it learns from a batch is in `mtrl.learning`.

    Args:
        observation_space: the suite's padded observation, a Dict with one entry per key.
        action_space: the suite's padded one: Discrete, or a Box of rank 1 from -1 to 1.
        num_tasks: tasks of the suite; sizes what tasks have of their own.
        rescaling: one that normalises returns sets the unit of the critics' outputs. Without one, critics that regress
            have one PopArt over all tasks (see `LearningConfig.popart`), and critics that classify none.
        sharing: what the network is told of the task, and what tasks have of their own: nothing, as it stands.
        experts: mixtures in the backbone; none, as it stands.
        task_names: for groups of heads.
    """

    def __init__(
        self,
        observation_space: gym.spaces.Dict,
        action_space: gym.Space[Any],
        num_tasks: int,
        config: AgentConfig,
        learning: LearningConfig,
        rescaling: Rescaling,
        sharing: SharingConfig = SharingConfig(),
        experts: ExpertsConfig = ExpertsConfig(),
        task_names: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        action_space = _known(action_space)
        self.num_tasks, self.sharing, self.num_experts = num_tasks, sharing, experts.num_experts
        names = task_names or tuple(map(str, range(num_tasks)))
        heads = None if sharing.heads == "shared" else sharing.heads_of(names)
        self.discounts: Tensor
        self.register_buffer("discounts", torch.tensor(learning.discounts), persistent=False)
        self.acting = learning.discounts.index(learning.acting_discount)
        self.values = ValueKind(
            learning.critic, learning.target_options(), learning.discounts, of_states=learning.on_policy
        )
        self.value_target: ValueTarget = make_value_target(learning.critic, learning.target_options())
        if self.value_target.distributional and learning.return_lambda:
            raise ValueError(
                f"return_lambda {learning.return_lambda} is for critics with scalar targets; {learning.critic} learns "
                "the next step's distribution: leave it at 0"
            )
        if learning.on_policy:  # or the policy that learns would not be the policy that acted
            config = replace(config, image_shift=0)
            experts = replace(experts, router_noise=0.0, capacity=0.0)
        self.encoder = TimestepEncoder(observation_space, action_space, config, sharing)
        self.conditioning = Conditioning(config.width, num_tasks, sharing)
        mixture = mixture_maker(config.width, num_tasks, experts)
        inside = mixture if experts.experts_in != "encoder" else None
        if inside is not None and config.memory == "gru":
            raise ValueError(
                f"experts_in {experts.experts_in}: a GRU has no feed-forward blocks; expected encoder, or a memory "
                "that has them (transformer, linear-attention)"
            )
        self.experts = None
        if mixture is not None and experts.experts_in != "blocks":
            self.experts = ExpertBlock(config.width, mixture())
        self.memory = MEMORIES[config.memory](config, inside)
        self.policy: Policy
        if isinstance(action_space, gym.spaces.Box):
            size = action_space.shape[0]
            self.policy = SquashedNormalPolicy(config.width, config.head_width, size, len(learning.discounts), heads)
        else:
            actions = int(action_space.n)
            self.policy = DiscretePolicy(config.width, config.head_width, actions, len(learning.discounts), heads)
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
            None if learning.on_policy else action_space,
            len(learning.discounts),
            self.value_target.num_outputs,
            config.critics,
            affine,
            self.value_target.prior(),
            heads,
        )
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.frozen_rows: dict[str, Tensor] = {}
        """[row] of parameters of which tasks have rows: those that no update moves; see `mtrl.training.transfer`."""
        self.rows_of_all: Callable[..., tuple[Tensor, ...]] = _own_rows
        """What makes this process's rows those of all that train together; see `mtrl.training.ranks`."""

    def encode(
        self,
        observation: dict[str, Tensor],
        task: Tensor | None = None,
        sequences: Sequences | None = None,
        routes: Routes | None = None,
    ) -> Tensor:
        """Backbone features [sequence, time, width] of observations [sequence, time, ...].

        Args:
            task: [sequence] the tasks; None: not told, where nothing is read from them.
            sequences: in training.
            routes: what mixtures of experts are told and tell; None: the tasks, and as in acting.
        """
        routes = routes or Routes(task)
        features = self._features(observation, task, sequences, routes)
        remembered: Tensor = self.memory(features, observation["time"].long(), routes)
        return remembered

    def _features(
        self, observation: dict[str, Tensor], task: Tensor | None, sequences: Sequences | None, mix: Routes
    ) -> Tensor:
        """What the memory reads."""
        features: Tensor = self.conditioning(self.encoder(observation, sequences), task)
        return features if self.experts is None else self.experts(features, mix)

    @torch.no_grad()
    def remember(self, observation: dict[str, Tensor], state: State, task: Tensor | None = None) -> Tensor:
        """The backbone's features [actor, width] of one step of every actor, from which `policy` acts.

        Args:
            observation, state, task: as for `act`.
        """
        return self._remembered(observation, state, task, Routes(task))

    def _remembered(self, observation: dict[str, Tensor], state: State, task: Tensor | None, routes: Routes) -> Tensor:
        features = self._features(observation, task, None, routes)
        return self.memory.step(features, observation["time"].long(), state, routes)

    @torch.no_grad()
    def act(
        self,
        observation: dict[str, Tensor],
        state: State,
        allowed: Tensor | None,
        task: Tensor | None = None,
        *,
        greedy: bool = False,
        generator: torch.Generator,
    ) -> Tensor:
        """One action for every actor: [actor], or [actor, size] where actions are continuous.

        Args:
            observation: [actor, ...] under every key; actors may stand at different times.
            state: of the memory; changed in place.
            allowed: the actions that each actor's task has, or the numbers of a continuous one; None for all.
            task: [actor] the tasks; a number beyond those of training stands for any that was not trained. None: not
                told, where nothing is read from them.
        """
        remembered = self.remember(observation, state, task)
        return self.policy.act(remembered, self.acting, allowed, task, greedy=greedy, generator=generator)

    @torch.no_grad()
    def inspect(self, observation: dict[str, Tensor], state: State, allowed: Tensor | None, task: Tensor) -> Insight:
        """What the agent thinks of what it sees before it acts. Nothing changes, neither `state` nor a generator.

        Args:
            observation, state, allowed, task: as for `act`; values of a task that was not trained mean nothing.
        """
        unchanged = {key: value.clone() for key, value in state.items()}
        routes = Routes(task)
        remembered = self._remembered(observation, unchanged, task, routes)
        return look_inside(self, remembered, allowed, task, routes.routings)

    @property
    def knows_tasks(self) -> bool:
        """Whether tasks have something of their own here: heads, or vectors in some table."""
        return any(isinstance(module, TaskTable | TaskLinear) for module in self.modules())

    @property
    def expert_counts(self) -> tuple[int, ...]:
        """Experts in each mixture of the backbone, in the order in which features pass them."""
        return (self.num_experts,) * sum(isinstance(module, Mixture) for module in self.modules())

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """What the optimizer moves: all but the target critics."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def owned_parameters(self) -> list[nn.Parameter]:
        """Parameters of which each task has its own: never projected by a strategy."""
        affine = self.critic.affine
        owned = [] if affine is None or affine.num_tasks == 1 else list(affine.parameters())
        owned += [module.weight for module in self.modules() if isinstance(module, TaskTable)]
        heads = (self.policy.last, self.critic.outputs)
        owned += [head.get_parameter(name) for head in heads if isinstance(head, TaskLinear) for name in head.owned]
        return owned

    def task_losses(
        self, batch: Batch, config: LearningConfig, generator: torch.Generator, *, observe: bool = True
    ) -> TaskLosses:
        """Losses (loss_k) of the tasks in a batch, and metrics; see `mtrl.learning.actor_critic` and `.ppo`."""
        return (ppo_losses if config.on_policy else task_losses)(self, batch, config, generator, observe=observe)

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
