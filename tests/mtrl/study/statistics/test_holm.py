"""Holm's correction against its definition as a closed test, and by hand."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtrl.study.statistics.holm import holm


def closed(p_values: list[float]) -> list[float]:
    """A hypothesis falls if every set of hypotheses with it falls by Bonferroni's test."""
    places = range(len(p_values))
    sets = [group for size in range(1, len(p_values) + 1) for group in combinations(places, size)]
    bound = {group: min(1.0, len(group) * min(p_values[at] for at in group)) for group in sets}
    return [max(bound[group] for group in sets if at in group) for at in places]


def test_by_hand() -> None:
    # 4 × 0.005, 3 × 0.01, 2 × 0.03, and 0.04 raised to 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02]) == pytest.approx([0.02])
    assert holm([0.6, 0.5]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_it_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(closed(p_values))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms())
def test_it_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float], random: Any) -> None:
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= np.minimum(1.0, len(p_values) * np.array(p_values))).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()
    shuffled = list(range(len(p_values)))
    random.shuffle(shuffled)
    assert holm([p_values[at] for at in shuffled]) == pytest.approx(adjusted[shuffled])


@pytest.mark.parametrize("wrong", [[1.1], [-0.1], [float("nan")], [[0.5]]])
def test_what_is_no_p_value_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="p-values: expected"):
        holm(wrong)
