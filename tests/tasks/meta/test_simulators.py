"""What all families promise: one instance a seed, other noise in every attempt, and the same through trials."""

from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from tasks.registry import load_suite, make_simulator

DISCRETE = (
    *("bandit:bernoulli-5x10", "bandit:gaussian-3x7", "mdp:tabular-4x3x8", "room:dark", "room:dark-hard"),
    *(
        "room:key-door",
        "room:key-door-hard",
        "point:dense-discrete",
        "point:sparse-discrete",
        "hallway:sign",
        "tmaze:5",
    ),
)
CONTINUOUS = ("point:dense", "point:sparse")
FAMILIES = (*DISCRETE, *CONTINUOUS)
NOISY = {"bandit:bernoulli-5x10", "bandit:gaussian-3x7", "mdp:tabular-4x3x8"}


def simulator(name: str) -> Any:
    return make_simulator(load_suite(name).tasks[0])


def instance(env: Any) -> Any:
    """Whatever the instance consists of."""
    names = ("means", "transitions", "goal", "key", "door", "up")
    return [np.asarray(getattr(env, name)).tolist() for name in names if hasattr(env, name)]


def attempt(env: Any, seed: int | None, number: int, *, steps: int = 10**6) -> list[Any]:
    """What an attempt of fixed actions shows and pays."""
    env.action_space.seed(1)
    seen = [np.asarray(env.reset(seed=seed, options={"attempt": number})[0]).tolist()]
    for _ in range(min(steps, 600)):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation) and type(reward) is float and not truncated
        seen.append((np.asarray(observation).tolist(), reward))
        if terminated:
            break
    return seen


@pytest.mark.parametrize("name", FAMILIES)
def test_a_seed_and_an_attempt_decide_everything_whatever_came_before(name: str) -> None:
    one, other = simulator(name), simulator(name)
    expected = [attempt(one, 7, number) for number in range(3)]
    drawn = instance(one)
    attempt(other, 8, 2, steps=3)
    assert attempt(other, 7, 2) == expected[2] and instance(other) == drawn
    assert [attempt(other, 7, number) for number in range(3)] == expected and instance(other) == drawn
    assert attempt(other, 7, 1) == expected[1]
    assert other.reset(seed=7)[0] is not None and instance(other) == drawn


@pytest.mark.parametrize("name", FAMILIES)
def test_attempts_share_the_instance_and_nothing_else(name: str) -> None:
    env = simulator(name)
    played = [attempt(env, 3, number) for number in range(3)]
    different = len({str(one) for one in played})
    assert different == (3 if name in NOISY else 1) and env.noisy == (name in NOISY) and env.marks_attempts
    drawn = {str(instance(env)) for seed in range(30) if env.reset(seed=seed)}
    assert len(drawn) >= (2 if name.startswith(("hallway", "tmaze")) else 20)


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_seed_instances_follow_from_the_last_one(name: str) -> None:
    runs = []
    for _ in range(2):
        env = simulator(name)
        env.reset(seed=5)
        runs.append([str(instance(env)) for _ in range(12) if env.reset()])
    assert runs[0] == runs[1] and len(set(runs[0])) > 1
    env.reset(options={"attempt": 1})
    assert str(instance(env)) == runs[0][-1]


@pytest.mark.parametrize("name", FAMILIES)
def test_an_attempt_that_is_over_cannot_be_played_on(name: str) -> None:
    env = simulator(name)
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())
    attempt(env, 0, 0)
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())


@pytest.mark.parametrize("name", FAMILIES)
def test_trials_keep_the_instance_and_are_rebuilt_from_their_actions(name: str) -> None:
    suite = load_suite(name, attempts=3)
    assert suite.tasks[0].instance == "same"
    envs, again = (suite.make_vector(4, seed=2) for _ in range(2))
    envs.reset()
    generator = np.random.default_rng(0)

    def actions() -> Any:
        if suite.continuous:
            return generator.uniform(-1, 1, (4, suite.num_actions)).astype(np.float32)
        return generator.integers(suite.num_actions, size=4)

    for _ in range(25):
        envs.step(actions())
    again.load_state_dict(envs.state_dict())
    for _ in range(60):
        played = actions()
        one, other = envs.step(played), again.step(played)
        assert all(np.array_equal(one[0][key], other[0][key]) for key in one[0])
        assert np.array_equal(one[1], other[1])
    envs.close()
    again.close()


@pytest.mark.parametrize("number", [0, 1, 5])
def test_noise_does_not_repeat_the_numbers_that_the_instance_was_drawn_from(number: int) -> None:
    env, paid, means = simulator("bandit:bernoulli-1x1"), [], []
    for seed in range(1500):
        env.reset(seed=seed, options={"attempt": number})
        means.append(env.means[0])
        paid.append(env.step(0)[1])
    assert np.mean(paid) == pytest.approx(0.5, abs=0.05)
    assert np.corrcoef(paid, means)[0, 1] == pytest.approx(3**-0.5, abs=0.06)  # of a mean U and a pull that it decides


def test_bandits_pay_what_their_means_say() -> None:
    for name, deviation in (("bandit:bernoulli-3x2000", None), ("bandit:gaussian-3x2000", 1.0)):
        env = simulator(name)
        env.reset(seed=4)
        paid = np.array([env.step(1)[1] for _ in range(2000)])
        assert paid.mean() == pytest.approx(env.means[1], abs=0.09)
        if deviation:
            assert paid.std() == pytest.approx(deviation, abs=0.06)
        else:
            assert set(paid) == {0.0, 1.0}


def test_mdps_move_and_pay_as_their_tables_say() -> None:
    env = simulator("mdp:tabular-4x2x5000")
    env.reset(seed=4)
    np.testing.assert_allclose(env.transitions.sum(axis=-1), 1.0)
    counts, paid, state = np.zeros((4, 2, 4)), [[[], []] for _ in range(4)], 0
    for step in range(5000):
        following, reward, *_ = env.step(step % 2)
        counts[state, step % 2, following] += 1
        paid[state][step % 2].append(reward)
        state = following
    visits = counts.sum(axis=-1)
    pairs = np.argwhere(visits > 200)
    assert len(pairs) >= 4
    for s, a in pairs:
        np.testing.assert_allclose(counts[s, a] / visits[s, a], env.transitions[s, a], atol=0.12)
        assert np.mean(paid[s][a]) == pytest.approx(env.means[s, a], abs=0.25)


def test_mdps_are_drawn_as_in_the_paper() -> None:
    env = simulator("mdp:tabular-10x5x10")
    means, rows = [], []
    for seed in range(200):
        env.reset(seed=seed)
        means.append(env.means)
        rows.append(env.transitions)
    assert np.mean(means) == pytest.approx(1.0, abs=0.05) and np.std(means) == pytest.approx(1.0, abs=0.05)
    # A flat Dirichlet of 10: each probability is Beta(1, 9), with mean 1/10 and variance 9 / (100 * 11).
    assert np.var(rows) == pytest.approx(9 / 1100, rel=0.05)
