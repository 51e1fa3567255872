"""Tasks that training never sees, where the others have something of their own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.training.loop import Run, train
from tests.mtrl.builders import small_run

SUITE = """
name: apart
invalid_actions: mask
tasks:
  - id: popgym:RepeatFirstEasy
  - id: popgym:HigherLowerEasy
  - {id: popgym:RepeatPreviousEasy, split: test}
"""
OWN = {
    "heads": {"sharing": SharingConfig(heads="task")},
    "film": {"sharing": SharingConfig(conditioning="film")},
    "care": {"experts": ExpertsConfig(experts="care")},
    "top-k": {"experts": ExpertsConfig(experts="top-k", routed_by="task")},
}


@pytest.fixture
def suite(tmp_path: Path) -> str:
    file = tmp_path / "apart.yaml"
    file.write_text(SUITE)
    return str(file)


@pytest.mark.parametrize("own", OWN)
def test_they_are_refused_before_anything_is_played(own: str, suite: str, tmp_path: Path) -> None:
    config = replace(small_run(suite), **OWN[own])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"holds tasks out \(RepeatPreviousEasy\).*set --unseen-tasks mean"):
        Run(config, tmp_path / "run")


@pytest.mark.parametrize("shared", [SharingConfig(), SharingConfig(unseen_tasks="mean")])
def test_where_tasks_share_everything_nothing_has_to_be_said(shared: Any, suite: str, tmp_path: Path) -> None:
    run = Run(replace(small_run(suite), sharing=shared), tmp_path / "run")
    run.collector.close()
    assert run.suite.held_out and not run.agent.knows_tasks


def test_they_get_the_mean_of_all_where_that_is_asked_for(suite: str, tmp_path: Path) -> None:
    sharing = SharingConfig(heads="task", conditioning="embedding", unseen_tasks="mean")
    records = list(train(replace(small_run(suite, evaluate_every=0), sharing=sharing), tmp_path / "run"))
    (evaluation,) = [record for record in records if record["kind"] == "evaluation"]
    assert list(evaluation["held_out"]["tasks"]) == ["RepeatPreviousEasy"]
    assert len(evaluation["heads"]["policy"]) == 2


def test_groups_of_heads_name_tasks_of_the_whole_suite(tmp_path: Path) -> None:
    config = small_run()
    groups = {"RepeatFirstEasy": "repeat", "RepeatPreviousEasy": "repeat"}
    some = replace(
        config,
        sharing=SharingConfig(heads="group", head_groups=groups),
        play=replace(config.play, only=("RepeatFirstEasy", "HigherLowerEasy")),
    )
    Run(some, tmp_path / "run").collector.close()
    wrong = replace(some, sharing=SharingConfig(heads="group", head_groups={"RepeatFrst": "x"}))
    with pytest.raises(ValueError, match=r"head_groups: expected tasks of popgym-quick .* found \['RepeatFrst'\]"):
        Run(wrong, tmp_path / "other")


def test_groups_of_heads_have_no_place_for_held_out_tasks(suite: str, tmp_path: Path) -> None:
    sharing = SharingConfig(heads="group", head_groups={"RepeatPreviousEasy": "x"}, unseen_tasks="mean")
    with pytest.raises(ValueError, match=r"head_groups: expected tasks of training, found \['RepeatPreviousEasy'\]"):
        Run(replace(small_run(suite), sharing=sharing), tmp_path / "run")
