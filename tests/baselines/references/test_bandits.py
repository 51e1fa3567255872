"""Bandits: exact values, published ones, and every algorithm between the random policy and the optimum."""

import dataclasses
import random
from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
import pytest

from baselines.references import epsilon_greedy, thompson, ucb
from baselines.references.arms import Arms, Index, IndexPolicy
from baselines.references.bayes_optimal import MOST_STATES, BayesOptimal, count_states
from baselines.references.belief import UNIFORM, Belief
from baselines.references.families import family_of
from baselines.references.gittins import gittins, gittins_table
from baselines.references.play import play
from tasks.meta.distributions import Spans
from tasks.registry import load_suite, make_simulator
from tasks.scores import load_reference

History = tuple[tuple[int, int], ...]
NOISE = np.random.default_rng(0)
EVERYWHERE, TWO = Spans(((0.0, 1.0),)), Spans(((0.1, 0.4), (0.6, 0.9)))


def arms_after(history: History, num_arms: int) -> Arms:
    """One slot that has seen these (arm, reward)."""
    arms = Arms(1, num_arms)
    for time, (arm, reward) in enumerate([(num_arms, 0), *history]):
        arms.watch(
            {"time": np.array([time]), "previous_action": np.array([arm]), "previous_reward": np.array([reward])}
        )
    return arms


def grid_mean(successes: int, failures: int, spans: Spans) -> float:
    """The posterior mean by a fine grid over where the mean may lie."""
    grid = np.concatenate([np.linspace(low, high, 20_001) for low, high in spans.parts])
    width = np.concatenate([np.full(20_001, high - low) for low, high in spans.parts])
    likely = width * grid**successes * (1 - grid) ** failures
    return float((grid * likely).sum() / likely.sum())


def best_of_histories(num_arms: int, pulls: int, history: History = (), spans: Spans = EVERYWHERE) -> float:
    """The optimum by going through all histories, in the order in which they happen."""
    if len(history) == pulls:
        return 0.0
    values = []
    for arm in range(num_arms):
        seen = [reward for pulled, reward in history if pulled == arm]
        mean = grid_mean(sum(seen), len(seen) - sum(seen), spans)
        won, lost = (best_of_histories(num_arms, pulls, (*history, (arm, reward)), spans) for reward in (1, 0))
        values.append(mean * (1 + won) + (1 - mean) * lost)
    return max(values)


def value_of(index: Index, num_arms: int, pulls: int, history: History = ()) -> float:
    """The exact expected return of an index policy."""
    if len(history) == pulls:
        return 0.0
    arms = arms_after(history, num_arms)
    arm = int(index(arms, NOISE).argmax())
    mean = float(UNIFORM.mean(*arms.counts())[0, arm])
    won, lost = (value_of(index, num_arms, pulls, (*history, (arm, reward))) for reward in (1, 0))
    return mean * (1 + won) + (1 - mean) * lost


def test_the_optimum_of_five_arms_and_ten_pulls_is_the_known_one() -> None:
    assert BayesOptimal(5, 10).value == pytest.approx(6.660, abs=5e-4)


def test_a_single_arm_is_worth_its_mean_however_often_it_is_pulled() -> None:
    assert BayesOptimal(1, 10**6).value == 500_000.0
    optimum = BayesOptimal(1, 800)  # deeper than recursion goes
    assert optimum.value == pytest.approx(400.0)
    arms = Arms(2, 1)
    arms.pulls[:, 0], arms.total[:, 0] = [0, 4], [0, 3]
    assert optimum(arms, np.random.default_rng(0))[:, 0] == pytest.approx([400.0, 796 * 4 / 6])


@pytest.mark.parametrize(("num_arms", "pulls"), [(1, 4), (2, 1), (2, 3), (3, 4)])
def test_the_optimum_is_that_of_all_histories_and_its_policy_earns_it(num_arms: int, pulls: int) -> None:
    optimum = BayesOptimal(num_arms, pulls)
    assert optimum.value == pytest.approx(best_of_histories(num_arms, pulls), abs=2e-4)
    assert value_of(optimum, num_arms, pulls) == pytest.approx(optimum.value)


@pytest.mark.parametrize("spans", [TWO, Spans(((0.4, 0.6),)), Spans(((0.0, 0.1), (0.9, 1.0)))])
def test_an_arm_whose_mean_lies_in_some_ranges_is_believed_to(spans: Spans) -> None:
    belief = Belief(spans)
    for successes, failures in ((0, 0), (3, 1), (0, 7), (40, 0), (0, 40), (300, 5)):
        counts = np.full(4_000, float(successes)), np.full(4_000, float(failures))
        mean, drawn = belief.mean(*counts), belief.sample(*counts, np.random.default_rng(1))
        assert mean[0] == pytest.approx(grid_mean(successes, failures, spans), abs=2e-4)
        assert abs(drawn.mean() - mean[0]) < 4 * drawn.std() / 4_000**0.5 + 1e-6
        assert all(any(low <= value <= high for low, high in spans.parts) for value in drawn[:200].tolist())
    assert 0.0 <= belief.mean(np.array([1e6]), np.array([0.0]))[0] <= spans.parts[-1][1]
    assert BayesOptimal(3, 3, belief).value == pytest.approx(best_of_histories(3, 3, spans=spans), abs=1e-3)
    assert gittins_table(4, 0.9, belief=belief)[3, 3] > gittins_table(4, 0.9, belief=belief)[3, 0]


def test_references_of_a_shifted_family_know_where_it_lies() -> None:
    task = load_suite("bandits-shift").tasks[0]
    family = family_of(task)
    assert {"bayes-optimal", "gittins", "thompson"} <= set(family.references)
    optimum = BayesOptimal(5, 10, Belief(TWO)).value
    best = load_reference(task.id).best  # type: ignore[union-attr]
    assert optimum == pytest.approx(best, abs=1e-3)
    found = play(task, family.references["bayes-optimal"], trials=4_000, seed=3).result
    assert abs(found.mean - optimum) < 1.5 * (found.interval[1] - found.interval[0])
    assert play(task, family.references["thompson"], trials=1_000, seed=3).result.mean < found.mean


def test_states_are_counted_as_they_are_met() -> None:
    kinds = [(n, s) for n in range(4) for s in range(n + 1)]
    found = {tuple(sorted(state)) for state in product(kinds, repeat=3) if sum(n for n, _ in state) <= 3}
    assert count_states(3, 3) == len(found)
    assert count_states(1, 2000) > MOST_STATES < count_states(2, 3000)  # seen without counting


@pytest.mark.parametrize(
    ("successes", "failures", "discount", "published"),
    [(0, 0, 0.9, 0.7029), (1, 1, 0.9, 0.6346), (2, 2, 0.9, 0.6010), (9, 1, 0.9, 0.8695), (0, 0, 0.99, 0.8699)],
)
def test_gittins_indices_are_the_published_ones(
    successes: int, failures: int, discount: float, published: float
) -> None:
    pulls = successes + failures
    assert gittins_table(pulls + 1, discount)[pulls, successes] == pytest.approx(published, abs=6e-5)


def test_a_gittins_index_is_above_the_mean_and_near_it_without_a_future() -> None:
    table, myopic = gittins_table(8, 0.95), gittins_table(8, 1e-3)
    for pulls in range(8):
        means = (1 + np.arange(pulls + 1)) / (2 + pulls)
        assert (table[pulls, : pulls + 1] > means).all() and (np.diff(table[pulls, : pulls + 1]) > 0).all()
        assert myopic[pulls, : pulls + 1] == pytest.approx(means, abs=1e-3)
        assert np.isnan(table[pulls, pulls + 1 :]).all()


def test_posteriors_are_those_of_what_was_seen() -> None:
    arms = arms_after(((0, 1), (0, 1), (1, 0)), 3)
    successes, failures = arms.counts()
    assert successes.tolist() == [[2, 0, 0]] and failures.tolist() == [[0, 1, 0]]
    assert UNIFORM.mean(successes, failures) == pytest.approx(np.array([[3 / 4, 1 / 3, 1 / 2]]))
    mean, deviation = arms.normal(0.5)
    assert mean == pytest.approx(np.array([[2 / 6, 0, 0]]))
    assert deviation == pytest.approx(np.array([[6**-0.5, 5**-0.5, 0.5]]))


def test_a_new_trial_is_known_nothing_of_and_other_slots_keep_what_they_know() -> None:
    arms = Arms(2, 2)
    for time, action, reward in (([0, 0], [2, 2], [0, 0]), ([1, 1], [1, 0], [1, 1]), ([0, 2], [2, 0], [0, 1])):
        arms.watch({"time": np.array(time), "previous_action": np.array(action), "previous_reward": np.array(reward)})
    assert arms.pulls.tolist() == [[0, 0], [2, 0]] and arms.total.tolist() == [[0, 0], [2, 0]]


def test_ucb1_is_the_published_formula() -> None:
    arms = arms_after(((0, 1), (1, 0), (0, 0)), 2)
    expected = np.array([[0.5 + (2 * np.log(3) / 2) ** 0.5, (2 * np.log(3)) ** 0.5]])
    assert ucb.ucb1()(arms, NOISE) == pytest.approx(expected)
    assert ucb.ucb1()(arms_after(((0, 1),), 2), NOISE)[0, 1] == np.inf


@cache
def played(task_id: str, name: str, trials: int = 1000) -> float:
    """Mean return of one of the references that fit a task."""
    task = load_suite(task_id).tasks[0]
    return play(task, family_of(task).references[name], trials=trials, seed=1).result.mean


@pytest.mark.parametrize(
    "name",
    ["bayes-optimal", "gittins", "thompson", "thompson-optimistic", "ucb1", "ucb1-tuned", "greedy", "epsilon-greedy"],
)
def test_bernoulli_references_lie_between_random_and_the_optimum(name: str) -> None:
    found, deviation = played("bandit:bernoulli-5x10", name), 2.3 / 1000**0.5
    assert 5.0 + 4 * deviation < found < 6.660 + 4 * deviation
    if name in ("bayes-optimal", "gittins", "ucb1-tuned"):
        assert found > 6.66 - 4 * deviation


@pytest.mark.parametrize("name", ["thompson", "thompson-optimistic", "ucb1", "ucb1-tuned", "greedy", "epsilon-greedy"])
def test_gaussian_references_lie_between_random_and_the_best_arm(name: str) -> None:
    task = load_suite("bandit:gaussian-10x100").tasks[0]
    found = play(task, family_of(task).references[name], trials=200, seed=0).result.mean
    assert 70 < found < family_of(task).known().mean() == pytest.approx(153.88, abs=1.5)  # E max of 10 normals: 1.5388


def test_the_best_arm_of_uniform_ones_is_worth_what_order_statistics_say() -> None:
    known = family_of(load_suite("bandit:bernoulli-5x100").tasks[0]).known()
    assert known.mean() == pytest.approx(100 * 5 / 6, abs=0.4)


def test_the_optimum_is_offered_only_where_it_is_one() -> None:
    def names(task_id: str) -> set[str]:
        return set(family_of(load_suite(task_id).tasks[0]).references)

    assert "bayes-optimal" in names("bandit:bernoulli-5x10")
    assert "bayes-optimal" in names("bandit:bernoulli-5x10@0.3..0.7")
    assert "bayes-optimal" not in names("bandit:bernoulli-5x100") | names("bandit:gaussian-5x10")


def test_attempts_at_one_bandit_go_on_where_the_last_one_ended() -> None:
    task = dataclasses.replace(load_suite("bandit:bernoulli-2x3").tasks[0], attempts=3)
    found = play(task, family_of(task).references["bayes-optimal"], trials=4000, seed=0)
    assert found.result.mean == pytest.approx(BayesOptimal(2, 9).value, abs=0.15)
    assert found.attempts[0] < found.attempts[1] < found.attempts[2]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: BayesOptimal(0, 3),
        lambda: BayesOptimal(5, 100),
        lambda: gittins_table(10, 1.0),
        lambda: gittins(0, 0.9),
        lambda: ucb.ucb1(-1.0),
        lambda: ucb.gaussian(1.0, float("nan")),
        lambda: epsilon_greedy.bernoulli(1.5),
    ],
)
def test_settings_out_of_range_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        wrong()


def test_observations_of_another_number_of_slots_are_refused() -> None:
    policy = IndexPolicy(3, NOISE, num_arms=2, index=thompson.bernoulli())
    with pytest.raises(ValueError, match="of 3 slots"):
        policy.act({"time": np.zeros(4, np.int32)})


@pytest.mark.parametrize(
    ("name", "seed"),
    [("bernoulli-50x500", 0), ("bernoulli-5x10@0.1..0.4+0.6..0.9", 1), ("gaussian-10x100", 2), ("gaussian-3x7@2.5", 3)],
)
def test_the_best_arm_is_worth_what_the_best_of_many_draws_are(name: str, seed: int) -> None:
    task = load_suite(f"bandit:{name}").tasks[0]
    simulator, generator = make_simulator(task), random.Random(seed)
    drawn = []
    for _ in range(20_000):
        simulator.draw(generator)
        drawn.append(simulator.steps * max(simulator.means))
    (exact,) = family_of(task).known()
    assert abs(exact - np.mean(drawn)) < 4 * np.std(drawn) / np.sqrt(len(drawn))
