"""Which references fit a task, and what the task is worth to who knows its instance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats

from baselines.references import bayes_optimal, epsilon_greedy, gittins, points, rooms, thompson, ucb
from baselines.references.arms import Index, IndexPolicy
from baselines.references.belief import Belief
from baselines.references.hallway import HallwayWalker
from baselines.references.posterior_mean import posterior_mean
from baselines.references.psrl import psrl
from baselines.references.reference import Make
from baselines.references.tabular import Plan, Shape, TabularPolicy, known_values
from baselines.references.ucrl2 import ucrl2
from tasks.meta.bandit import Bandit
from tasks.meta.distributions import Arc, Normal
from tasks.meta.hallway import Hallway
from tasks.meta.mdp import TabularMDP
from tasks.meta.point import DiscretePointRobot, PointRobot, Robot
from tasks.meta.room import DarkRoom, KeyDoor, Room
from tasks.meta.tmaze import TMaze
from tasks.registry import make_simulator
from tasks.task import Task

INSTANCES = 20_000
"""How many are drawn where not all can be gone through."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """The references of a task."""

    references: Mapping[str, Make]
    """Name -> what makes it."""
    known: Callable[[], NDArray[np.float64]]
    """What an attempt is worth to who knows the instance and does the best, for instances that are all as likely: every
    one, or a sample. No policy has a higher mean."""
    exact: bool
    """Whether these are all instances, or so finely spaced that their mean is exact in every digit that is shown."""


def family_of(task: Task, *, seed: int = 0) -> Family:
    """The references that fit a task.

    Args:
        seed: of the instances whose worth is taken, where they cannot be gone through.
    Raises:
        ValueError: there are none for such a task, or its trials are of a form that they do not fit.
    """
    simulator = make_simulator(task)
    make = FAMILIES.get(type(simulator))
    if make is None:
        known = ", ".join(sorted(kind.__name__ for kind in FAMILIES))
        raise ValueError(
            f"task {task.name!r}: no references for {type(simulator).__name__}; there are some for {known}"
        )
    whole = task.warmup_attempts == 0 and task.max_steps is None
    if not whole or (task.attempts > 1 and task.instance != "same"):
        raise ValueError(
            f"task {task.name!r}: references expect trials without warm-up and max_steps, whose attempts meet "
            f"the same instance, got warmup_attempts={task.warmup_attempts}, max_steps={task.max_steps} and "
            f"instance={task.instance!r}"
        )
    return make(simulator, task, seed)


def _bandit(simulator: Bandit, task: Task, seed: int) -> Family:
    arms, pulls = len(simulator.means), simulator.steps * task.attempts
    indices: dict[str, Index] = {}
    if isinstance(simulator.distribution, Normal):
        scale = simulator.distribution.scale
        indices["thompson"] = thompson.gaussian(scale)
        indices["thompson-optimistic"] = thompson.gaussian(scale, optimistic=True)
        indices["ucb1"] = ucb.ucb1()
        indices["ucb1-tuned"] = ucb.gaussian(scale, 0.5)
        indices["greedy"] = epsilon_greedy.gaussian(scale, 0.0)
        indices["epsilon-greedy"] = epsilon_greedy.gaussian(scale, 0.05)
    else:
        belief = Belief(simulator.distribution)
        if arms == 1 or bayes_optimal.count_states(arms, pulls - 1) <= bayes_optimal.MOST_STATES:
            indices["bayes-optimal"] = bayes_optimal.BayesOptimal(arms, pulls, belief)
        indices["gittins"] = gittins.gittins(pulls, gittins.tuned_discount(pulls), belief)
        indices["thompson"] = thompson.bernoulli(belief)
        indices["thompson-optimistic"] = thompson.bernoulli(belief, optimistic=True)
        indices["ucb1"] = ucb.ucb1()
        indices["ucb1-tuned"] = ucb.bernoulli(0.1 if pulls < 50 else 0.2, belief)
        indices["greedy"] = epsilon_greedy.bernoulli(0.0, belief)
        indices["epsilon-greedy"] = epsilon_greedy.bernoulli(0.05, belief)
    return Family(
        references={name: partial(IndexPolicy, num_arms=arms, index=index) for name, index in indices.items()},
        known=partial(_best_arm, simulator),
        exact=True,
    )


def _best_arm(simulator: Bandit) -> NDArray[np.float64]:
    """What the best of the arms is worth on average: that of K draws is below the p-quantile with probability p^K."""
    arms, distribution = len(simulator.means), simulator.distribution
    if isinstance(distribution, Normal):
        best, _ = integrate.quad(lambda x: x * arms * stats.norm.pdf(x) * stats.norm.cdf(x) ** (arms - 1), -12, 12)
        return np.array([simulator.steps * distribution.scale * best])
    length, below, best = sum(high - low for low, high in distribution.parts), 0.0, 0.0
    for low, high in distribution.parts:
        up_to = below + (high - low) / length
        best += (low - below * length) * (up_to**arms - below**arms)
        best += length * arms / (arms + 1) * (up_to ** (arms + 1) - below ** (arms + 1))
        below = up_to
    return np.array([simulator.steps * best])


def _mdp(simulator: TabularMDP, task: Task, seed: int) -> Family:
    shape = Shape(simulator.states, simulator.actions, simulator.steps, simulator.distribution.concentration)
    plans: dict[str, Plan] = {
        "psrl": psrl(shape.horizon),
        "psrl-optimistic": psrl(shape.horizon, samples=5),
        "ucrl2": ucrl2(shape),
        "ucrl2-tuned": ucrl2(shape, reward_width=0.1, move_width=0.0),
        "beb": posterior_mean(shape.horizon, beta=0.5),
        "greedy": posterior_mean(shape.horizon),
    }
    references: dict[str, Make] = {name: partial(TabularPolicy, shape=shape, plan=plan) for name, plan in plans.items()}
    references["epsilon-greedy"] = partial(TabularPolicy, shape=shape, plan=plans["greedy"], epsilon=0.05)
    return Family(references=references, known=partial(known_values, shape, count=INSTANCES, seed=seed), exact=False)


def _room(simulator: Room, goals: int, known: Callable[[], NDArray[np.float64]]) -> Family:
    walker = partial(rooms.Walker, side=simulator.side, cells=simulator.goals.cells, goals=goals)
    references: dict[str, Make] = {
        "posterior-sampling": partial(walker, choice="sampled"),
        "nearest-first": partial(walker, choice="nearest"),
    }
    return Family(references=references, known=known, exact=True)


def _dark(simulator: DarkRoom, task: Task, seed: int) -> Family:
    cells, once = simulator.goals.cells, simulator.once
    return _room(simulator, 1, partial(rooms.dark_values, simulator.side, cells, simulator.steps, once=once))


def _key_door(simulator: KeyDoor, task: Task, seed: int) -> Family:
    return _room(simulator, 2, partial(rooms.key_door_values, simulator.side, simulator.goals.cells, simulator.steps))


def _point(simulator: Robot, task: Task, seed: int) -> Family:
    goals, sparse, discrete = simulator.goals, simulator.sparse, isinstance(simulator, DiscretePointRobot)
    sampler = partial(points.PointSampler, goals=goals, sparse=sparse, discrete=discrete)
    on_arc = isinstance(goals, Arc)
    count = 40_000 if on_arc else 1_000_000
    known = partial(points.known_values, goals, sparse=sparse, discrete=discrete, count=count)
    return Family(references={"posterior-sampling": sampler}, known=known, exact=on_arc)


def _hallway(simulator: Hallway, task: Task, seed: int) -> Family:
    references: dict[str, Make] = {
        "reads-the-sign": partial(HallwayWalker, reads=True),
        "posterior-sampling": partial(HallwayWalker, reads=False),
    }
    return Family(references=references, known=_one, exact=True)


def _tmaze(simulator: TMaze, task: Task, seed: int) -> Family:
    return Family(references={}, known=_one, exact=True)


def _one() -> NDArray[np.float64]:
    return np.ones(1)


FAMILIES: dict[type, Callable[[Any, Task, int], Family]] = {
    Bandit: _bandit,
    TabularMDP: _mdp,
    DarkRoom: _dark,
    KeyDoor: _key_door,
    PointRobot: _point,
    DiscretePointRobot: _point,
    Hallway: _hallway,
    TMaze: _tmaze,
}
"""Simulator -> what knows its references."""
