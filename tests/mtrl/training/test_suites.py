"""One agent trains on suites of every kind, is evaluated on what was held out, and goes on after an interruption."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtrl.config import RunConfig
from mtrl.training.evaluate import evaluate_run
from mtrl.training.log import finite
from mtrl.training.loop import train
from tests.mtrl.builders import small_run

MIXED = """
name: everything
invalid_actions: mask
sampling: steps
tasks:
  - popgym:RepeatFirstEasy
  - {id: 'babyai:GoToObj', attempts: 2, instance: same, max_steps: 40}
  - {id: 'gym:CartPole-v1', max_steps: 60, seeds: [0, 100], test_seeds: [100, 200]}
  - {id: 'custom:image', make: 'tests.tasks.simulators:image', options: {size: 20}}
  - {id: 'gym:MountainCar-v0', split: test, max_steps: 20}
"""
SQUARE = """
name: square
invalid_actions: mask
tasks:
  - {id: 'custom:square', make: 'tests.tasks.simulators:ColouredSquare'}
"""
CONTINUOUS = """
name: levers
tasks:
  - {id: 'gym:Pendulum-v1', max_steps: 30}
  - {id: 'custom:lever', make: 'tests.tasks.simulators:lever', options: {size: 2}}
"""


def run_of(folder: Path, text: str, *, actor: str = "filtered", critic: str = "two-hot") -> RunConfig:
    file = folder / "suite.yaml"
    file.write_text(text)
    config = small_run(str(file), evaluate_trials=1)
    config = replace(config, collect=replace(config.collect, workers=0))
    learning = replace(config.learning, actor=actor, critic=critic)  # type: ignore[arg-type]
    return replace(config, learning=learning, agent=replace(config.agent, image_channels=(4, 4), image_blocks=0))


def plain(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k not in ("seconds", "versions")} for record in records]


def test_vectors_grids_words_and_images_train_together_and_resume_to_the_same_bits(tmp_path: Path) -> None:
    config = run_of(tmp_path, MIXED)
    config = replace(config, conflict=replace(config.conflict, strategy="pcgrad"))
    whole = list(train(config, tmp_path / "whole"))
    evaluation = [record for record in whole if record["kind"] == "evaluation"][-1]
    assert set(evaluation["tasks"]) == {"RepeatFirstEasy", "GoToObj", "CartPole-v1", "image"}
    assert set(evaluation["held_out"]["tasks"]) == {"MountainCar-v0"}
    assert evaluation["held_out"]["tasks"]["MountainCar-v0"]["return"] == -20.0
    assert len(evaluation["tasks"]["GoToObj"]["attempts"]) == 2
    collected = [record for record in whole if record["kind"] == "collect"][-1]
    assert sum(collected["share"].values()) == pytest.approx(1.0, abs=1e-4)
    assert collected["share"]["image"] > collected["share"]["CartPole-v1"]  # the shorter, the oftener
    part = []
    for record in train(config, tmp_path / "part"):
        part.append(record)
        if record["kind"] == "evaluation":
            break
    resumed = list(train(config, tmp_path / "part", resume=True))
    done = next(record["records"] for record in resumed if record["kind"] == "resume")
    assert plain(part[:done]) + plain(resumed[1:]) == plain(whole)
    assert evaluate_run(tmp_path / "whole", trials=1)["held_out"]["tasks"]


@pytest.mark.parametrize(
    ("actor", "critic"), [("filtered", "two-hot"), ("policy-gradient", "regression"), ("filtered", "c51")]
)
def test_continuous_suites_train_and_resume_to_the_same_bits(actor: str, critic: str, tmp_path: Path) -> None:
    config = run_of(tmp_path, CONTINUOUS, actor=actor, critic=critic)
    whole = list(train(config, tmp_path / "whole"))
    assert np.isfinite(
        [value for record in whole if record["kind"] == "update" for value in record["loss"].values()]
    ).all()
    for record in train(config, tmp_path / "part"):
        if record["kind"] == "evaluation":
            break
    resumed = list(train(config, tmp_path / "part", resume=True))
    done = next(record["records"] for record in resumed if record["kind"] == "resume")
    assert plain(resumed[1:]) == plain(whole)[done:]


def test_a_suite_file_that_has_changed_is_no_longer_the_same_run(tmp_path: Path) -> None:
    config = run_of(tmp_path, MIXED)
    for record in train(config, tmp_path / "run"):
        if record["kind"] == "evaluation":
            break
    (tmp_path / "suite.yaml").write_text(MIXED.replace("seeds: [0, 100]", "seeds: [0, 50]"))
    with pytest.raises(ValueError, match="the state is of another suite: its tasks"):
        next(iter(train(config, tmp_path / "run", resume=True)))


def test_the_records_are_fit_for_json(tmp_path: Path) -> None:
    config = run_of(tmp_path, CONTINUOUS)
    kinds = set()
    for record in train(config, tmp_path / "run"):
        assert json.loads(json.dumps(finite(record), allow_nan=False))["steps"] == record["steps"]
        kinds.add(record["kind"])
    assert {"start", "update", "collect", "evaluation", "end"} <= kinds


@pytest.mark.slow
def test_a_policy_is_learnt_from_images(tmp_path: Path) -> None:
    config = run_of(tmp_path, SQUARE, actor="policy-gradient", critic="regression")
    learning = replace(config.learning, discounts=(0.5,), acting_discount=0.5, target_rate=0.05, entropy_weight=0.1)
    collect = replace(
        config.collect, slots=16, steps_per_update=16, start_steps=1000, explore_steps=6000, explore_to=0.2
    )
    config = replace(
        config,
        agent=replace(config.agent, memory="gru", width=64, head_width=128, context=8, image_channels=(8, 16, 16)),
        learning=learning,
        collect=replace(collect, replay_steps=20_000),
        update=replace(config.update, sequences=16, learning_rate=1e-3, warmup_updates=100),
        loop=replace(config.loop, steps=9000, evaluate_every=0, evaluate_trials=20),
    )
    evaluation = [record for record in train(config, tmp_path / "run") if record["kind"] == "evaluation"][-1]
    assert evaluation["tasks"]["square"]["return"] > 6.0  # of 8; at random 2.7
