"""Playing references: every trial counts alike, figures can be made again, and mistakes are explained."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.references.__main__ import main
from baselines.references.families import family_of
from baselines.references.play import play
from tasks.meta.source import Point
from tasks.registry import load_suite
from tasks.task import Task


class Uniform:
    """Random moves."""

    def __init__(self, num_slots: int, generator: np.random.Generator) -> None:
        self.num_slots, self.generator = num_slots, generator

    def act(self, observation: Any) -> Any:
        """Any of four."""
        return self.generator.integers(4, size=self.num_slots)


def hallway(**changes: Any) -> Task:
    """A task whose trials differ in length."""
    return dataclasses.replace(load_suite("hallway-sign").tasks[0], **changes)


def test_curves_sum_to_the_return_and_trials_are_all_played() -> None:
    found = play(hallway(), Uniform, trials=103, seed=0, num_slots=10)
    assert found.result.trials == 103 and 4 <= found.result.steps <= 24
    assert sum(found.attempts) == pytest.approx(found.result.mean, abs=1e-5)
    assert sum(found.steps) == pytest.approx(found.result.mean, abs=1e-5) and len(found.steps) <= 24


def test_the_number_of_slots_makes_no_difference_to_the_mean() -> None:
    """Were the first trials to end counted, short ones would be too many, and they are those that are paid."""
    few, many = (play(hallway(), Uniform, trials=2000, seed=0, num_slots=slots).result for slots in (20, 2000))
    assert abs(few.mean - many.mean) < 1.5 * (few.interval[1] - few.mean)
    assert abs(few.steps - many.steps) <= 1


def test_figures_are_made_again_by_the_seed_and_do_not_see_the_reward_scale() -> None:
    make = family_of(hallway()).references["posterior-sampling"]
    first, again, scaled, other = (
        play(task, make, trials=64, seed=seed)
        for task, seed in ((hallway(), 0), (hallway(), 0), (hallway(reward_scale=9.0), 0), (hallway(), 1))
    )
    assert first == again == scaled != other


@pytest.mark.parametrize(("trials", "num_slots"), [(1, 8), (8, 0)])
def test_too_few_trials_or_slots_are_refused(trials: int, num_slots: int) -> None:
    with pytest.raises(ValueError, match="at least 2 trials and one slot"):
        play(hallway(), Uniform, trials=trials, seed=0, num_slots=num_slots)


@pytest.mark.parametrize("change", [{"warmup_attempts": 1}, {"instance": "fresh"}, {"max_steps": 5}])
def test_trials_that_references_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="references expect trials without warm-up"):
        family_of(hallway(**change))


def test_tasks_without_references_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no references for ClashSimulator; there are some for Bandit"):
        family_of(load_suite("clash").tasks[0])
    with pytest.raises(SystemExit):
        main(["clash"])
    assert "no references for ClashSimulator" in capsys.readouterr().err


def test_the_command_prints_json_and_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "references.json"
    main(["hallway-sign", "--trials", "20", "--seed", "3", "--out", str(out), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text())
    assert printed["command"] == "python -m baselines.references hallway-sign --trials 20 --seed 3"
    found = printed["tasks"]["hallway:sign"]
    assert found["attempts"] == 2
    assert list(found["references"]) == ["random", "reads-the-sign", "posterior-sampling", "known instance"]
    assert found["references"]["reads-the-sign"]["return_of_attempt"] == [1.0, 1.0]
    assert found["references"]["known instance"]["interval"] == [2.0, 2.0]


def test_the_command_prints_a_table_with_held_out_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    main(["bandits-shift", "--trials", "10"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")][-1] == "bandit:gaussian-5x10"
    assert sum(line.startswith("  random") for line in lines) == 4


def test_a_task_in_two_protocols_is_refused_as_results_go_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dark-room", "room:dark", "--trials", "10"])
    told = capsys.readouterr().err
    assert "room:dark comes twice, with other attempts (5 and 1)" in told and "or set --attempts" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("warmup_attempts: 1", "other warmup_attempts (0 and 1)"),
        ("max_steps: 9", "other max_steps (None and 9)"),
    ],
)
def test_what_differs_between_two_protocols_of_a_task_is_named(
    change: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text(f"name: twice\ntasks:\n  - room:dark\n  - {{id: room:dark, name: other, {change}}}\n")
    with pytest.raises(SystemExit):
        main([str(file), "--trials", "10"])
    found = capsys.readouterr().err
    assert told in found and "in two commands" in found and "--attempts" not in found.rpartition("error:")[2]


def test_what_is_summed_over_goals_in_the_square_is_not_called_exact() -> None:
    for goals, exact in (("half-circle", True), ("square", False)):
        for name in ("dense", "sparse-discrete"):
            task = Point.task(name, options={"goals": goals})
            assert family_of(task).exact == exact
