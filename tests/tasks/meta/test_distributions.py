"""Distributions of instances: what they are made from and draw, and that training never draws what is held out."""

import math
import random
from typing import Any

import numpy as np
import pytest

from tasks.compose.suite_file import load_suite_file
from tasks.meta.distributions import CELL_SETS, Cells, Dirichlet, Normal, Spans, dirichlet, goal_points
from tasks.registry import find_source, load_suite, make_simulator
from tasks.task import Task

INSTANCES = 400


def drawn(task: Task, span: tuple[int, int] | None) -> Any:
    """Instances from the seeds of training, or of evaluation."""
    env: Any = make_simulator(task)
    generator = random.Random(0)
    assert span is not None
    for _ in range(INSTANCES):
        env.reset(seed=generator.randrange(*span))
        yield env


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ([0.3, 0.7], "0.3..0.7"),
        ([[0.6, 0.9], [0.1, 0.4]], "0.1..0.4+0.6..0.9"),
        ("0..0.1+0.9..1", "0..0.1+0.9..1"),
        ([0, 1], "0..1"),
    ],
)
def test_ranges_are_made_from_plain_values_and_give_them_back(value: Any, label: str) -> None:
    spans = Spans.of(value, low=0.0, high=1.0)
    assert spans.label == label and Spans.of(label, low=0.0, high=1.0) == spans


def test_each_range_is_as_likely_as_it_is_long() -> None:
    spans, generator = Spans.of([[0.0, 0.1], [0.5, 0.8]], low=0.0, high=1.0), random.Random(0)
    numbers = [spans.draw(generator) for _ in range(4000)]
    assert all(0.0 <= number <= 0.1 or 0.5 <= number <= 0.8 for number in numbers)
    assert sum(number < 0.2 for number in numbers) / 4000 == pytest.approx(0.25, abs=0.03)
    assert min(numbers) < 0.01 and max(numbers) > 0.79


@pytest.mark.parametrize(
    "value",
    [[0.7, 0.3], [0.5, 0.5], [[0.1, 0.5], [0.4, 0.9]], [0.5, 1.5], [-1, 0.5], [], 3, "a..b", [1], True, "nan..1"],
)
def test_what_is_no_range_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected (a range|ranges)"):
        Spans.of(value, low=0.0, high=1.0)


@pytest.mark.parametrize("side", [9, 17])
def test_named_cells_part_the_room(side: int) -> None:
    sets = {name: set(Cells.of(name, side=side).cells) for name in CELL_SETS}
    parts = [sets[name] for name in ("train", "interpolation", "extrapolation")]
    assert set.union(*parts) == sets["all"] == set(range(side * side))
    assert sum(map(len, parts)) == side * side and len(sets["extrapolation"]) == 4 * (side - 1)
    for cell in sets["interpolation"]:  # what is held out inside lies between cells of training and of the wall
        assert not {cell - 1, cell + 1, cell - side, cell + side} & sets["interpolation"]
    assert 0.15 < len(sets["interpolation"]) / (side - 2) ** 2 < 0.25


def test_cells_can_be_listed() -> None:
    cells = Cells.of([[3, 4], [1, 0]], side=9)
    assert cells.label == "1.0+3.4" and cells.cells == (1, 39) and Cells.of("1.0+3.4", side=9) == cells
    generator = random.Random(0)
    assert {cells.draw(generator) for _ in range(50)} == {1, 39}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("trian", "did you mean train"),
        ([[9, 0]], "from 0 to 8"),
        ([[1, 1], [1, 1]], "different cells"),
        ([], "list of cells"),
        ([[0.5, 1]], "list of cells"),
        (7, "list of cells"),
    ],
)
def test_what_is_no_set_of_cells_is_refused(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Cells.of(value, side=9)


def test_goals_lie_on_their_arc_or_in_their_square() -> None:
    generator = random.Random(0)
    arc, square = goal_points([[0, 70], [110, 180]]), goal_points("square")
    for _ in range(200):
        x, y = arc.draw(generator)
        angle = math.degrees(math.atan2(y, x))
        assert math.hypot(x, y) == pytest.approx(1.0) and (0 <= angle <= 70 or 110 <= angle <= 180)
        assert max(map(abs, square.draw(generator))) <= 1.0
    assert goal_points("half-circle").label == "0..180"
    with pytest.raises(ValueError, match=r"half-circle, square or degrees: expected ranges .* within \[0, 360\]"):
        goal_points([0, 400])


@pytest.mark.parametrize("value", [0, -1, "wide", math.inf, [1], True])
def test_a_scale_is_a_number_above_0(value: Any) -> None:
    with pytest.raises(ValueError, match="finite number above 0"):
        Normal.of(value)


@pytest.mark.parametrize("name", ["bandits-shift", "dark-room-shift", "point-robot-shift"])
def test_held_out_instances_are_never_trained_on(name: str) -> None:
    suite = load_suite(name)
    assert [task.name for task in suite.held_out] == ["interpolation", "extrapolation", "new-family"]
    train, *held_out = (*suite.tasks, *suite.held_out[:2])

    def places(task: Task) -> set[Any]:
        """What instances are made of: arms' means, the goal."""
        found: set[Any] = set()
        for env in drawn(task, task.seeds):
            found.update(getattr(env, "means", [env.goal if hasattr(env, "goal") else None]))
        return found

    seen = places(train)
    between, beyond = map(places, held_out)
    assert not seen & between and not seen & beyond and not between & beyond
    if name == "bandits-shift":
        assert max(x for x in seen if x < 0.5) <= min(between) and max(between) <= min(x for x in seen if x > 0.5)
        assert all(x <= 0.1 or x >= 0.9 for x in beyond) and all(0.1 <= x <= 0.9 for x in seen)
    elif name == "dark-room-shift":
        assert seen | between | beyond == set(range(81))
    else:
        assert all(abs(x) <= math.cos(math.radians(70)) for x, _ in between) and all(y <= 0 for _, y in beyond)
        assert all(abs(x) >= math.cos(math.radians(70)) - 1e-9 and y >= 0 for x, y in seen)


@pytest.mark.parametrize(
    "name", ["bandits-shift", "dark-room-shift", "point-robot-shift", "tmaze-shift", "tabular-mdp-shift"]
)
def test_an_agent_of_training_can_play_what_is_held_out(name: str) -> None:
    suite = load_suite(name)
    holdout = suite.holdout()
    assert holdout is not None and holdout.observation_space == suite.observation_space
    assert holdout.num_actions == suite.num_actions and suite.subset(suite.task_names).num_actions == suite.num_actions
    envs = holdout.make_vector(3, seed=0, task_of_slot=(0, 1, holdout.num_tasks - 1))
    envs.reset()
    envs.close()


@pytest.mark.parametrize(
    ("id_", "option", "value", "named"),
    [
        ("bandit:bernoulli-5x10", "means", [0.3, 0.7], "bandit:bernoulli-5x10@0.3..0.7"),
        ("bandit:bernoulli-5x10", "means", [0, 1], "bandit:bernoulli-5x10"),
        ("bandit:gaussian-5x10", "scale", 2, "bandit:gaussian-5x10@2"),
        ("mdp:tabular-4x2x10", "concentration", 0.3, "mdp:tabular-4x2x10@0.3"),
        ("mdp:tabular-4x2x10", "concentration", "1", "mdp:tabular-4x2x10"),
        ("room:dark", "goals", "train", "room:dark@train"),
        ("room:key-door", "goals", [[0, 0]], "room:key-door@0.0"),
        ("point:sparse-discrete", "goals", "square", "point:sparse-discrete@square"),
        ("point:dense", "goals", "half-circle", "point:dense"),
    ],
)
def test_another_distribution_is_another_id(id_: str, option: str, value: Any, named: str) -> None:
    """So that no score is measured against the references of another distribution."""
    source, _, name = id_.partition(":")
    task = find_source(source).task(name, options={option: value})
    assert task.id == named and not task.options
    assert load_suite(named).tasks[0] == task
    again: Any = make_simulator(task)
    given: Any = find_source(source).make(name, **{option: value})
    for env in (again, given):
        env.reset(seed=3)
    assert again.instance == given.instance
    assert source != "mdp" or np.array_equal(again.transitions, given.transitions)
    assert find_source(source).task(named.partition(":")[2], options={option: value}) == task


def test_distributions_work_in_suite_files(tmp_path: Any) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "tasks:\n"
        "  - {id: 'bandit:bernoulli-3x5', options: {means: [0.3, 0.7]}}\n"
        "  - {id: 'room:dark', name: near, attempts: 2, options: {goals: train}}\n"
        "  - {id: 'room:dark', name: far, attempts: 2, options: {goals: extrapolation}, split: test}\n"
    )
    suite = load_suite_file(file)
    assert [task.id for task in suite.all_tasks] == [
        "bandit:bernoulli-3x5@0.3..0.7",
        "room:dark@train",
        "room:dark@extrapolation",
    ]
    assert {task.instance for task in suite.all_tasks} == {"same"}
    for env in drawn(suite.tasks[0], (0, 1000)):
        assert all(0.3 <= mean <= 0.7 for mean in env.means)


@pytest.mark.parametrize(
    ("id_", "options", "says"),
    [
        ("bandit:bernouli-5x10", {}, "expected bernoulli-KxN or gaussian-KxN.*did you mean bernoulli-5x10"),
        ("bandit:bernoulli-0x10", {}, "whole numbers from 1 to 10000 in the name, got 0, 10"),
        ("bandit:bernoulli-05x10", {}, "got 05, 10"),
        ("bandit:bernoulli-5x10", {"mean": [0, 1]}, "unknown option 'mean'; did you mean means"),
        ("bandit:bernoulli-5x10", {"scale": 2}, "unknown option 'scale'"),
        ("bandit:bernoulli-5x10", {"means": [0.2, 1.2]}, r"task 'bandit:bernoulli-5x10': means: expected ranges"),
        ("bandit:gaussian-5x10", {"scale": -1}, "scale: expected a finite number above 0, got -1"),
        ("mdp:tabular-10x5", {}, "expected tabular-SxAxH"),
        ("mdp:tabular-10x5x10", {"states": 3}, "unknown option 'states'.*concentration"),
        ("mdp:tabular-10x5x10", {"concentration": 0}, "concentration: expected a number from 0.01 to 1000, got 0"),
        ("mdp:tabular-10x5x10@flat", {}, "concentration: expected a number from 0.01 to 1000, got 'flat'"),
        ("room:drak", {}, "unknown room task 'drak'; did you mean dark"),
        ("room:dark@nowhere", {}, "expected a set of cells, got 'nowhere'"),
        ("point:dens", {}, "did you mean dense"),
        ("point:dense", {"goals": "circle"}, "half-circle, square or degrees"),
        ("hallway:signs", {}, "unknown hallway 'signs'; did you mean sign"),
        ("hallway:sign", {"half": 3}, "has no options"),
        ("tmaze:ten", {}, "expected a whole number, the corridor's length"),
        ("tmaze:0", {}, "whole numbers from 1 to 10000"),
    ],
)
def test_a_wrong_name_or_option_is_refused_before_anything_is_built(id_: str, options: Any, says: str) -> None:
    source, _, name = id_.partition(":")
    with pytest.raises(ValueError, match=says):
        find_source(source).task(name, **({"options": options} if options else {}))


@pytest.mark.parametrize("states", [1, 2])
def test_probabilities_too_small_to_be_told_from_nothing_are_still_probabilities(states: int) -> None:
    drawn = Dirichlet.of(0.01).draw(np.random.default_rng(0), (200_000, states))
    assert np.allclose(drawn.sum(axis=-1), 1.0)
    assert np.abs(drawn.mean(axis=0) - 1 / states).max() < 0.01
    zeros = dirichlet(np.random.default_rng(0), np.tile([1e-300, 3e-300], (4_000, 1)))  # every draw is lost
    assert set(np.unique(zeros)) == {0.0, 1.0} and abs(zeros[:, 1].mean() - 0.75) < 0.03
