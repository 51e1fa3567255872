"""A growing curve's axes hold all that is drawn, in round numbers, and lose no peak."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mtrl.report.video.curve import round_reach, round_span, thinned

NUMBERS = st.lists(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9), max_size=8)


@given(NUMBERS)
def test_an_axis_holds_zero_and_every_number_and_is_not_much_longer(numbers: list[float]) -> None:
    low, high = round_span(numbers)
    assert low <= min([0.0, *numbers]) and high >= max([0.0, *numbers]) and low < high
    if any(numbers):
        assert high - low <= 3.5 * (max([0.0, *numbers]) - min([0.0, *numbers]))


@pytest.mark.parametrize(
    ("numbers", "span"),
    [
        ([], (0.0, 1.0)),
        ([0.0], (0.0, 1.0)),
        ([0.3], (0.0, 0.5)),
        ([-0.5], (-0.5, 0.0)),
        ([7.0, -2.0], (-5.0, 10.0)),
        ([1350.0], (0.0, 2000.0)),
        ([10.0], (0.0, 10.0)),
    ],
)
def test_axes_by_hand(numbers: list[float], span: tuple[float, float]) -> None:
    assert round_span(numbers) == pytest.approx(span)


@given(NUMBERS, NUMBERS)
def test_an_axis_changes_seldom(first: list[float], more: list[float]) -> None:
    within = [number for number in more if round_span(first)[0] <= number <= round_span(first)[1]]
    spans = [round_span([*first, *within[:count]]) for count in range(len(within) + 1)]
    assert len(set(spans)) <= 4


@given(st.integers(0, 10**7))
def test_the_steps_fill_at_least_half_of_their_axis(steps: int) -> None:
    reach = round_reach(steps)
    assert steps <= reach and (reach == 25 or steps > reach / 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(10, 100))
def test_thinning_keeps_first_last_least_and_greatest(numbers: list[float], most: int) -> None:
    points = list(enumerate(numbers))
    kept = thinned(points, most)
    assert list(kept) == sorted(kept) and set(kept) <= set(points) and len(kept) <= most + 3
    values = [number for _, number in kept]
    assert min(values) == min(numbers) and max(values) == max(numbers) and kept[-1] == points[-1]
    assert kept[0][0] <= math.ceil(2 * len(numbers) / most)
