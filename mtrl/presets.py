"""A sensible default configuration for each suite. Imports no torch.

Source: popgym-27, babyai-68 and the Procgen suites follow Grigsby et al. 2024 (AMAGO-2), Table of hyperparameters, in
width, layers, context, bins and optimizer.
"""

from dataclasses import replace

from mtrl.agent.config import AgentConfig
from mtrl.config import RunConfig
from mtrl.learning.config import LearningConfig
from mtrl.meta_presets import meta_preset
from mtrl.training.config import CollectConfig, LoopConfig, UpdateConfig

_PRESETS: dict[str, RunConfig] = {
    "popgym-27": RunConfig(
        suite="popgym-27",
        agent=AgentConfig(width=256, layers=3, attention_heads=8, context=600, head_width=256),
        learning=LearningConfig(bins=64),
        collect=CollectConfig(
            slots=24, steps_per_update=240, replay_steps=4_000_000, start_steps=50_000, explore_steps=2_000_000
        ),
        update=UpdateConfig(sequences=24, learning_rate=1e-4, weight_decay=1e-4, clip=1.0),
        loop=LoopConfig(steps=100_000_000, evaluate_every=1_000_000, checkpoint_every=1_000_000),
    ),
    # Two cores, a few minutes: a GRU, short windows, few discounts, and bins that are fine around zero yet reach far.
    "popgym-quick": RunConfig(
        suite="popgym-quick",
        agent=AgentConfig(memory="gru", context=64, critics=2),
        learning=LearningConfig(value_unit=0.02, discounts=(0.5, 0.9), acting_discount=0.9, target_rate=0.02),
        collect=CollectConfig(slots=16, steps_per_update=64, explore_steps=80_000),
        update=UpdateConfig(sequences=40, learning_rate=1e-3, last_learning_rate=0.05),
        loop=LoopConfig(steps=200_000, evaluate_every=20_000, checkpoint_every=20_000),
    ),
}

# Two cores, a minute and a half. Goals are rare under random play: actions are held while exploring, and lambda-returns
# carry back what is found. Observations tell everything, so the windows are short.
_PRESETS["classic-control"] = RunConfig(
    suite="classic-control",
    agent=AgentConfig(width=32, layers=1, attention_heads=2, context=16, head_width=64, critics=2),
    learning=LearningConfig(discounts=(0.9, 0.97), acting_discount=0.97, target_rate=0.05, return_lambda=0.9),
    collect=CollectConfig(
        slots=16, steps_per_update=32, explore_steps=60_000, explore_to=0.1, explore_length=4, replay_steps=200_000
    ),
    update=UpdateConfig(sequences=48, learning_rate=3e-3, last_learning_rate=0.05),
    loop=LoopConfig(steps=90_000, evaluate_every=15_000, checkpoint_every=30_000),
)

# Half a minute: trials of one step, so no memory to speak of and no values to come.
_PRESETS["clash"] = RunConfig(
    suite="clash",
    agent=AgentConfig(memory="gru", width=32, layers=1, context=1, head_width=64, critics=2),
    learning=LearningConfig(
        actor="policy-gradient",
        critic="regression",
        discounts=(0.0,),
        acting_discount=0.0,
        target_rate=0.1,
        entropy_weight=0.01,
    ),
    collect=CollectConfig(
        slots=16, steps_per_update=64, start_steps=1_000, explore_steps=10_000, explore_to=0.2, replay_steps=20_000
    ),
    update=UpdateConfig(sequences=256, learning_rate=3e-3, last_learning_rate=0.05),
    loop=LoopConfig(steps=20_000, evaluate_every=5_000, checkpoint_every=10_000, evaluate_trials=200),
)


_PAPER_BABYAI = RunConfig(
    suite="babyai-68",
    agent=AgentConfig(width=256, layers=4, attention_heads=8, context=512, head_width=256),
    learning=LearningConfig(bins=32),
    collect=CollectConfig(
        slots=24, steps_per_update=240, replay_steps=10_000_000, start_steps=50_000, explore_steps=2_000_000
    ),
    update=UpdateConfig(sequences=24, learning_rate=1e-4, weight_decay=1e-3, clip=1.0),
    loop=LoopConfig(steps=130_000_000, evaluate_every=2_000_000, checkpoint_every=1_000_000),
)
# The replay of frames is what fits 24 GiB, a fiftieth of the paper's.
_PAPER_PROCGEN = RunConfig(
    suite="procgen-5",
    agent=AgentConfig(width=512, layers=3, attention_heads=8, context=128, head_width=256, image_chunk=1024),
    learning=LearningConfig(bins=128),
    collect=CollectConfig(
        slots=24, steps_per_update=240, replay_steps=400_000, start_steps=50_000, explore_steps=2_000_000
    ),
    update=UpdateConfig(sequences=24, learning_rate=1e-4, weight_decay=5e-3, clip=1.0),
    loop=LoopConfig(steps=275_000_000, evaluate_every=2_000_000, checkpoint_every=1_000_000),
)
_PRESETS |= {
    "babyai-68": _PAPER_BABYAI,
    **{
        name: replace(_PAPER_PROCGEN, suite=name)
        for name in ("procgen-5", "procgen-16", "procgen-16-hard", "procgen-16-memory")
    },
    # Two cores, ten minutes. Rewards are rare. The policy gradient, whose steps are as long as the advantages that the
    # critics see, and an entropy bonus keep the policy from chasing the noise of critics that know nothing yet, as
    # filtered imitation does here (half the return after 60,000 steps).
    "babyai-quick": RunConfig(
        suite="babyai-quick",
        agent=AgentConfig(memory="gru", width=96, context=64, critics=2, token_width=32),
        learning=LearningConfig(
            actor="policy-gradient",
            critic="regression",
            discounts=(0.8, 0.9),
            acting_discount=0.9,
            target_rate=0.05,
            entropy_weight=0.1,
        ),
        collect=CollectConfig(
            slots=16, steps_per_update=64, explore_steps=60_000, explore_to=0.05, replay_steps=400_000
        ),
        update=UpdateConfig(sequences=12, learning_rate=1e-3, last_learning_rate=0.05),
        loop=LoopConfig(steps=300_000, evaluate_every=30_000, checkpoint_every=60_000),
    ),
    # Two cores, half an hour to three quarters. Lambda-returns carry rewards back at once, short windows make room for
    # many different ones in a batch, and a slow policy head does not chase critics that know little: without these
    # nothing was learnt. A quarter of the actions stay random, and the replay (3.7 GB) goes back far: critics that see
    # one action alone forget the others.
    "procgen-quick": RunConfig(
        suite="procgen-quick",
        agent=AgentConfig(
            memory="gru",
            width=96,
            context=20,
            image_stride=4,
            image_channels=(16, 32),
            image_blocks=1,
            image_chunk=1024,
        ),
        learning=LearningConfig(
            actor="policy-gradient",
            critic="regression",
            discounts=(0.9, 0.97),
            acting_discount=0.97,
            return_lambda=0.9,
            target_rate=0.02,
            entropy_weight=0.01,
        ),
        collect=CollectConfig(
            slots=24,
            steps_per_update=240,
            explore_steps=200_000,
            explore_to=0.25,
            start_steps=20_000,
            replay_steps=300_000,
        ),
        update=UpdateConfig(sequences=36, learning_rate=3e-4, policy_rate=0.1, last_learning_rate=0.05),
        loop=LoopConfig(steps=1_000_000, evaluate_every=50_000, checkpoint_every=250_000),
    ),
}


def _on_policy(config: RunConfig) -> RunConfig:
    """PPO where the preset learns from a replay: many slots, whole rollouts, one critic of one discount, and ten times
    the steps, as each is learnt from a few times only."""
    small = config.agent.width <= 128
    rollout, steps = 128, config.loop.steps * (10 if small else 1)
    return replace(
        config,
        agent=replace(config.agent, context=max(config.agent.context, rollout), critics=1),
        learning=replace(
            config.learning,
            actor="ppo",
            critic="regression",
            discounts=(0.99,),
            acting_discount=0.99,
            return_lambda=0.0,
            entropy_weight=0.01,
        ),
        collect=replace(config.collect, slots=64, steps_per_update=64, rollout_length=rollout),
        update=replace(
            config.update,
            minibatches=8,
            learning_rate=1e-3 if small else 3e-4,
            policy_rate=1.0,
            last_learning_rate=0.05,
        ),
        loop=replace(config.loop, steps=steps, evaluate_every=steps // 10, checkpoint_every=steps // 5),
    )


def preset(suite: str, actor: str | None = None) -> RunConfig:
    """The default configuration for a suite, or one task of it by its id; those without one of their own get the
    general defaults.

    Args:
        actor: one that was asked for; PPO and what learns from a replay have defaults of their own in some suites.
    """
    if (meta := meta_preset(suite, actor)) is not None:
        return meta
    config = _PRESETS.get(suite) or replace(_PRESETS["popgym-quick"], suite=suite)
    return _on_policy(config) if actor == "ppo" else config
