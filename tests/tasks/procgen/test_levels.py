"""A level begun by its number is the level of a new environment, whatever was played before."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tasks.procgen.games import NAMES

LAST_LEVEL = 2**31 - 2


def _wander(simulator: Any, generator: np.random.Generator, steps: int) -> None:
    """Leave the simulator somewhere, mostly in the middle of an episode."""
    simulator.reset(seed=int(generator.integers(LAST_LEVEL)), options={"attempt": 1})
    for action in generator.integers(15, size=steps).tolist():
        if any(simulator.step(action)[2:4]):
            return


@pytest.mark.parametrize("name", NAMES)
def test_a_level_is_that_of_a_new_environment_step_by_step(
    name: str, simulator: Callable[[str], Any], fresh: Callable[[str, int], Any]
) -> None:
    generator = np.random.default_rng(sum(name.encode()))
    simulator = simulator(name)
    for level in (0, LAST_LEVEL, *generator.integers(LAST_LEVEL, size=3).tolist()):
        _wander(simulator, generator, 40)
        new = fresh(name, level)
        frame, info = simulator.reset(seed=level)
        assert info["level"] == new.level() == level
        np.testing.assert_array_equal(frame, new.frame())
        action = 7
        for _ in range(100):
            action = int(generator.integers(15)) if generator.random() < 0.4 else action
            expected, first = new.step(action)
            frame, reward, terminated, truncated, _ = simulator.step(action)
            assert (reward, terminated, truncated) == (expected, first, False)
            if terminated:
                break
            np.testing.assert_array_equal(frame, new.frame())


@pytest.mark.parametrize(("level", "action"), [(1297918908, 6), (432731620, 4)])
def test_miners_exit_is_as_in_a_new_environment(
    level: int, action: int, simulator: Callable[[str], Any], fresh: Callable[[str, int], Any]
) -> None:
    # Here the robot begins beside the exit, and whether that is open depends on a count that a level does not set.
    miner = simulator("miner")
    _wander(miner, np.random.default_rng(0), 20)
    miner.reset(seed=level)
    _, reward, terminated, _, info = miner.step(action)
    assert fresh("miner", level).step(action) == (reward, terminated) == (10.0, True)
    assert info["level_complete"]


@pytest.mark.parametrize("name", ["leaper", "coinrun", "jumper-memory", "dodgeball-hard"])
def test_a_second_attempt_is_the_first_again(name: str, simulator: Callable[[str], Any]) -> None:
    simulator = simulator(name)
    actions = np.random.default_rng(4).integers(15, size=120).tolist()

    def play() -> list[Any]:
        seen = [simulator.reset(seed=77)[0]]
        for action in actions:
            seen.append(simulator.step(action)[:4])
            if seen[-1][2]:
                break
        return seen

    first, *again = play(), play(), play()
    simulator.reset(seed=78)
    for attempt in (*again, play()):
        assert len(attempt) == len(first)
        np.testing.assert_array_equal(attempt[0], first[0])
        for (frame, *rest), (frame_again, *rest_again) in zip(first[1:], attempt[1:], strict=True):
            np.testing.assert_array_equal(frame, frame_again)
            assert rest == rest_again


def test_without_a_seed_levels_are_drawn_from_the_generator_of_the_last_seed(simulator: Callable[[str], Any]) -> None:
    maze = simulator("maze")

    def levels() -> list[int]:
        maze.reset(seed=5)
        return [maze.reset()[1]["level"] for _ in range(3)]

    assert levels() == levels() and len(set(levels())) == 3


@pytest.mark.parametrize("level", [-1, 2**31 - 1, 2**63 - 2])
def test_what_is_no_level_is_refused(level: int, simulator: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match=rf"procgen:coinrun: expected the number of a level.*got {level}; does the"):
        simulator("coinrun").reset(seed=level)
