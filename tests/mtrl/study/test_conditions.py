"""What a stress test varies, and for which task."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from mtrl.study.conditions import PLAIN, frequency, log_even, mix, number_of_tasks, scales, spread, width

TASKS = ("a", "b", "c", "d")


@pytest.mark.parametrize("ratio", [1.0, 10.0, 1000.0])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_factors_are_log_even_with_geometric_mean_one(ratio: float, count: int) -> None:
    factors = log_even(ratio, count)
    assert factors[-1] / factors[0] == pytest.approx(ratio)
    np.testing.assert_allclose(np.diff(np.log(factors)), np.log(ratio) / (count - 1), atol=1e-12)
    assert np.exp(np.log(factors).mean()) == pytest.approx(1.0)
    assert log_even(ratio, 1) == [1.0]


def test_which_task_has_which_factor_depends_on_the_seed_alone() -> None:
    found = [spread(100.0).settings_of(seed, TASKS)["play.reward_scales"] for seed in range(20)]
    assert all(sorted(f.values()) == pytest.approx(log_even(100.0, 4)) for f in found)
    assert {max(f, key=f.__getitem__) for f in found} == set(TASKS)
    again = spread(10.0).settings_of(3, TASKS)["play.reward_scales"]
    assert sorted(TASKS, key=again.__getitem__) == sorted(TASKS, key=found[3].__getitem__)
    weights = frequency(10.0).settings_of(3, TASKS)
    assert weights["play.sampling"] == "weighted"
    assert sorted(TASKS, key=weights["play.weights"].__getitem__) == sorted(TASKS, key=again.__getitem__)


def test_more_tasks_have_those_of_fewer() -> None:
    few, many = (set(number_of_tasks(n).settings_of(5, TASKS)["play.only"]) for n in (2, 3))
    assert few < many and len(many) == 3
    with pytest.raises(ValueError, match="tasks: there are 4, found 5"):
        number_of_tasks(5).settings_of(0, TASKS)


def test_the_others_are_the_same_for_every_seed() -> None:
    assert width(32).settings_of(0, TASKS) == {"agent.width": 32, "agent.head_width": 32}
    assert mix("like", ["a", "b"]).settings_of(1, TASKS) == {"play.only": ("a", "b")}
    assert scales({"a": 5.0}).settings_of(2, TASKS) == {"play.reward_scales": {"a": 5.0}}
    assert PLAIN.settings_of(0, TASKS) == {}


def test_names_of_scales_are_short_and_differ() -> None:
    tasks = [f"popgym:Task{place}" for place in range(30)]
    names = {scales({**dict.fromkeys(tasks, 2.0), tasks[-1]: factor}).name for factor in (1.0, 2.0, 3.0)}
    assert len(names) == 3 and all(re.fullmatch(r"[a-zA-Z0-9_.+-]{1,100}", name) for name in names)


def test_ratios_below_one_are_refused() -> None:
    for make in (spread, frequency):
        with pytest.raises(ValueError, match=r"expected ratios of at least 1, found 0\.5"):
            make(0.5)


@pytest.mark.parametrize(
    ("make", "value", "said"),
    [
        (spread, "x", "spread: expected a number, found 'x'"),
        (frequency, None, "frequency: expected a number, found None"),
        (number_of_tasks, "2.5", "tasks: expected a whole number of at least 1, found '2.5'"),
        (width, 0, "width: expected a whole number of at least 1, found 0"),
        (width, "inf", "width: expected a whole number of at least 1, found 'inf'"),
        (scales, {"a": "big"}, "scales, a: expected a number, found 'big'"),
    ],
)
def test_what_is_no_number_is_named_with_its_axis(make: Callable[..., object], value: object, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        make(value)


def test_numbers_may_be_written() -> None:
    assert spread("1e3") == spread(1000) and width("32") == width(32)
