"""A library whose states are laid out otherwise is refused, never guessed at."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from tasks.procgen.library import Game
from tasks.procgen.state import StartState, StateLayoutError, locate, without_time_limit


@pytest.fixture(scope="module")
def state() -> bytes:
    game = Game("miner", "easy", start_level=123)
    saved = game.get_state()
    game.close()
    return saved


def _start(state: bytes, **changed: Any) -> StartState:
    return StartState(state, **{"game": "miner", "mode": "easy", "level": 123, **changed})


def test_a_level_is_two_numbers_of_the_state_and_miners_diamonds(state: bytes) -> None:
    start, places = _start(state), locate(state)
    one, other = start.for_level(5), start.for_level(2**31 - 2)
    assert len(one) == len(other) < len(state) - 10_000  # without the texts of two generators
    low = places["level_seed_low"]
    assert struct.unpack_from("<ii", one, low) == (5, 6)
    assert struct.unpack_from("<ii", other, low) == (2**31 - 2, 2**31 - 1)
    assert one[:low] + one[low + 8 :] == other[:low] + other[low + 8 :]
    ends = without_time_limit(state)
    assert [i for i in range(len(state)) if state[i] != ends[i]] == [*range(places["timeout"], places["timeout"] + 4)]


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("version", "version of miner .easy. should be 0, got 7"),
        ("distribution_mode", "distribution_mode of miner .easy. should be 0, got 7"),
        ("level_seed_low", "level_seed_low of miner .easy. should be 123, got 7"),
        ("current_level_seed", "should be 123, got 7"),
        ("episodes_remaining", "should be 0, got 7"),
    ],
)
def test_a_field_with_another_value_is_named(field: str, says: str, state: bytes) -> None:
    at = locate(state)[field]
    with pytest.raises(StateLayoutError, match=says):
        _start(state[:at] + struct.pack("<i", 7) + state[at + 4 :])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda s: s[:40], "ends after 40 bytes"),
        (lambda s: s[:-4], "should end with fecafeca"),
        (lambda s: s[:4] + b"\xff\xff\xff\x7f" + s[8:], "game is said to be a text of 2147483647 bytes"),
        (lambda s: s.replace(b" ", b"x"), "level_seed_rand_gen should be a text of numbers"),
        (lambda s: b"", "before version"),
    ],
)
def test_other_bytes_are_refused(spoil: Callable[[bytes], bytes], says: str, state: bytes) -> None:
    with pytest.raises(StateLayoutError, match=f"{says}.*procgen-mirror==0.10.7"):
        _start(spoil(state))


def test_the_wrong_game_is_refused(state: bytes) -> None:
    with pytest.raises(StateLayoutError, match="name should be 'maze', got 'miner'"):
        _start(state, game="maze")


def test_a_grid_elsewhere_is_refused(state: bytes) -> None:
    with pytest.raises(StateLayoutError, match="grid of 10 x 10 is not where"):
        _start(state[:-8] + bytes(4) + state[-8:])
