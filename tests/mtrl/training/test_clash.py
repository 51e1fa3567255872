"""End to end on tasks whose conflict is known: what is provable is what comes out."""

from dataclasses import replace
from pathlib import Path

import pytest

from mtrl.presets import preset
from mtrl.study.methods import find_method
from mtrl.study.settings import with_settings
from mtrl.study.study import shortened
from mtrl.training.loop import train


def score(method: str, tasks: tuple[str, ...], out: Path, *, steps: int) -> dict[str, float]:
    config = shortened(preset("clash"), steps)
    config = with_settings(config, {**find_method(method).settings, "play.only": tasks})
    config = replace(config, loop=replace(config.loop, learn_threads=1, evaluate_every=0, evaluate_trials=400))
    (evaluation,) = [record for record in train(config, out) if record["kind"] == "evaluation"]
    return {name: entry["score"] for name, entry in evaluation["tasks"].items()}


def test_opposite_tasks_cancel_in_a_shared_network_and_not_where_tasks_have_heads(tmp_path: Path) -> None:
    tasks = ("Clash0", "Clash180")
    blind = score("pcgrad", tasks, tmp_path / "blind", steps=10_000)
    assert sum(blind.values()) == pytest.approx(0.0, abs=0.2)  # what one gains the other loses, learnt or not
    knowing = score("multi-head", tasks, tmp_path / "heads", steps=10_000)
    assert min(knowing.values()) > 0.7


def test_a_shared_network_learns_all_that_two_tasks_at_a_right_angle_agree_on(tmp_path: Path) -> None:
    """The bound 1 - 90/180 is reached, where an untrained network has 0, and not passed."""
    blind = score("pcgrad", ("Clash0", "Clash90"), tmp_path / "blind", steps=10_000)
    assert sum(blind.values()) / 2 == pytest.approx(0.5, abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        "one-hot",
        "task-embedding",
        "film",
        "dense-experts",
        "top-k-experts",
        "soft-modularization",
        "care",
        "paco",
        "moore",
    ],
)
def test_every_architecture_that_knows_its_task_beats_the_bound_of_the_blind(method: str, tmp_path: Path) -> None:
    found = score(method, ("Clash0", "Clash135"), tmp_path / "run", steps=20_000)
    assert sum(found.values()) / 2 > 0.25 + 0.4
