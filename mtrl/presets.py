"""A sensible default configuration for each suite. Imports no torch.

Source: popgym-27 follows Grigsby et al. 2024 (AMAGO-2), Table of hyperparameters, in width, layers, context, bins and
optimizer.
"""

from dataclasses import replace

from mtrl.agent.config import AgentConfig
from mtrl.config import RunConfig
from mtrl.learning.config import LearningConfig
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


def preset(suite: str) -> RunConfig:
    """The default configuration for a suite; suites without one of their own get the general defaults."""
    return _PRESETS[suite] if suite in _PRESETS else replace(_PRESETS["popgym-quick"], suite=suite)
