"""Flattening loses nothing, and numbering covers every action once."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten

from tasks.flatten import flattener
from tasks.spaces import Interface, Kept, numbered_actions
from tasks.suite import Suite
from tasks.task import Task
from tests.tasks.simulators import Noise

SPACES = [
    spaces.Discrete(5),
    spaces.Discrete(5, start=-2),
    spaces.MultiDiscrete([2, 3, 4]),
    spaces.MultiDiscrete([[2, 3], [4, 5]]),
    spaces.MultiDiscrete([3] * 20, start=list(range(20))),
    spaces.MultiBinary(3),
    spaces.Box(-1, 1, (4,)),
    spaces.Box(-1, 1, (2, 3), np.float64),
    spaces.Box(0, 255, (5, 5, 3), np.uint8),
    spaces.Box(0, 1, ()),
    spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1, (2,)), spaces.Tuple((spaces.Discrete(3),)))),
    spaces.Dict({"b": spaces.Discrete(2), "a": spaces.MultiDiscrete([2, 2])}),
    spaces.Tuple((spaces.Discrete(2), spaces.Tuple((spaces.Discrete(3, start=4), spaces.Discrete(2))))),
    spaces.Tuple((spaces.Discrete(2), spaces.Discrete(1000))),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_it_agrees_with_gymnasiums_own_flattening(space: "spaces.Space[Any]") -> None:
    space.seed(0)
    flat = flattener(space)
    assert flat.width == flatdim(space)
    row = np.zeros(flat.width + 7, np.float32)
    write = flat.writer(row[3:-4])
    for _ in range(20):
        observation = space.sample()
        write(observation)
        np.testing.assert_array_equal(row[3:-4], flatten(space, observation).astype(np.float32))
        assert not row[:3].any() and not row[-4:].any()


def test_what_has_been_seen_is_written_the_same_from_memory_in_every_row() -> None:
    flat = flattener(spaces.Tuple((spaces.Discrete(2), spaces.Discrete(3))))
    rows = np.zeros((2, 5), np.float32)
    first, second = flat.writer(rows[0]), flat.writer(rows[1])
    for observation in ((0, 2), (1, 1), (0, 2), [1, 0], np.array([0, 2]), (1.0, True), (np.int64(0), np.int64(2))):
        first(observation)
        second(observation)
        for row in rows:
            expected = np.concatenate([np.eye(2)[int(observation[0])], np.eye(3)[int(observation[1])]])
            np.testing.assert_array_equal(row, expected)
    for wrong in ((0, 3), (2, 0), (0.5, 0), (0, 2, 1)):
        with pytest.raises(ValueError, match="expected"):
            first(wrong)
    with pytest.raises(TypeError):
        first(None)
    with pytest.raises(ValueError, match="NaN"):
        first((float("nan"), 0))


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


def test_actions_that_are_neither_discrete_nor_a_box_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected discrete actions .* or continuous ones"):
        numbered_actions(spaces.Text(3))


def test_continuous_actions_span_the_simulators_bounds() -> None:
    """Whatever the other tasks' shapes and types are."""
    boxes = (
        spaces.Box(np.array([[-2.0, 0.0]], np.float32), np.array([[2.0, 10.0]], np.float32)),
        spaces.Box(-4.0, 4.0, (3,), np.float32),
        spaces.Box(0.0, 1.0, (), np.float64),
    )
    kinds: list[tuple[tuple[int, ...], Any]] = [((0,), np.float32), ((1,), np.float32), ((0, 1, 2), np.float64)]
    for chosen, kind in kinds:
        tasks = tuple(
            Task(name=str(k), id=f"lever:{k}", make=partial(Noise, spaces.Discrete(2), boxes[k])) for k in chosen
        )
        suite = Suite(name="levers", tasks=tasks)
        given = np.array([[-1, -1, 1], [1, 1, 0], [0, 0, 0.5]], np.float32)[:, : suite.num_actions]
        for place, k in enumerate(chosen):
            decoded = suite.decoding.decode(given, np.full(3, place, np.int32))
            assert decoded.dtype == kind
            continuous = suite.interfaces[place].continuous
            assert continuous is not None and continuous.is_row(3, np.float32) == (k == 1)
            expected = [
                [[[-2, 0]], [[2, 10]], [[0, 5]]],
                [[-4, -4, 4], [4, 4, 0], [0, 0, 2]],
                [0, 1, 0.5],
            ][k]
            for row, wanted in zip(decoded, expected, strict=True):
                action = continuous.shaped(row)
                assert action.dtype == boxes[k].dtype and action.tolist() == wanted


def test_simulators_get_actions_of_their_own_types_and_shapes() -> None:
    boxes = [
        spaces.Box(-2, 2, (2,), np.float32),
        spaces.Box(-2, 2, (2,), np.float64),
        spaces.Box(-2, 2, (1, 1), np.float32),
    ]
    for chosen in ([0], [1], [0, 1], [0, 2]):
        tasks = tuple(
            Task(name=str(k), id=f"lever:{k}", make=partial(Noise, spaces.Discrete(2), boxes[k])) for k in chosen
        )
        suite = Suite(name="levers", tasks=tasks)
        envs = suite.make_vector(2 * len(chosen), seed=0, task_of_slot=[*range(len(chosen))] * 2)
        envs.reset()
        played = {slot.index: slot.simulator for slot in envs._group.slots}  # type: ignore[union-attr]
        envs.step(np.tile(np.array([0.5, -1.0], np.float32), (len(played), 1)))
        for slot, simulator in played.items():
            box, action = boxes[chosen[slot % len(chosen)]], simulator.last  # type: ignore[union-attr]
            assert action.dtype == box.dtype and box.contains(action)
            assert action.ravel().tolist() == [1.0, -2.0][: action.size]


def test_continuous_actions_without_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="finite bounds"):
        Interface(spaces.Discrete(2), spaces.Box(-np.inf, np.inf, (1,)))


IMAGE = spaces.Box(0, 255, (16, 20, 3), np.uint8)
GRID = spaces.Box(0, 10, (7, 7, 3), np.uint8)
WORDS = spaces.Box(0, 29, (5,), np.int64)


@pytest.mark.parametrize(
    ("space", "keys", "width"),
    [
        (IMAGE, ("image",), 0),
        (spaces.Box(0, 255, (5, 5, 3), np.uint8), ("vector",), 75),
        (spaces.Dict({"grid": GRID, "tokens": WORDS}), ("grid", "tokens"), 0),
        (
            spaces.Dict({"image": IMAGE, "speed": spaces.Box(-1, 1, (2,)), "gear": spaces.Discrete(5)}),
            ("image", "vector"),
            7,
        ),
    ],
    ids=str,
)
def test_arrays_keep_their_form_and_the_rest_becomes_the_vector(space: Any, keys: Any, width: int) -> None:
    interface = Interface(space, spaces.Discrete(2))
    assert interface.keys == keys and interface.width == width


@pytest.mark.parametrize(
    ("name", "space", "says"),
    [
        ("image", spaces.Box(0, 1, (16, 16, 3), np.float32), "Box of whole numbers"),
        ("grid", spaces.Box(0, 9, (7, 7), np.uint8), "3 axes"),
        ("tokens", spaces.Box(-1, 9, (4,), np.int32), "no numbers below 0"),
        ("tokens", spaces.MultiDiscrete([3, 3]), "Box of whole numbers"),
    ],
)
def test_an_array_that_no_encoder_could_read_is_refused(name: str, space: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Interface(spaces.Dict({name: space}), spaces.Discrete(2))


def test_a_code_beyond_its_space_is_refused() -> None:
    target = np.zeros((7, 7, 3), np.uint8)
    write = Kept("grid", GRID).writer(target)
    write(np.full((7, 7, 3), 10))
    assert (target == 10).all()
    with pytest.raises(ValueError, match="from 0 to 10, got 0 to 11"):
        write(np.array([0, 11] + [0] * 145).reshape(7, 7, 3))
    with pytest.raises(ValueError, match=r"whole numbers of shape \(7, 7, 3\)"):
        write(np.zeros((7, 7, 3)))


def test_what_keeps_its_form_and_what_becomes_the_vector_are_written_from_one_observation() -> None:
    space = spaces.Dict(
        {
            "speed": spaces.Box(-1, 1, (2,)),
            "grid": GRID,
            "gear": spaces.Discrete(3),
            "tokens": spaces.Box(0, 9, (4,), int),
        }
    )
    interface = Interface(space, spaces.Discrete(2))
    row, arrays = np.zeros(7, np.float32), {"grid": np.zeros((8, 8, 3), np.uint8), "tokens": np.zeros(6, np.int64)}
    write = interface.writer(row, arrays)
    space.seed(0)
    for _ in range(3):
        observation = space.sample()
        write(observation)
        np.testing.assert_array_equal(row[:5], [*np.eye(3)[observation["gear"]], *observation["speed"]])
        np.testing.assert_array_equal(arrays["grid"][:7, :7], observation["grid"])
        np.testing.assert_array_equal(arrays["tokens"][:4], observation["tokens"])
        assert not row[5:].any() and not arrays["grid"][7:].any() and not arrays["tokens"][4:].any()
