"""What is shown is minigrid's own view, the rules are minigrid's, and a seed says all."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minigrid.minigrid_env import MiniGridEnv
from numpy.typing import NDArray

from tasks.babyai.levels import NAMES, SIXTY_EIGHT
from tasks.babyai.simulator import BabyaiEnv
from tasks.babyai.source import OBSERVATIONS, Babyai

LIVELY = [0, 1, 2, 2, 2, 3, 4, 5, 5]
"""Actions drawn so that something happens: doors open, things are picked up and dropped."""


def walk(env: BabyaiEnv, seed: int, steps: int) -> Iterator[dict[str, NDArray[np.uint8]]]:
    """Observations of a random walk that ends with the episode."""
    generator = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    yield observation
    for action in generator.choice(LIVELY, size=steps).tolist():
        observation, _, terminated, truncated, _ = env.step(action)
        yield observation
        if terminated or truncated:
            return


def minigrids(env: BabyaiEnv, observation: str) -> NDArray[np.uint8]:
    """What minigrid's own code shows at this moment."""
    simulator = env.simulator
    if observation == "image":
        picture: NDArray[np.uint8] = simulator.get_pov_render(8)
        return picture
    if observation == "view":
        view: NDArray[np.uint8] = MiniGridEnv.gen_obs(simulator)["image"].swapaxes(0, 1)
        return view
    grid: NDArray[np.uint8] = simulator.grid.encode()
    grid[tuple(simulator.agent_pos)] = (10, 0, simulator.agent_dir)
    return grid.swapaxes(0, 1)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_every_level_shows_what_minigrid_shows(observation: str) -> None:
    key = "image" if observation == "image" else "grid"
    carried = opened = 0
    for name in NAMES:
        env = BabyaiEnv(name, observation=observation)
        for seen in walk(env, seed=0, steps=25):
            np.testing.assert_array_equal(seen[key], minigrids(env, observation))
            assert env.observation_space.contains(seen), name
            carried += env.simulator.carrying is not None
            opened += any(cell is not None and cell.type == "door" and cell.is_open for cell in env.simulator.grid.grid)
    assert carried > 50 and opened > 50  # the walks did meet these


def test_the_rules_are_minigrids() -> None:
    for name in ("GoToLocalS5N2", "OpenRedDoor", "PickupDistDebug", "UnlockPickup", "GoToObjMazeS4R2"):
        ours, bare = BabyaiEnv(name), gymnasium.make(f"BabyAI-{name}-v0", disable_env_checker=True).unwrapped
        for seed in range(15):
            generator = np.random.default_rng(seed)
            ours.reset(seed=seed)
            bare.reset(seed=seed)
            over = False
            while not over:
                action = int(generator.choice(LIVELY))
                seen, *outcome, _ = ours.step(action)
                told, *expected, _ = bare.step(action)
                assert outcome == expected
                np.testing.assert_array_equal(seen["grid"], told["image"].swapaxes(0, 1))
                over = outcome[1] or outcome[2]


def test_a_seed_gives_the_same_layout_and_mission_whatever_came_before() -> None:
    def start(env: BabyaiEnv, seed: int) -> tuple[bytes, bytes, int]:
        observation, _ = env.reset(seed=seed)
        return observation["grid"].tobytes(), observation["tokens"].tobytes(), env.simulator.max_steps

    for name in SIXTY_EIGHT:
        fresh, used = (BabyaiEnv(name, observation="full-grid") for _ in range(2))
        for _ in walk(used, seed=1, steps=7):  # left in the middle of an episode
            pass
        used.reset()
        assert start(fresh, 5) == start(used, 5), name
        assert start(used, 6) != start(used, 7) or name == "GoToObjS4"
    seeds = [0, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]
    env = BabyaiEnv("GoToLocal", observation="full-grid")
    assert len({start(env, seed) for seed in seeds}) == len(seeds)


def test_a_shorter_episode_ends_and_pays_by_its_own_length() -> None:
    env = BabyaiEnv("GoToLocal", max_steps=3)
    env.reset(seed=0)
    outcomes = [env.step(6) for _ in range(3)]
    assert [outcome[3] for outcome in outcomes] == [False, False, True]
    env, paid, generator = BabyaiEnv("GoToLocalS5N2", max_steps=10), set(), np.random.default_rng(0)
    for seed in range(60):
        env.reset(seed=seed)
        for number in range(1, 11):
            _, reward, terminated, truncated, _ = env.step(int(generator.integers(3)))
            assert reward == (pytest.approx(1 - 0.9 * number / 10) if terminated else 0)
            if terminated:
                paid.add(number)
            if terminated or truncated:
                break
    assert len(paid) > 3


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_it_is_a_gymnasium_environment(observation: str) -> None:
    env = BabyaiEnv("OpenDoorLoc", observation=observation)
    check_env(env, skip_render_check=True)
    frame = env.render()
    assert frame.shape == (22 * 16, 22 * 16, 3) and frame.dtype == np.uint8 and frame.max() == 255


def test_an_episode_that_is_over_is_not_played_on() -> None:
    env = BabyaiEnv("GoToLocalS5N2", max_steps=1)
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\) first"):
        env.render()
    env.reset(seed=0)
    env.step(6)
    with pytest.raises(gymnasium.error.ResetNeeded, match="babyai:GoToLocalS5N2"):
        env.step(6)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("GotoLocl", {}, "unknown babyai task 'GotoLocl'; did you mean GoToLocal"),
        ("GoToObj", {"observation": "ful-grid"}, "got 'ful-grid'; did you mean full-grid"),
        ("GoToObj", {"observation": 3}, "expected observation to be one of view, full-grid, image, got 3$"),
        ("GoToObj", {"max_steps": 0}, "max_steps must be an integer from 1, or None, got 0"),
        ("GoToObj", {"max_steps": 2.5}, "max_steps must be an integer from 1, or None, got 2.5"),
    ],
)
def test_wrong_names_and_options_are_explained(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Babyai.make(name, **options)
    with pytest.raises(ValueError, match=says):  # and before anything is built
        Babyai.task(name, options=options)


def test_an_option_that_does_not_exist_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ValueError, match=r"'babyai:GoToObj': unknown option 'observaton'; did you mean observation\?"):
        Babyai.task("GoToObj", options={"observaton": "view"})


def test_an_old_minigrid_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.babyai.simulator._minigrid", lambda: ("2.3.0", {}))
    with pytest.raises(ImportError, match=r"babyai:GoToObj is not in minigrid 2.3.0: pip install 'minigrid>=3.2'"):
        Babyai.make("GoToObj")


def test_nothing_is_imported_early_and_nothing_is_printed() -> None:
    code = (
        "import sys\n"
        "from tasks.babyai import Babyai, babyai_68\n"
        "assert len(babyai_68().tasks) == 50\n"
        "assert not {'minigrid', 'pygame', 'gymnasium', 'torch'} & set(sys.modules), 'too much is loaded'\n"
        "env = Babyai.make('PutNextLocal')\n"
        "[env.reset(seed=seed) for seed in range(200)]\n"  # minigrid rejects some layouts, and says so
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
