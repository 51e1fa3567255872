"""Grids, their configurations, their folder."""

import dataclasses
import json
from pathlib import Path

import pytest

from mtrl.presets import preset
from mtrl.study.conditions import PLAIN, drawn_order, frequency, number_of_tasks, spread, width
from mtrl.study.folder import TUNING, StudyFolder, best_choices
from mtrl.study.methods import Method, find_method
from mtrl.study.study import Cell, Study, StudyError, check_study, extended, from_json, shortened, to_json
from mtrl.training.config import LoopConfig
from tests.mtrl.study.builders import study

QUICK = Study(suite="popgym-quick", methods=(find_method("mean"), find_method("two-hot")), steps=40_000)
SEARCH = {"update.learning_rate": (1e-2, 1e-3), "agent.image_channels": ((8, 8), (8,))}


def test_all_cells_share_everything_but_what_they_are_about() -> None:
    """Method by method, seed by seed: the same steps, batch, size, evaluation."""
    one, other = (QUICK.config(Cell("plain", method, 3)) for method in ("mean", "two-hot"))
    for group in ("play", "agent", "collect", "update", "loop"):
        assert getattr(one, group) == getattr(other, group)
    assert one.learning != other.learning and one.loop.seed == 3 and one.loop.steps == 40_000


def test_ppo_has_its_own_defaults_beside_methods_that_learn_from_a_replay() -> None:
    both = dataclasses.replace(QUICK, methods=(find_method("mean"), find_method("ppo")))
    usual, ppo = (both.config(Cell("plain", method, 0)) for method in ("mean", "ppo"))
    assert ppo.learning.on_policy and ppo.loop == usual.loop and ppo.agent.width == usual.agent.width
    assert (ppo.collect.slots, ppo.learning.discounts) == (64, (0.99,)) and usual.collect.slots == 16
    said = dataclasses.replace(both, settings={"collect.slots": 32, "collect.steps_per_update": 32})
    assert said.config(Cell("plain", "ppo", 0)).collect.slots == 32


def test_a_shorter_run_explores_in_proportion() -> None:
    whole, half = preset("popgym-quick"), shortened(preset("popgym-quick"), 100_000)
    assert half.collect.explore_steps * 2 == whole.collect.explore_steps
    assert half.collect.start_steps * 2 == whole.collect.start_steps
    assert shortened(whole, 400_000).collect.start_steps == whole.collect.start_steps


def test_what_a_condition_draws_is_drawn_over_the_tasks_that_are_played() -> None:
    """Otherwise tasks that nobody plays take factors, and those that remain are less far apart than the ratio says."""
    three = ("PositionOnlyCartPoleEasy", "RepeatFirstEasy", "HigherLowerEasy")
    grid = dataclasses.replace(
        QUICK, settings={"play.only": three}, conditions=(spread(1000.0), number_of_tasks(2), frequency(10.0))
    )
    for seed in range(6):
        play = grid.config(Cell("spread-1000", "mean", seed)).play
        order = drawn_order(three, seed)  # as the report puts the factors to the tasks that it finds evaluated
        assert play.only == three and sorted(order, key=play.reward_scales.__getitem__) == order
        assert max(play.reward_scales.values()) / min(play.reward_scales.values()) == pytest.approx(1000.0)
        assert set(grid.config(Cell("frequency-10", "mean", seed)).play.weights) == set(three)
        assert grid.config(Cell("tasks-2", "mean", seed)).play.only == tuple(order[:2])


def test_a_cell_that_is_stopped_loses_no_more_than_a_sixteenth() -> None:
    loop = QUICK.config(Cell("plain", "mean", 0)).loop
    assert loop.checkpoint_every * 16 == loop.steps


def test_agents_of_single_tasks_share_the_steps() -> None:
    alone = dataclasses.replace(QUICK, methods=(find_method("single-task"),))
    runs = alone.runs(Cell("plain", "single-task", 0))
    assert list(runs) == list(alone.tasks()) and len(runs) == 5
    for task, config in runs.items():
        assert config.play.only == (task,) and config.loop.steps == 8000


def test_seeds_come_first_so_that_an_unfinished_study_has_something_of_everything() -> None:
    grid = dataclasses.replace(QUICK, conditions=(PLAIN, spread(10.0)), seeds=(0, 1))
    cells = list(grid.cells())
    assert len(cells) == len(set(cells)) == 8
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4


def test_a_study_survives_its_file(tmp_path: Path) -> None:
    asked = study(conditions=(PLAIN, spread(10.0)), search=SEARCH, baseline="pcgrad")
    back = from_json(json.loads(json.dumps(to_json(asked))))
    for cell in (*asked.cells(), *asked.tuning_cells()):
        assert back.config(cell) == asked.config(cell)
    folder = StudyFolder(tmp_path / "x")
    folder.open(asked)
    assert to_json(folder.read()) == to_json(asked)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"methods": ()}, "needs methods, found none"),
        ({"seeds": (1, 1)}, "seeds: found twice: 1"),
        ({"steps": 0}, "expected steps >= 1"),
        ({"evaluate_trials": 1}, "at least 2 evaluation trials"),
        ({"baseline": "cagrad"}, "the baseline 'cagrad' is none of the methods mean, pcgrad"),
        ({"search": {"update.learning_rate": (1e-3, 1e-3)}}, "expected different values of update.learning_rate"),
        ({"search": {"update.learning_rate": ()}}, "expected different values of update.learning_rate, found"),
        ({"seeds": (1_000_003,)}, "is that of the search"),
    ],
)
def test_grids_that_cannot_be_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        study(**settings)


def test_what_a_cell_could_not_do_is_refused_before_any_runs() -> None:
    with pytest.raises(ValueError, match="has no task 'RepeatFrst'; did you mean RepeatFirstEasy"):
        check_study(study(settings={"play.only": ("RepeatFrst",)}))
    with pytest.raises(ValueError, match="must exceed start_steps"):
        check_study(study(settings={"collect.start_steps": 5000}))
    assert dataclasses.replace(
        preset("dark-room"), loop=LoopConfig(steps=4000)
    ).learning.on_policy  # which fills no replay first
    with pytest.raises(ValueError, match="unknown suite"):
        check_study(study(suite="popgym-quck"))


def test_a_study_grows_by_methods_conditions_and_seeds() -> None:
    grown = extended(study("mean", seeds=(0,)), study("pcgrad", "mean", seeds=(2, 0), conditions=(spread(10.0),)))
    assert [m.name for m in grown.methods] == ["mean", "pcgrad"]
    assert [c.name for c in grown.conditions] == ["plain", "spread-10"]
    assert grown.seeds == (0, 2) and grown.compared_with == "mean"


def test_a_search_may_grow_until_cells_run_with_what_it_found(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    small = folder.open(study("mean", search={"update.learning_rate": (1e-3, 1e-2)}))
    for cell in small.tuning_cells():
        folder.add(done("mean", cell.seed, choice=dict(cell.choice)), TUNING)
    assert not folder.untuned(small)
    large = folder.open(study("mean", search={"update.learning_rate": (1e-3, 1e-2, 1e-1)}))
    assert [dict(cell.choice) for cell in folder.untuned(large)] == [{"update.learning_rate": 1e-1}]
    with pytest.raises(StudyError, match="holds a study with search"):  # a value less: its run was for nothing
        folder.open(study("mean", search={"update.learning_rate": (1e-3,)}))
    folder.add(done("mean", 0))
    with pytest.raises(StudyError, match="holds a study with search"):
        folder.open(study("mean", search={"update.learning_rate": (1e-3, 1e-2, 1e-1, 1.0)}))


def test_another_study_does_not_go_into_the_same_folder(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "x")
    folder.open(study())
    with pytest.raises(StudyError, match="holds a study with steps 1600, not 3200: cells could not be compared"):
        folder.open(study(steps=3200))
    own = Method(name="pcgrad", settings={"conflict.strategy": "cagrad"})
    with pytest.raises(StudyError, match="the folder's 'pcgrad' is another one of the methods"):
        folder.open(study(methods=(own,)))
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "thesis.tex").write_text("")
    with pytest.raises(StudyError, match="is not empty and holds no study"):
        StudyFolder(tmp_path / "y").open(study())
    with pytest.raises(StudyError, match=r"is no study: it has no study\.json"):
        StudyFolder(tmp_path / "z").read()


def done(method: str, seed: int, **more: object) -> dict[str, object]:
    score = {"evaluation": {"score": more.pop("score", 0.5), "tasks": {}}}
    return {"condition": "plain", "method": method, "seed": seed, "choice": {}, "status": "done", **score, **more}


def test_only_what_is_missing_is_run_and_failures_on_request(tmp_path: Path) -> None:
    folder, asked = StudyFolder(tmp_path), study()
    folder.open(asked)
    folder.add(done("mean", 0))
    folder.add({**done("mean", 1), "status": "failed"})
    assert folder.missing(asked) == [Cell("plain", "pcgrad", 0), Cell("plain", "pcgrad", 1)]
    assert Cell("plain", "mean", 1) in folder.missing(asked, retry_failed=True)
    folder.add(done("mean", 1))
    assert [r["status"] for r in folder.results()] == ["done", "done"]


def test_a_half_written_line_is_left_out_and_written_anew(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.open(study())
    folder.add(done("mean", 0))
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"condition": "plain", "meth')
    assert len(folder.results()) == 1
    folder.add(done("pcgrad", 0))
    assert [result["method"] for result in folder.results()] == ["mean", "pcgrad"]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    (tmp_path / "results.jsonl").write_text("nonsense\n")
    folder.add(done("mean", 0))
    with pytest.raises(StudyError, match="line 1: expected a cell's result, found b'nonsense'"):
        folder.results()


def test_a_method_gets_the_choice_that_scored_best_and_no_failed_one(tmp_path: Path) -> None:
    asked = study(search=SEARCH)
    folder = StudyFolder(tmp_path)
    folder.open(asked)
    assert len(folder.untuned(asked)) == 8 and all(cell.choice == () for cell in folder.missing(asked))
    tried = [cell.choice for cell in folder.untuned(asked) if cell.method == "mean"]
    assert tried[1] == (("update.learning_rate", 1e-2), ("agent.image_channels", (8,)))
    for choice, score in zip(tried, (None, 0.2, 0.1, 0.0), strict=True):
        status = "failed" if score is None else "done"
        folder.add(done("mean", 1_000_003, choice=dict(choice), score=score, status=status), TUNING)
    assert {cell.method for cell in folder.untuned(asked)} == {"pcgrad"}
    assert {cell.choice for cell in folder.missing(asked) if cell.method == "mean"} == {tried[1]}
    config = asked.config(next(cell for cell in folder.missing(asked) if cell.method == "mean"))
    assert (config.update.learning_rate, config.agent.image_channels) == (1e-2, (8,))
    assert best_choices(study(), []) == {}


def test_what_a_method_or_a_condition_sets_is_not_searched() -> None:
    slow = Method(name="slow", settings={"update.learning_rate": 1e-5})
    search = {"update.learning_rate": (1e-2, 1e-3), "learning.entropy_weight": (0.0, 0.1)}
    asked = study(methods=(find_method("mean"), slow), search=search, conditions=(width(32),))
    assert [dict(c.choice) for c in asked.tuning_cells() if c.method == "slow"] == [
        {"learning.entropy_weight": 0.0},
        {"learning.entropy_weight": 0.1},
    ]
    assert all(asked.config(c).update.learning_rate == 1e-5 for c in asked.tuning_cells() if c.method == "slow")
    folders = [c.folder.name for c in asked.tuning_cells()]
    assert len(set(folders)) == 6 and folders[0] == "s1000003-learning_rate-0.01-entropy_weight-0"
