"""Names of actions, and what a window keeps."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mtrl.report.video.window import Window, action_names
from tasks.registry import load_suite
from tests.mtrl.tiny import Cue


class Named(Cue):
    """As Atari's simulators name their actions."""

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "FIRE", "a"]


class Reused(Cue):
    """Writes every observation into the same array, and draws only for a while."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    render_mode = "rgb_array"

    def __init__(self) -> None:
        super().__init__(0, 1.0)
        self.array = np.zeros(1)

    def _observe(self) -> Any:
        self.cue = 0
        self.array += 1
        return self.array

    def render(self) -> Any:
        if self.array[0] > 2:
            raise OSError("no screen")
        return np.full((4, 4, 3), self.array[0])


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("babyai:GoToObj", ("turn left", "turn right", "forward", "pick up", "drop", "toggle", "done")),
        ("gym:CartPole-v1", ("0", "1")),
    ],
)
def test_actions_have_the_simulators_names_or_its_numbers(task: str, names: tuple[str, ...]) -> None:
    suite = load_suite(task)
    simulator = suite.make_env(0)._pool.take(0)
    assert action_names(simulator, suite.interfaces[0].actions) == names
    simulator.close()


def test_procgens_actions_are_its_buttons() -> None:
    from tasks.procgen.simulator import ProcgenSimulator

    combinations = pytest.importorskip("procgen.env").ProcgenGym3Env.get_combos(None)
    words = tuple(" ".join(name if len(name) == 1 else name.lower() for name in combo) for combo in combinations)
    assert ProcgenSimulator.action_names == tuple(word or "nothing" for word in words)


def test_ataris_way_of_naming_is_understood_and_a_wrong_number_of_names_is_not_believed() -> None:
    assert action_names(Named(0, 1.0), (0, 1, 2)) == ("noop", "fire", "a")
    assert action_names(Named(0, 1.0), (0, 1)) == ("0", "1")
    several = (np.array([0, 1]), np.array([2, 3]))
    assert action_names(Cue(0, 1.0), several) == ("0 1", "2 3")


def test_what_was_seen_stays_though_the_simulator_writes_over_it_and_stops_drawing() -> None:
    window = Window(Reused())
    window.reset(seed=0)
    window.open()
    first = window.now
    window.step(1)
    second = window.now
    window.step(2)
    assert [float(sight.observation[0]) for sight in (first, second, window.now)] == [1, 2, 3]
    assert first.picture is not None and second.picture is not None and window.now.picture is None
    assert (first.picture[0, 0, 0], second.picture[0, 0, 0]) == (1, 2) and window.played == 2
    window.reset(seed=0)
    assert window.after_step is not window.now and float(window.after_step.observation[0]) == 3


def test_a_window_that_is_closed_draws_nothing() -> None:
    class Loud(Cue):
        render_mode = "rgb_array"

        def render(self) -> Any:
            pytest.fail("was drawn")

    window = Window(Loud(0, 1.0))
    window.reset(seed=0)
    window.step(0)
    assert isinstance(window, gym.Wrapper)
