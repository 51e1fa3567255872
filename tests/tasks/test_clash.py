"""Tasks whose conflict is known, held to what is known of it."""

import math

import numpy as np
import pytest

from tasks.clash import DIMENSIONS, Clash
from tasks.registry import load_suite
from tasks.scores import load_reference, normalised

POINTS = 4000


def rewards(angle: int, pushes: object) -> tuple[np.ndarray, np.ndarray]:
    """Points, and what a rule from points to actions earns on them."""
    env = Clash.make(str(angle))
    points, paid = [], []
    for seed in range(POINTS):
        point, _ = env.reset(seed=seed)
        after, reward, terminated, truncated, _ = env.step(pushes(point))  # type: ignore[operator]
        assert terminated and not truncated and np.array_equal(after, point)
        points.append(point)
        paid.append(reward)
    return np.array(points), np.array(paid)


def along(angle: float) -> np.ndarray:
    return np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle)), *[0.0] * (DIMENSIONS - 2)])


def test_who_knows_the_direction_earns_everything() -> None:
    for angle in (0, 45, 200):
        assert rewards(angle, lambda point, angle=angle: int(point @ along(angle) > 0))[1].mean() == 1.0


@pytest.mark.parametrize("apart", [0, 45, 90, 135, 180])
def test_tasks_differ_on_the_share_that_their_angle_says_so_the_blind_are_bounded(apart: int) -> None:
    def between(point: np.ndarray) -> int:
        return int(point @ along(apart / 2) > 0)

    one, other = rewards(0, between)[1], rewards(apart, between)[1]
    assert (one != other).mean() == pytest.approx(apart / 180, abs=0.03)
    assert (one + other).mean() / 2 == pytest.approx(1 - apart / 180, abs=0.03)


def test_policy_gradients_have_the_cosine_of_the_angle() -> None:
    """Of a linear policy that starts undecided: E[reward x the action's own sign x the point] by task."""
    points = rewards(0, lambda point: 1)[0]
    gradients = []
    for angle in (0, 135):
        paid = rewards(angle, lambda point: 1)[1]
        gradients.append((paid[:, None] * points).mean(axis=0))
    one, other = gradients
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert cosine == pytest.approx(math.cos(math.radians(135)), abs=0.07)
    np.testing.assert_allclose(one, math.sqrt(2 / math.pi) * along(0), atol=0.06)


def test_the_suite_is_played_and_scored() -> None:
    suite = load_suite("clash", only=("Clash0", "Clash180"))
    envs = suite.make_vector(8, seed=0)
    envs.reset()
    for _ in range(3):
        _, reward, terminated, _, infos = envs.step(np.ones(8, int))
        assert terminated.all() and set(np.abs(reward)) == {1.0} and len(infos["trials"]) == 8
    reference = load_reference("clash:45")
    assert normalised(1.0, reference) == 1.0 and abs(normalised(0.0, reference) or 0.0) < 0.03


@pytest.mark.parametrize("name", ["360", "-1", "1.5", "07", "north"])
def test_no_other_angles(name: str) -> None:
    with pytest.raises(ValueError, match=f"clash:{name}: expected a whole angle from 0 to 359"):
        Clash.task(name)
