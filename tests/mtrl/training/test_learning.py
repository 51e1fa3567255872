"""Every combination of actor, critic, strategy and rescaling learns two small tasks whose rewards differ a
hundredfold, in seconds."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from conflict.registry import RESCALINGS, STRATEGIES, VALUE_TARGETS
from mtrl.agent.config import AgentConfig
from mtrl.config import RunConfig
from mtrl.learning.config import LearningConfig
from mtrl.training.config import CollectConfig, ConflictConfig, LoopConfig, UpdateConfig
from mtrl.training.loop import train
from tasks.registry import SUITES

ACTORS = ("filtered", "policy-gradient")


def config(
    actor: Any, critic: str, conflict: ConflictConfig, memory: Any = "gru", scales: dict[str, float] | None = None
) -> RunConfig:
    run = RunConfig(
        suite="tiny",
        agent=AgentConfig(memory=memory, width=16, layers=1, attention_heads=2, context=10, head_width=32, critics=2),
        learning=LearningConfig(
            actor=actor,
            critic=critic,
            bins=12,
            value_reach=2.0,
            discounts=(0.0, 0.5),
            acting_discount=0.0,
            target_rate=0.1,
            entropy_weight=0.4 if actor == "policy-gradient" else 0.0,
        ),
        conflict=conflict,
        collect=CollectConfig(
            slots=8, steps_per_update=16, start_steps=400, explore_from=1.0, explore_to=0.5, explore_steps=2_000
        ),
        update=UpdateConfig(sequences=16, learning_rate=5e-3, warmup_updates=5),
        loop=LoopConfig(
            steps=6_400, evaluate_every=0, evaluate_trials=20, greedy=True, checkpoint_every=0, learn_threads=1
        ),
    )
    return replace(run, play=replace(run.play, reward_scales=scales or {}))


def returns(run: RunConfig, out: Path) -> dict[str, float]:
    (last,) = [record for record in train(run, out) if record["kind"] == "evaluation"]
    return {name: entry["return"] for name, entry in last["tasks"].items()}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SUITES, "tiny", "tests.mtrl.tiny:suite")


def combinations() -> list[Any]:
    """All of them; quick are as many as there are strategies, among which every actor meets every critic."""
    pairs = list(product(ACTORS, VALUE_TARGETS))
    assert len(pairs) <= len(STRATEGIES)
    quick = {(*pairs[i % len(pairs)], strategy) for i, strategy in enumerate(STRATEGIES)}
    return [
        pytest.param(*combination, marks=() if combination in quick else pytest.mark.slow)
        for combination in product(ACTORS, VALUE_TARGETS, STRATEGIES)
    ]


@pytest.mark.parametrize(("actor", "critic", "strategy"), combinations())
def test_every_actor_critic_and_strategy_learns(actor: str, critic: str, strategy: str, tmp_path: Path) -> None:
    """On equal reward scales: at least two cues of three (10 a trial is the optimum, chance 3.3)."""
    found = returns(config(actor, critic, ConflictConfig(strategy=strategy), scales={"next": 100.0}), tmp_path / "run")
    assert found["same"] > 6
    assert 100 * found["next"] > 6


@pytest.mark.parametrize("rescaling", [name for name in RESCALINGS if name != "none"])
def test_every_rescaling_learns(rescaling: str, tmp_path: Path) -> None:
    """The product of rescalings, strategies and value targets is walked in tests/conflict/test_usage.py."""
    found = returns(
        config("filtered", "regression", ConflictConfig(rescaling=rescaling), scales={"next": 100.0}), tmp_path / "run"
    )
    assert found["same"] > 8
    assert 100 * found["next"] > 8


@pytest.mark.parametrize("memory", ["gru", "transformer"])
def test_per_task_popart_and_filtered_imitation_see_a_task_whose_rewards_are_a_hundred_times_smaller(
    memory: str, tmp_path: Path
) -> None:
    found = returns(config("filtered", "regression", ConflictConfig(rescaling="popart"), memory), tmp_path / "run")
    assert found["same"] > 8
    assert 100 * found["next"] > 8


@pytest.mark.parametrize(
    ("memory", "critic", "conflict"),
    [
        ("transformer", "regression", ConflictConfig()),
        ("linear-attention", "regression", ConflictConfig()),
        pytest.param("gru", "two-hot", ConflictConfig(strategy="pcgrad"), marks=pytest.mark.slow),
        pytest.param(
            "gru", "regression", ConflictConfig(strategy="cagrad", rescaling="popart"), marks=pytest.mark.slow
        ),
    ],
)
def test_ppo_learns_with_every_kind_of_remedy(
    memory: str, critic: str, conflict: ConflictConfig, tmp_path: Path
) -> None:
    run = config("ppo", critic, conflict, memory, scales={"next": 100.0})
    run = replace(
        run,
        learning=replace(run.learning, discounts=(0.5,), acting_discount=0.5, entropy_weight=0.02),
        collect=replace(run.collect, rollout_length=20),
        update=replace(run.update, learning_rate=2e-3),
        loop=replace(run.loop, steps=9_600),
    )
    found = returns(run, tmp_path / "run")
    assert found["same"] > 6
    assert 100 * found["next"] > 6
