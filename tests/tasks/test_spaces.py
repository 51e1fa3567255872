"""Flattening loses nothing, and numbering covers every action once."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten

from tasks.spaces import flattener, numbered_actions

SPACES = [
    spaces.Discrete(5),
    spaces.Discrete(5, start=-2),
    spaces.MultiDiscrete([2, 3, 4]),
    spaces.MultiDiscrete([[2, 3], [4, 5]]),
    spaces.MultiBinary(3),
    spaces.Box(-1, 1, (4,)),
    spaces.Box(-1, 1, (2, 3), np.float64),
    spaces.Box(0, 255, (5, 5, 3), np.uint8),
    spaces.Box(0, 1, ()),
    spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1, (2,)), spaces.Tuple((spaces.Discrete(3),)))),
    spaces.Dict({"b": spaces.Discrete(2), "a": spaces.MultiDiscrete([2, 2])}),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_it_agrees_with_gymnasiums_own_flattening(space: "spaces.Space[Any]") -> None:
    space.seed(0)
    flat = flattener(space)
    assert flat.width == flatdim(space)
    for _ in range(20):
        observation, row = space.sample(), np.zeros(flat.width + 7, np.float32)
        flat.write(observation, row, 3)
        np.testing.assert_array_equal(row[3:-4], flatten(space, observation).astype(np.float32))
        assert not row[:3].any() and not row[-4:].any()


@pytest.mark.parametrize("space", [spaces.Text(5), spaces.Graph(spaces.Box(0, 1, (2,)), None)], ids=str)
def test_what_cannot_be_flattened_is_refused(space: "spaces.Space[Any]") -> None:
    with pytest.raises(ValueError, match="expected observations that can be flattened"):
        flattener(space)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(4),
        spaces.Discrete(4, start=-1),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiDiscrete([[2, 2], [3, 1]]),
    ],
    ids=str,
)
def test_every_action_has_one_number(space: "spaces.Space[Any]") -> None:
    actions = numbered_actions(space)
    assert all(space.contains(action) for action in actions)
    distinct = {np.asarray(action).tobytes() for action in actions}
    assert len(distinct) == len(actions) == (4 if isinstance(space, spaces.Discrete) else int(space.nvec.prod()))


def test_the_last_entry_of_a_multidiscrete_counts_fastest() -> None:
    assert [action.tolist() for action in numbered_actions(spaces.MultiDiscrete([2, 2]))] == [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
    ]


def test_continuous_actions_are_refused() -> None:
    with pytest.raises(ValueError, match="continuous actions are not supported"):
        numbered_actions(spaces.Box(-1, 1, (1,)))
