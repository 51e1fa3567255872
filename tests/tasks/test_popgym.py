"""Multi-Task POPGym: the protocol's numbers, how its tasks end, and no randomness but the slot's own."""

import random
import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from tasks.popgym import CONTINUOUS, NAMES, TWENTY_SEVEN
from tasks.registry import load_suite, make_simulator
from tasks.suite import Suite
from tasks.task import Task


@pytest.fixture(scope="module")
def popgym_27() -> Suite:
    return load_suite("popgym-27")


def test_popgym_27_is_amago_2s_protocol(popgym_27: Suite) -> None:
    assert popgym_27.num_tasks == 27 and popgym_27.invalid_actions == "random"
    assert {(task.warmup_attempts, task.attempts, task.instance, task.reward_scale) for task in popgym_27.tasks} == {
        (1, 1, "fresh", 1.0)
    }
    assert max(popgym_27.observation_widths) == 26
    assert popgym_27.observation_space["vector"].shape == (27,)  # and the flag
    assert popgym_27.num_actions == 27  # the paper's 26 does not hold for popgym 1.0.7
    assert set(popgym_27.action_mask.sum(axis=1)) == {2, 4, 10, 16, 17, 20, 27}
    levels = [sum(name.endswith(level) for name in popgym_27.task_names) for level in ("Easy", "Medium", "Hard")]
    assert levels == [10, 9, 8]


def test_popgym_quick_is_five_easy_tasks_without_warm_up() -> None:
    suite = load_suite("popgym-quick")
    assert suite.num_tasks == 5 and all(name.endswith("Easy") for name in suite.task_names)
    assert all(task.warmup_attempts == 0 and task.attempts == 1 for task in suite.tasks)
    assert "without warm-up" in suite.description


def test_the_names_are_popgyms_own() -> None:
    make_simulator(Task(name="x", id="popgym:AutoencodeEasy"))  # registers them
    registered = {
        name.removeprefix("popgym-").removesuffix("-v0") for name in gymnasium.registry if name.startswith("popgym-")
    }
    ours = {name for name in NAMES if not name.startswith("Labyrinth")} | {
        f + level for f in CONTINUOUS for level in ("Easy", "Medium", "Hard")
    }
    assert {name for name in registered if not name.startswith("Labyrinth")} == ours
    assert set(TWENTY_SEVEN) < set(NAMES) and len(set(TWENTY_SEVEN)) == 27


@pytest.mark.parametrize("name", ["BattleshipMedium", "ConcentrationEasy", "MineSweeperHard", "MultiarmedBanditHard"])
def test_every_discrete_task_can_be_played_alone(name: str) -> None:
    env = load_suite(f"popgym:{name}").make_env(name, seed=0)
    env.reset()
    env.action_space.seed(0)
    for _ in range(2000):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        if terminated or truncated:
            break
    assert terminated != truncated and "trial" in info


def test_continuous_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="PositionOnlyPendulumHard has continuous actions, which are not supported"):
        load_suite("popgym:PositionOnlyPendulumHard")


def test_labyrinth_names_the_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mazelib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "mazelib" else object())
    with pytest.raises(ImportError, match="mazelib"):
        load_suite("popgym:LabyrinthEscapeEasy").make_env(0, seed=0)


def play_out(suite: Suite, name: str, action: int) -> tuple[bool, bool, int]:
    env = suite.make_env(name, seed=0)
    env.reset()
    while True:
        _, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return terminated, truncated, info["trial"]["length"]


def test_a_fallen_pole_terminates_and_a_full_episode_truncates(popgym_27: Suite) -> None:
    assert play_out(popgym_27, "PositionOnlyCartPoleEasy", 0)[:2] == (True, False)
    env = load_suite("popgym:PositionOnlyCartPoleEasy").make_env(0, seed=0)
    observation, _ = env.reset()
    before, steps, terminated, truncated = observation["vector"][:2], 0, False, False
    while not (terminated or truncated):
        now = observation["vector"][:2]  # the third is the flag
        (offset, lean), (drift, turn) = now, now - before
        push = lean + 20 * turn + 0.05 * offset + 2 * drift  # holds the pole and the cart
        before = now
        observation, _, terminated, truncated, _ = env.step(int(push > 0))
        steps += 1
    assert (terminated, truncated, steps) == (False, True, 200)


def test_a_bandit_truncates_and_a_recital_terminates(popgym_27: Suite) -> None:
    assert play_out(popgym_27, "MultiarmedBanditEasy", 0) == (False, True, 400)
    assert play_out(popgym_27, "AutoencodeEasy", 0) == (True, False, 206)


def test_no_task_touches_global_randomness(popgym_27: Suite) -> None:
    def state() -> tuple[object, ...]:
        kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  # the very thing that must not change
        return (kind, keys.tobytes(), *rest, random.getstate())

    envs = popgym_27.make_vector(27, seed=0, task_of_slot=range(27))
    before, left = state(), set(range(27))
    envs.reset()
    generator = np.random.default_rng(0)
    while left:
        *_, infos = envs.step(generator.integers(27, size=27))
        left -= {slot for slot, _ in infos.get("trials", ())}
    assert state() == before


def test_names_and_protocols_are_listed_without_loading_anything_heavy() -> None:
    code = (
        "import sys\n"
        "from tasks.registry import SUITES, load_suite\n"
        "suites = [load_suite(name) for name in SUITES]\n"
        "assert all(suite.task_names for suite in suites)\n"
        "assert not {'torch', 'gymnasium', 'popgym'} & set(sys.modules), 'too much is loaded'\n"
        "suites[1].make_vector(1, seed=0).reset()\n"
        "assert 'torch' not in sys.modules, 'tasks loads torch'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
