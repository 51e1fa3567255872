"""A BabyAI level as a `gymnasium.Env` that is shown in numbers: a grid or an image, and the mission's words.

Source: Chevalier-Boisvert et al. 2023, "Minigrid & Miniworld"; `minigrid.minigrid_env`, whose rules are played.
Departs: arrays are ``[row, column]``, minigrid's are ``[column, row]``; the agent's direction, which minigrid tells
beside its view, is told only by the full grid.
"""

import functools
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from tasks.babyai import view
from tasks.babyai.mission import WORDS, longest_mission, tokenise

Observation = dict[str, NDArray[np.uint8]]


class BabyaiEnv(gymnasium.Env[Observation, int]):
    """One level. All randomness comes from ``reset(seed=...)``; the same seed gives the same layout and mission.

    Observations, by `observation`, beside ``tokens``, uint8 ``[words]``: the mission (`tasks.babyai.mission`).

    - "view": ``grid``, uint8 ``[7, 7, 3]``: object, colour and state of the cells before the agent. The agent is
      in the middle of the last row, looks up, and its cell holds what it carries; hidden cells are 0.
    - "full-grid": ``grid``, uint8 ``[height, width, 3]``: all cells, nothing hidden, with the agent, whose state is its
      direction (0 right, 1 down, 2 left, 3 up). What it carries is not to be seen.
    - "image": ``image``, uint8 ``[56, 56, 3]``: the view as minigrid draws it, 8 pixels a cell.

    Seven actions: turn left, turn right, forward, pick up, drop, toggle, done (which does nothing). The reward is 1 -
    0.9 * step / max_steps in the step that fulfils the mission, else 0.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  # as in the base class
    action_names = ("turn left", "turn right", "forward", "pick up", "drop", "toggle", "done")

    def __init__(self, name: str, *, observation: str = "view", max_steps: int | None = None) -> None:
        self.name, self.render_mode = name, "rgb_array"
        self.simulator = _make(name, max_steps)
        # minigrid would make its own view in every step; `_observation` makes ours, when the step is complete.
        self.simulator.gen_obs = lambda: None
        self.action_space = spaces.Discrete(7)  # type: ignore[assignment]  # np.int64 stands for int
        length, grid, side = longest_mission(name), (view.VIEW, view.VIEW), view.VIEW * view.TILE
        if observation == "full-grid":
            grid = self.simulator.height, self.simulator.width
        shown = spaces.Box(0, view.LARGEST_CODE, (*grid, 3), np.uint8)
        if observation == "image":
            shown = spaces.Box(0, 255, (side, side, 3), np.uint8)
        self.observation_space = spaces.Dict(  # type: ignore[assignment]  # it does not tell the type of its entries
            {
                "image" if observation == "image" else "grid": shown,
                "tokens": spaces.Box(0, len(WORDS), (length,), np.uint8),
            }
        )
        self._shown, self._tokens, self._playing = observation, np.zeros(length, np.uint8), False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Lay out an instance; without a seed the generator of the last one goes on. There are no options.

        Raises:
            ValueError: the mission has a word that is not in the vocabulary.
        """
        self._playing = False
        self.simulator.reset(seed=seed)
        self._np_random, self._np_random_seed = self.simulator.np_random, self.simulator.np_random_seed
        try:
            self._tokens = tokenise(self.simulator.mission, len(self._tokens))
        except ValueError as error:
            raise ValueError(f"task 'babyai:{self.name}': {error}") from None
        self._playing = True
        return self._observation(), {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Play an action, 0 to 6.

        Raises:
            ResetNeeded: no episode has begun, or the last one has ended.
            ValueError: there is no such action.
        """
        if not self._playing:
            raise ResetNeeded(f"task 'babyai:{self.name}': call reset() first: no episode is being played")
        _, reward, terminated, truncated, _ = self.simulator.step(action)
        self._playing = not (terminated or truncated)
        return self._observation(), float(reward), terminated, truncated, {}

    def render(self) -> NDArray[np.uint8]:
        """The whole grid as ``[height, width, 3]`` pixels, 16 a cell; what the agent sees is brighter."""
        if not hasattr(self.simulator, "step_count"):
            raise ResetNeeded(f"task 'babyai:{self.name}': call reset() first: there is nothing to draw")
        frame: NDArray[np.uint8] = self.simulator.get_frame(tile_size=16)
        return frame

    def close(self) -> None:
        """Nothing is held."""

    def _observation(self) -> Observation:
        if self._shown == "full-grid":
            seen = {"grid": view.codes(view.all_cells(self.simulator), self.simulator.height)}
        elif self._shown == "view":
            seen = {"grid": view.codes(view.egocentric_cells(self.simulator), view.VIEW)}
        else:
            seen = {"image": view.picture(view.egocentric_cells(self.simulator))}
        seen["tokens"] = self._tokens.copy()
        return seen


def _make(name: str, max_steps: int | None) -> Any:
    """A bare minigrid simulator.

    Raises:
        ImportError: minigrid is missing, or too old to have the level.
    """
    from gymnasium.envs.registration import load_env_creator

    version, ids = _minigrid()
    if name not in ids:
        raise ImportError(f"babyai:{name} is not in minigrid {version}: pip install 'minigrid>=3.2'")
    spec = gymnasium.spec(ids[name])
    options = spec.kwargs if max_steps is None else spec.kwargs | {"max_steps": max_steps}
    return load_env_creator(str(spec.entry_point))(**options)


@functools.cache
def _minigrid() -> tuple[str, dict[str, str]]:
    """Import minigrid without a word: its version, and the levels' names with their ids."""
    try:
        import minigrid  # pygame comes with it, and is silent since gymnasium has been imported
        from minigrid.envs.babyai.core import roomgrid_level
    except ImportError as error:
        raise ImportError(f"BabyAI needs the package minigrid: pip install 'minigrid>=3.2' ({error})") from error
    # Every layout that its generator rejects is printed; a module's own `print` hides the built-in one.
    vars(roomgrid_level)["print"] = lambda *words: None
    ids = (id_ for id_ in gymnasium.registry if id_.startswith("BabyAI-"))
    return minigrid.__version__, {id_.removeprefix("BabyAI-").rpartition("-v")[0]: id_ for id_ in ids}
