"""One Procgen game as a `gymnasium.Env` whose reset begins a level by its number.

``reset(seed=L)`` begins level L exactly as a new environment with ``num_levels=1, start_level=L`` would, whatever was
played before, and in a fraction of a millisecond: the state that was saved when the game was new is told to draw its
next level from [L, L + 1), loaded, and left by one forced restart. A second attempt is the same again.

Departs: an episode that only the clock ends is truncated, not terminated (the library tells them not apart); its last
observation is the true one. Of an episode that terminates the library never draws the last frame, so the one before is
returned. The box that marks later attempts follows Grigsby et al. 2024, "AMAGO-2".
"""

from operator import index
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from tasks.procgen.games import LEVELS, full_name
from tasks.procgen.library import HEIGHT, NUM_ACTIONS, RESTART, WIDTH, Game, Look
from tasks.procgen.state import StartState, without_time_limit

MARK = 6
"""Edge, in pixels, of the black box in the top left corner that marks an attempt after the first."""
_FIRST_LEVEL = 0x51ED
_SLOW_LEVELS = ("caveflyer", "jumper", "leaper")
"""Games whose levels take longer to make (0.1 to 2 ms) than a state takes to save and load."""

Frame = NDArray[np.uint8]


class ProcgenSimulator(gymnasium.Env[Frame, Any]):
    """A game in one mode and look; a frame is uint8 ``[64, 64, 3]``, an action one of 15 combinations of buttons.

    Attributes:
        time_limit: steps after which an episode is truncated.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012  # as in the base class
    action_names = (
        *("left down", "left", "left up", "down", "nothing", "up", "right down", "right", "right up"),
        *("D", "A", "W", "S", "Q", "E"),
    )
    marks_attempts = True
    """`reset` takes ``options={"attempt": k}`` and marks the frames if k > 0."""

    def __init__(self, game: str, mode: str, look: Look = Look()) -> None:
        self.name, self.render_mode = full_name(game, mode), "rgb_array"
        self.observation_space = spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        self.action_space = spaces.Discrete(NUM_ACTIONS)
        self._game = Game(game, mode, start_level=_FIRST_LEVEL, look=look)
        self._start = StartState(self._game.get_state(), game=game, mode=mode, level=_FIRST_LEVEL)
        self.time_limit = self._start.time_limit
        self._keeps, self._kept_level, self._kept = game in _SLOW_LEVELS, -1, b""
        self._playing, self._marked, self._time = False, False, 0
        self._shown = self._game.frame.copy()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frame, dict[str, Any]]:
        """Begin a level.

        Args:
            seed: the level's number, from 0 to 2^31 - 2; None: drawn from all of them.
            options: "attempt", counted from 0: from 1 on the frames are marked.
        Returns:
            The first frame, and an info with "level".
        Raises:
            ValueError: there is no such level.
            RuntimeError: the simulator has been closed.
        """
        if self._game.closed:
            raise RuntimeError(f"procgen:{self.name}: reset() after close(); make a new simulator")
        if seed is not None and not LEVELS[0] <= seed < LEVELS[1]:
            raise ValueError(
                f"procgen:{self.name}: expected the number of a level, {LEVELS[0]} to {LEVELS[1] - 1}, as seed, got "
                f"{seed}; does the task say seeds=({LEVELS[0]}, {LEVELS[1]}) or less?"
            )
        super().reset(seed=seed)
        level = int(self.np_random.integers(*LEVELS)) if seed is None else int(seed)
        self._begin(level)
        self._marked = int((options or {}).get("attempt", 0)) > 0
        self._playing, self._time = True, 0
        return self._show(), {"level": level}

    def step(self, action: Any) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Play one action.

        Returns:
            Frame, reward, terminated, truncated and an info; at the end that has "level_complete": whether the level's
            goal was reached.
        Raises:
            ResetNeeded: no episode is being played.
            ValueError: there is no such action.
        """
        if not self._playing:
            raise ResetNeeded("call reset() first: no episode has begun, or the last one has ended")
        action = index(action)
        if not 0 <= action < NUM_ACTIONS:
            raise ValueError(f"procgen:{self.name}: expected an action from 0 to {NUM_ACTIONS - 1}, got {action}")
        self._time += 1
        if self._time == self.time_limit:
            # Now an end that comes in this step can only be the game's own.
            self._game.set_state(without_time_limit(self._game.get_state()))
        reward, terminated = self._game.step(action)
        truncated = self._time == self.time_limit and not terminated
        if not (terminated or truncated):
            return self._show(), reward, False, False, {}
        self._playing = False
        frame = self._show() if truncated else self._shown.copy()
        return frame, reward, terminated, truncated, {"level_complete": self._game.level_complete}

    def render(self) -> Frame:
        """The frame that was returned last."""
        return self._shown.copy()

    def close(self) -> None:
        """Free the game."""
        self._playing = False
        self._game.close()

    def _begin(self, level: int) -> None:
        game = self._game
        if level == self._kept_level:
            game.set_state(self._kept)
            return
        game.set_state(self._start.for_level(level))
        game.step(RESTART)
        if game.level != level:
            raise RuntimeError(f"procgen:{self.name}: asked for level {level}, the library began {game.level}")
        if self._keeps:
            self._kept_level, self._kept = level, game.get_state()

    def _show(self) -> Frame:
        frame = self._game.frame.copy()
        if self._marked:
            frame[:MARK, :MARK] = 0
        self._shown = frame
        return frame
