"""Where Procgen's saved states keep what decides the next level and the end of the episode.

A state is what the library writes one after the other: integers and floats of 4 bytes, and texts with their length
before them. All games begin with the same fields, up to the clock of the episode. `locate` walks through these; nothing
behind them is read. The library ends the process on a state that it cannot read, so every difference from what is known
is an error here.
"""

import struct
from collections.abc import Mapping

from tasks.procgen.library import DISTRIBUTION_MODES

_OPTIONS = (
    "paint_vel_info",
    "use_generated_assets",
    "use_monochrome_assets",
    "restrict_themes",
    "use_backgrounds",
    "center_agent",
    "debug_mode",
    "distribution_mode",
    "use_sequential_levels",
    "use_easy_jump",
    "plain_assets",
    "physics_mode",
    "grid_step",
    "level_seed_low",
    "level_seed_high",
    "game_type",
    "game_n",
)
_GENERATORS = ("level_seed_rand_gen", "rand_gen")
_EPISODE = (
    "reward",
    "done",
    "level_complete",
    "action",
    "timeout",
    "current_level_seed",
    "prev_level_seed",
    "episodes_remaining",
    "episode_done",
    "last_reward_timer",
    "last_reward",
    "default_action",
    "fixed_asset_seed",
    "cur_time",
)
_INT = struct.Struct("<i")
_LEVELS = struct.Struct("<ii")
_END = struct.pack("<I", 0xCAFECAFE)
_NEVER = 2**31 - 1
_MINER_EDGE = {"easy": 10, "hard": 20, "memory": 35}
_DIAMOND, _DIRT = 2, 9


class StateLayoutError(RuntimeError):
    """This build of Procgen saves its states in another way than the one that is known here."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"a saved state of Procgen is not laid out as expected: {what}. Levels are chosen by writing into that "
            "state, so this build cannot be used; procgen-mirror 0.10.7 can: pip install procgen-mirror==0.10.7"
        )


def locate(state: bytes) -> dict[str, int]:
    """Offsets of the fields that all games share.

    Raises:
        StateLayoutError: the bytes are no state, or one of another layout.
    """
    places: dict[str, int] = {}
    at = 0

    def text(name: str) -> None:
        nonlocal at
        length = _read(state, at, name)
        if not 0 <= length <= len(state) - at - 4:
            raise StateLayoutError(f"{name} is said to be a text of {length} bytes in a state of {len(state)}")
        places[name] = at + 4
        at += 4 + length

    def integer(name: str) -> None:
        nonlocal at
        _read(state, at, name)
        places[name] = at
        at += 4

    integer("version")
    text("game")
    for name in _OPTIONS:
        integer(name)
    for name in _GENERATORS:
        integer(f"{name} is seeded")
        text(name)
        numbers = state[places[name] : at]
        if not numbers or not numbers.replace(b" ", b"").isdigit():
            raise StateLayoutError(f"{name} should be a text of numbers, got {numbers[:20]!r}")
    for name in _EPISODE:
        integer(name)
    if not state.endswith(_END):
        raise StateLayoutError(f"it should end with {_END.hex()}, got {state[-4:].hex()}")
    return places


class StartState:
    """A state from which one `RESTART` begins any level.

    Args:
        state: of a new game that has been told to play nothing but one level, before its first step.
        game, mode, level: of that state.
    Raises:
        StateLayoutError: some field does not hold what it must in that state.
    """

    def __init__(self, state: bytes, *, game: str, mode: str, level: int) -> None:
        places = locate(state)
        name = state[places["game"] : places["paint_vel_info"]].decode(errors="replace")
        if name != game:
            raise StateLayoutError(f"the game's name should be {game!r}, got {name!r}")
        expected: Mapping[str, int] = {
            "version": 0,
            "use_generated_assets": 0,
            "debug_mode": 0,
            "distribution_mode": DISTRIBUTION_MODES[mode],
            "use_sequential_levels": 0,
            "level_seed_low": level,
            "level_seed_high": level + 1,
            "game_n": 0,
            "level_seed_rand_gen is seeded": 1,
            "rand_gen is seeded": 1,
            "current_level_seed": level,
            "episodes_remaining": 0,
            "cur_time": 0,
        }
        for field, value in expected.items():
            got = _read(state, places[field], field)
            if got != value:
                raise StateLayoutError(f"{field} of {game} ({mode}) should be {value}, got {got}")
        self.time_limit = _read(state, places["timeout"], "timeout")
        if not 0 < self.time_limit < 100_000:
            raise StateLayoutError(
                f"timeout of {game} ({mode}) should be some hundreds of steps, got {self.time_limit}"
            )
        if game == "miner":
            state = _without_diamonds(state, edge=_MINER_EDGE[mode])
        for name in reversed(_GENERATORS):  # from behind, so that the places before it stay
            state = _without_text(state, places[name])
        low = places["level_seed_low"]
        self._before, self._after = state[:low], state[low + _LEVELS.size :]

    def for_level(self, level: int) -> bytes:
        """The state from which the library's next level is this one."""
        return self._before + _LEVELS.pack(level, level + 1) + self._after


def _without_text(state: bytes, at: int) -> bytes:
    """A state with a text of no length in place of the one that begins there.

    Of a generator of random numbers this leaves it as it is in the game that loads the state. Beginning a level seeds
    one of the two generators anew, and draws from the other where only one level is to be had; so neither matters, and
    reading their 624 numbers would be half of what loading a state takes.
    """
    length = _read(state, at - _INT.size, "a text's length")
    return state[: at - _INT.size] + _INT.pack(0) + state[at + length :]


def without_time_limit(state: bytes) -> bytes:
    """The same state, with a time limit that is never reached."""
    at = locate(state)["timeout"]
    return state[:at] + _INT.pack(_NEVER) + state[at + _INT.size :]


def _without_diamonds(state: bytes, *, edge: int) -> bytes:
    """A state of miner with its diamonds replaced by dirt.

    Miner opens the exit when no diamonds are left by its count of the step before. A new level does not set that count:
    a new environment begins its first level with 0, later levels begin with what the level before left. A state from
    which `RESTART` shall begin a level as a new environment does must therefore have no diamonds.
    """
    cells = edge * edge
    grid = len(state) - 4 * (cells + 2)  # behind it: the count, and the end of the state
    if [_read(state, grid - 4 * back, "miner's grid") for back in (3, 2, 1)] != [edge, edge, cells]:
        raise StateLayoutError(f"miner's grid of {edge} x {edge} is not where it was expected")
    objects = [_DIRT if thing == _DIAMOND else thing for (thing,) in _INT.iter_unpack(state[grid : grid + 4 * cells])]
    return state[:grid] + struct.pack(f"<{cells}i", *objects) + state[grid + 4 * cells :]


def _read(state: bytes, at: int, name: str) -> int:
    if not 0 <= at <= len(state) - _INT.size:
        raise StateLayoutError(f"it ends after {len(state)} bytes, before {name}")
    value: int = _INT.unpack_from(state, at)[0]
    return value
