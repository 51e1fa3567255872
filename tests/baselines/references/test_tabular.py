"""Tabular MDPs: planning against enumeration, posteriors by hand, and algorithms between random and the optimum."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from baselines.references.families import family_of
from baselines.references.play import play
from baselines.references.posterior_mean import posterior_mean
from baselines.references.psrl import psrl
from baselines.references.tabular import Posterior, Shape, TabularPolicy, known_values, value_iteration
from baselines.references.ucrl2 import best_in_ball, ucrl2
from tasks.registry import load_suite

SHAPE = Shape(states=3, actions=2, horizon=2)
PLANS = {
    "psrl": psrl(2),
    "psrl-optimistic": psrl(2, samples=3),
    "beb": posterior_mean(2, beta=1.0),
    "ucrl2": ucrl2(SHAPE),
}


def some_mdps(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transitions and rewards from the prior."""
    return Posterior.prior(count, SHAPE).sample(np.random.default_rng(0))


def observation(time: int, state: int, action: int = 0, reward: float = 0.0, *, start: bool = False) -> dict[str, Any]:
    """What one slot sees."""
    return {
        "vector": np.eye(SHAPE.states, dtype=np.float32)[[state]],
        "time": np.array([time]),
        "previous_action": np.array([action]),
        "previous_reward": np.array([reward], np.float32),
        "attempt_start": np.array([int(start)]),
    }


def test_value_iteration_finds_the_best_of_all_policies() -> None:
    moves, rewards = some_mdps(4)
    policy, value = value_iteration(moves, rewards, 2)
    for mdp in range(4):
        best = -np.inf
        for choice in product(range(2), repeat=6):
            worth = np.zeros(3)
            for step in (1, 0):
                actions = np.array(choice[3 * step : 3 * step + 3])
                worth = rewards[mdp, range(3), actions] + moves[mdp, range(3), actions] @ worth
            best = max(best, worth[0])
            if (np.array(choice).reshape(2, 3) == policy[mdp]).all():
                assert worth == pytest.approx(value[mdp])
        assert value[mdp, 0] == pytest.approx(best)


def test_a_posterior_holds_what_was_seen_but_not_the_state_that_ends_an_attempt() -> None:
    policy = TabularPolicy(1, np.random.default_rng(0), shape=SHAPE, plan=psrl(2))
    for seen in (
        observation(0, 0, start=True),
        observation(1, 2, action=1, reward=3.0),
        observation(2, 0, action=0, reward=-1.0, start=True),
        observation(3, 2, action=1, reward=5.0),
    ):
        policy.act(seen)
    posterior = policy.posterior
    assert posterior.moves.sum() == posterior.moves[0, 0, 1, 2] == 2
    assert posterior.pulls.sum() == 3 and posterior.pulls[0, 2, 0] == 1
    assert posterior.mean_rewards()[0, 0, 1] == pytest.approx((1 + 3 + 5) / 3)
    assert posterior.mean_rewards()[0, 2, 0] == pytest.approx(0.0)
    assert posterior.mean_moves()[0, 0, 1].tolist() == pytest.approx([1 / 5, 1 / 5, 3 / 5])
    policy.act(observation(0, 0, start=True))
    assert not policy.posterior.pulls.any() and not policy.posterior.moves.any()


def test_samples_have_the_posteriors_moments() -> None:
    posterior = Posterior.prior(20_000, SHAPE)
    posterior.pulls[:, 0, 0], posterior.total[:, 0, 0], posterior.moves[:, 0, 0, 1] = 3.0, 9.0, 3.0
    moves, rewards = posterior.sample(np.random.default_rng(0))
    assert rewards[:, 0, 0].mean() == pytest.approx(10 / 4, abs=0.02)
    assert rewards[:, 0, 0].std() == pytest.approx(0.5, abs=0.02) and rewards[:, 1, 0].std() == pytest.approx(
        1, abs=0.03
    )
    assert moves[:, 0, 0].mean(axis=0) == pytest.approx([1 / 6, 4 / 6, 1 / 6], abs=0.01)


def test_the_inner_maximisation_is_the_linear_programmes() -> None:
    generator = np.random.default_rng(3)
    moves, _ = some_mdps(5)
    value, radius = generator.normal(size=(5, 3)), generator.uniform(0, 2.5, size=(5, 3, 2))
    found = best_in_ball(moves, radius, value)
    for mdp, state, action in product(range(5), range(3), range(2)):
        # p and the distances |p - centre| in one vector
        centre = moves[mdp, state, action]
        bounds = np.block([[np.eye(3), -np.eye(3)], [-np.eye(3), -np.eye(3)], [np.zeros(3), np.ones(3)]])
        limits = np.concatenate([centre, -centre, [radius[mdp, state, action]]])
        best = linprog(
            np.concatenate([-value[mdp], np.zeros(3)]),
            A_ub=bounds, b_ub=limits, A_eq=[[1, 1, 1, 0, 0, 0]], b_eq=[1],
        )  # fmt: skip
        assert found[mdp, state, action] == pytest.approx(-best.fun, abs=1e-8)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_with_very_much_data_every_plan_is_the_best_policy(name: str) -> None:
    moves, rewards = some_mdps(20)
    posterior = Posterior(1e9 * moves, np.full(rewards.shape, 1e9), 1e9 * rewards, concentration=1.0)
    plan = PLANS[name](posterior, np.random.default_rng(0))
    assert (plan == value_iteration(moves, rewards, 2)[0]).mean() > 0.99


@pytest.mark.parametrize("name", ["psrl", "psrl-optimistic", "ucrl2", "ucrl2-tuned", "beb", "greedy", "epsilon-greedy"])
def test_references_lie_between_random_and_the_optimum_and_adapt(name: str) -> None:
    task = load_suite("tabular-mdp").tasks[0]
    family = family_of(task)
    found = play(task, family.references[name], trials=256, seed=0)
    assert 100 + 3 * 1.5 < found.result.mean < 10 * family.known().mean()
    assert found.attempts[-1] > found.attempts[0] + 3
    if name in ("beb", "ucrl2-tuned"):
        assert found.result.mean > 145
    assert found.result.steps == 100 and len(found.steps) == 100


def test_the_prior_is_what_moves_are_drawn_from() -> None:
    task = load_suite("mdp:tabular-3x2x2@0.3").tasks[0]
    posterior = family_of(task).references["psrl"](4000, np.random.default_rng(0)).posterior
    moves, _ = posterior.sample(np.random.default_rng(0))
    assert np.var(moves) == pytest.approx(2 / (9 * (3 * 0.3 + 1)), rel=0.03)  # Beta(0.3, 0.6)
    posterior.moves[:, 1, 0, 2] += 1.0
    assert posterior.mean_moves()[0, 1, 0] == pytest.approx([0.3 / 1.9, 0.3 / 1.9, 1.3 / 1.9])


def test_what_a_known_mdp_is_worth_shrinks_to_the_best_arm_for_one_step() -> None:
    values = known_values(Shape(states=4, actions=3, horizon=1), count=20_000, seed=0)
    assert values.mean() == pytest.approx(1 + 0.84628, abs=0.02)  # the highest of three normal numbers


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: psrl(2, samples=0), "at least one sample"),
        (lambda: posterior_mean(2, beta=-1.0), "beta >= 0"),
        (lambda: ucrl2(SHAPE, delta=0.0), "0 < delta < 1"),
        (lambda: ucrl2(SHAPE, move_width=-1.0), "widths >= 0"),
        (lambda: TabularPolicy(1, np.random.default_rng(0), shape=SHAPE, plan=psrl(2), epsilon=2.0), "epsilon"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wrong()


def test_tasks_of_another_size_are_refused() -> None:
    policy = TabularPolicy(1, np.random.default_rng(0), shape=SHAPE, plan=psrl(2))
    with pytest.raises(ValueError, match="one of 3 states, got 4 numbers"):
        policy.act(observation(0, 0, start=True) | {"vector": np.zeros((1, 4))})
    policy.act(observation(0, 0, start=True))
    policy.act(observation(1, 0))
    with pytest.raises(ValueError, match="horizon of 2"):
        policy.act(observation(2, 0))
