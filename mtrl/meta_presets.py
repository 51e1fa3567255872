"""Default configurations for suites of small problems that nobody has seen before: RL^2 by PPO, and the main agent
from a replay. Imports no torch."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from mtrl.agent.config import AgentConfig, MemoryName
from mtrl.config import RunConfig
from mtrl.learning.config import LearningConfig
from mtrl.training.config import CollectConfig, ConflictConfig, LoopConfig, UpdateConfig


@dataclass(frozen=True, kw_only=True)
class _Replay:
    """What the main agent, which learns from a replay, has otherwise than RL^2 on the same problems. None: the same."""

    memory: MemoryName | None = None
    weighted: bool = False
    """Imitation weighted by the advantage of what followed, in place of the policy gradient; see `LearningConfig`."""
    discount: float | None = None
    return_lambda: float = 0.9
    entropy: float | None = None
    last_entropy: float = 0.05
    learning_rate: float = 2e-3
    slots: int = 256
    steps_per_update: int | None = None
    """None: some 6,000 updates."""
    batch_steps: int = 6_400
    """Of all sequences together, each of which is a whole trial."""
    explore_to: float = 0.02
    """Few random actions, of which the memory of a short trial is full soon."""
    explore_share: float = 0.1
    """Of the run's steps, over which random actions become that few."""
    critic_weight: float = 10.0
    target_ensemble: Literal["mean", "min-of-two"] = "min-of-two"


@dataclass(frozen=True, kw_only=True)
class _Meta:
    """What RL^2 needs to know of a family of small problems."""

    longest: int
    """Steps of the longest trial."""
    discount: float = 0.99
    entropy: float = 0.01
    last_entropy: float = 1.0
    slots: int | None = None
    """None: as many as make a rollout of some thousand steps."""
    steps: int = 5_000_000
    gae_lambda: float = 0.95
    memory: MemoryName = "gru"
    replay: _Replay = _Replay()


_BANDIT = _Meta(longest=100, steps=3_000_000)
# From a replay 100 pulls earned 67.5 with a discount of 0.99 (one run) and 76 with 0; 10 pulls, where what comes later
# counts for more, 6.65 and 6.6.
_LONG_BANDIT = replace(_BANDIT, replay=_Replay(discount=0.0, entropy=0.05, last_entropy=0.2))
_LONG_PULLS = 50
# Rewards are noise for the most part, and which state and action they came from is what has to be remembered: a memory
# that reads means, and no look ahead. What comes later drowns what an action brings, so that what to remember is learnt
# later (PPO) or was not learnt at all (from a replay).
_MDP = _Meta(
    longest=100,
    discount=0.0,
    memory="linear-attention",
    steps=4_000_000,
    # Many small updates, and a policy that stays uncertain until values of actions differ: it decides what is seen.
    replay=_Replay(entropy=0.1, last_entropy=0.3, slots=64, steps_per_update=192, batch_steps=1_600),
)
# Without a bonus that lasts, agents walk the same way in the third attempt as in the second, and never find what lies
# elsewhere.
_ROOM = _Meta(
    longest=100,
    discount=0.9,
    entropy=0.04,
    last_entropy=0.05,
    slots=256,
    steps=15_000_000,
    # The policy gradient by the critics neither remembers nor searches: what an action brings is lost in their noise.
    # What followed it in the replay says more, and the few steps that bring much have to count for more.
    replay=_Replay(
        weighted=True,
        return_lambda=0.95,
        critic_weight=1.0,
        target_ensemble="mean",
        steps_per_update=768,
        batch_steps=3_200,
        explore_to=0.0,
        explore_share=0.02,
    ),
)
# The door pays some 20 steps after the key. With 0.9 and 15,000,000 steps a fifth attempt earned 1.64 of 2 (one run).
_KEY_DOOR = replace(_ROOM, longest=250, discount=0.97, steps=25_000_000)
_POINT = _Meta(longest=60, discount=0.95)
_HALLWAY = _Meta(longest=24, entropy=0.05)  # at 0.01 nobody ever read the sign
# What was seen long ago decides: what to remember is learnt as a value, whatever the policy does. Hardly an action is
# random, as after a single wrong one in a corridor its end is not reached in time.
_TMAZE = _Meta(
    longest=101,
    steps=1_500_000,
    replay=_Replay(
        memory="transformer",
        discount=0.9,
        return_lambda=0.0,
        entropy=0.005,
        last_entropy=1.0,
        learning_rate=1e-3,
        slots=64,
        steps_per_update=512,
        batch_steps=9_700,
        explore_to=0.002,
    ),
)
_MIX = _Meta(
    longest=100,
    discount=0.9,
    memory="linear-attention",
    entropy=0.02,
    last_entropy=0.2,
    steps=3_000_000,
    replay=_Replay(entropy=0.05, last_entropy=0.2, slots=64, steps_per_update=192, batch_steps=2_400),
)
_TRIALS: dict[str, _Meta] = {
    "bandits": _Meta(longest=500),
    "bandits-shift": _Meta(longest=10),
    "bandit": _BANDIT,
    "tabular-mdp": _MDP,
    "tabular-mdp-shift": _MDP,
    "mdp": _MDP,
    "dark-room": _ROOM,
    "dark-room-shift": _ROOM,
    "dark-key-door": _KEY_DOOR,
    "room": _ROOM,
    "point-robot": _POINT,
    "point-robot-shift": _POINT,
    "point": _POINT,
    "hallway-sign": _HALLWAY,
    "hallway": _HALLWAY,
    "tmaze": _TMAZE,
    "tmaze-shift": _TMAZE,
    "meta-mix": _MIX,
}
_ROLLOUT = 6_400
# Where the name of a task says how many steps an attempt has, and how many these are more.
_STEPS = {"bandit": (r"x(\d+)(@|$)", 0), "mdp": (r"x(\d+)(@|$)", 0), "tmaze": (r":(\d+)$", 1)}


def _rl2(suite: str, meta: _Meta) -> RunConfig:
    """RL^2 on two cores: PPO on whole trials, or on pieces of 100 steps."""
    length = min(meta.longest, 100)
    slots = meta.slots or max(16, min(256, _ROLLOUT // length))
    return RunConfig(
        suite=suite,
        agent=AgentConfig(memory=meta.memory, layers=1, context=meta.longest, head_width=64, critics=1),
        learning=LearningConfig(
            actor="ppo",
            critic="regression",
            discounts=(meta.discount,),
            acting_discount=meta.discount,
            gae_lambda=meta.gae_lambda,
            entropy_weight=meta.entropy,
            last_entropy_weight=meta.last_entropy,
        ),
        conflict=ConflictConfig(measure_every=200),
        collect=CollectConfig(
            slots=slots, steps_per_update=slots, rollout_length=length, start_steps=5_000, explore_steps=50_000
        ),
        update=UpdateConfig(minibatches=8, learning_rate=2e-3, last_learning_rate=0.05),
        loop=LoopConfig(
            steps=meta.steps, evaluate_every=meta.steps // 10, evaluate_trials=200, checkpoint_every=meta.steps // 10
        ),
    )


def _from_replay(config: RunConfig, replay: _Replay) -> RunConfig:
    """The main agent on the same problems."""
    agent, learning, steps = config.agent, config.learning, config.loop.steps
    discount = learning.acting_discount if replay.discount is None else replay.discount
    steps_per_update = replay.steps_per_update or max(2, round(steps / 6_000 / replay.slots)) * replay.slots
    return replace(
        config,
        agent=replace(agent, memory=replay.memory or agent.memory, critics=2),
        learning=replace(
            learning,
            actor="filtered" if replay.weighted else "policy-gradient",
            filter="exponential" if replay.weighted else "binary",
            filter_value="return" if replay.weighted else "critic",
            critic_weight=replay.critic_weight,
            target_ensemble=replay.target_ensemble,
            value_unit=0.05,
            discounts=(discount,),
            acting_discount=discount,
            return_lambda=replay.return_lambda,
            target_rate=0.05,
            entropy_weight=learning.entropy_weight if replay.entropy is None else replay.entropy,
            last_entropy_weight=replay.last_entropy,
        ),
        collect=replace(
            config.collect,
            slots=replay.slots,
            steps_per_update=steps_per_update,
            explore_steps=round(replay.explore_share * steps),
            explore_to=replay.explore_to,
            replay_steps=200_000,
        ),
        update=replace(
            config.update,
            learning_rate=replay.learning_rate,
            sequences=max(16, min(256, replay.batch_steps // agent.context)),
        ),
    )


def _named(suite: str, meta: _Meta) -> _Meta:
    """With the length of a trial that is one attempt at the task of this name."""
    family, _, task = suite.partition(":")
    pattern, more = _STEPS.get(family, ("$^", 0))
    found = re.search(pattern, suite) if task else None
    if not found:
        return meta
    longest = int(found[1]) + more
    return replace(_LONG_BANDIT if meta is _BANDIT and longest >= _LONG_PULLS else meta, longest=longest)


def meta_preset(suite: str, actor: str | None) -> RunConfig | None:
    """The default configuration of a meta-RL suite, or of one task of it by its id; None for other suites.

    Args:
        actor: one that was asked for, as in `mtrl.presets.preset`.
    """
    family = suite.partition(":")[0]
    if family not in _TRIALS:
        return None
    meta = _named(suite, _TRIALS[family])
    config = _rl2(suite, meta)
    if actor in (None, "ppo"):
        return config
    return _from_replay(config, meta.replay)
