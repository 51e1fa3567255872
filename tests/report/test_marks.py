"""Marks that several charts share."""

import itertools
import random

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtrl.report.drawing import method_styles
from mtrl.report.marks import interval_row, spread_out, time_unit


@pytest.mark.parametrize("seed", range(20))
def test_places_keep_their_order_their_gap_and_their_limits(seed: int) -> None:
    dice = random.Random(seed)
    values = [dice.choice([dice.random(), 0.5, -0.2, 1.3]) for _ in range(dice.randint(1, 10))]
    places = spread_out(values, 0.09, 0.0, 1.0)
    order = sorted(range(len(values)), key=lambda i: values[i])
    for first, second in itertools.pairwise(order):
        assert places[second] - places[first] >= 0.09 - 1e-9
    assert min(places) >= -1e-9 and max(places) <= 1.0 + 1e-9


def test_places_that_are_apart_stay_where_they_are() -> None:
    assert spread_out([0.9, 0.1, 0.5], 0.1, 0.0, 1.0) == [0.9, 0.1, 0.5]


def test_two_equal_places_part_evenly() -> None:
    assert spread_out([0.5, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.45, 0.55])


def test_ten_methods_look_unlike_each_other_and_the_baseline_unlike_all() -> None:
    methods = [f"m{place}" for place in range(9)] + ["mean"]
    styles = method_styles(methods, "mean")
    assert list(styles) == methods
    assert len({(style.colour, style.dashes) for style in styles.values()}) == 10
    assert len({style.marker for style in styles.values()}) == 10
    assert [name for name, style in styles.items() if style.colour == styles["mean"].colour] == ["mean"]


@pytest.mark.parametrize(("longest", "label"), [(90, "seconds"), (900, "minutes"), (9000, "hours")])
def test_times_are_in_units_of_their_size(longest: float, label: str) -> None:
    assert time_unit(longest)[1] == f"wall-clock ({label})"


def test_a_value_beyond_the_axis_is_an_arrow_with_its_number() -> None:
    axes: Axes = Figure().add_subplot()
    style = method_styles(["a"], None)["a"]
    interval_row(axes, 0, -3.2, -3.5, -3.0, style, limits=(-0.5, 2.0))
    assert [text.get_text() for text in axes.texts] == ["−3.20"]
    assert [line.get_marker() for line in axes.lines] == ["<"] and axes.lines[0].get_xdata()[0] == -0.5
