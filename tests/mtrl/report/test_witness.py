"""What is filmed is what evaluation scores, step by step, and the camera changes nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from conflict.registry import make_rescaling
from mtrl.agent.agent import Agent
from mtrl.agent.config import AgentConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.report.video.film import make_cast, make_scene
from mtrl.report.video.story import Moment
from mtrl.training.evaluate import evaluate, seed_of
from mtrl.training.play import Player
from tasks.registry import load_suite
from tasks.suite import Suite
from tasks.task import Task
from tests.mtrl import builders, tiny

CONFIG = AgentConfig(memory="gru", width=16, layers=1, context=8, head_width=16, critics=2, image_channels=(4,))


def agent_of(
    suite: Suite, config: AgentConfig = CONFIG, rescaling: str = "none", sharing: SharingConfig = SharingConfig()
) -> Agent:
    torch.manual_seed(3)
    made = make_rescaling(rescaling, num_tasks=suite.num_tasks, value_shape=(2,))
    spaces = suite.observation_space, suite.action_space
    return Agent(*spaces, suite.num_tasks, config, builders.LEARNING, made, sharing).eval()


def film(suite: Suite, task: str, agent: Agent, *, trials: int, seed: int = 0, greedy: bool = False) -> list[Moment]:
    return list(make_cast(agent, suite, task, trials=trials, seed=seed, greedy=greedy).moments())


def returns(moments: list[Moment]) -> list[float]:
    return [moment.return_ for moment in moments if moment.end == "trial"]


def actions(moments: list[Moment], trial: int) -> list[Any]:
    return [np.asarray(m.action).tolist() for m in moments if m.trial == trial and m.action is not None]


def without_camera(suite: Suite, agent: Agent, task: int, trials: int) -> list[tuple[list[Any], list[float]]]:
    """Actions and raw rewards of each slot's first trial, played as evaluation does and not watched."""
    seed = seed_of(suite.tasks[task], 0)
    player = Player(
        agent,
        suite.testing(),
        trials,
        seed=seed,
        generator=torch.Generator().manual_seed(seed),
        task_of_slot=[task] * trials,
    )
    found: list[tuple[list[Any], list[float]]] = [([], []) for _ in range(trials)]
    playing = set(range(trials))
    while playing:
        chosen = player._act()
        infos = player._advance(chosen)[-1]
        for slot in playing:
            found[slot][0].append(chosen[slot].tolist())
            found[slot][1].append(float(infos["raw_reward"][slot]))
        playing -= {slot for slot, _ in infos.get("trials", ())}
    player.close()
    return found


SUITES = [
    ("popgym-quick", "RepeatFirstEasy", 1, {}),
    ("popgym-27", "MineSweeperEasy", 3, {}),  # a warm-up attempt, actions that are replaced
    ("babyai-quick", "GoToLocalS5N2", 2, {}),  # two attempts, a simulator that draws
    ("classic-control", "CartPole-v1", 2, {}),  # draws only if it is built for it
    ("gym:Pendulum-v1", "Pendulum-v1", 2, {"max_steps": 30}),  # continuous; ended by the trial's own limit
    ("procgen:fruitbot", "fruitbot", 2, {"attempts": 2}),  # told which attempt it is
]


@pytest.mark.parametrize(("name", "task", "trials", "protocol"), SUITES, ids=[task for _, task, *_ in SUITES])
def test_a_film_has_the_actions_and_rewards_of_the_same_play_without_a_camera(
    name: str, task: str, trials: int, protocol: dict[str, Any]
) -> None:
    suite = load_suite(name).subset([task])
    suite = replace(suite, tasks=(replace(suite.tasks[0], **protocol),))
    agent = agent_of(suite)
    seen = film(suite, task, agent, trials=trials)
    for trial, (chosen, rewards) in enumerate(without_camera(suite, agent, 0, trials)):
        assert actions(seen, trial) == chosen if not suite.continuous else np.allclose(actions(seen, trial), chosen)
        filmed = [m.reward for m in seen if m.trial == trial and m.reward is not None]
        assert filmed == rewards
        attempts = suite.tasks[0].warmup_attempts + suite.tasks[0].attempts
        assert {m.attempt for m in seen} == set(range(attempts))


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("greedy", [False, True])
def test_returns_are_those_of_an_evaluation_with_the_same_seed(greedy: bool, seed: int) -> None:
    suite = tiny.suite()
    agent = agent_of(suite)
    scored = evaluate(agent, suite, trials=4, seed=seed, greedy=greedy)["tasks"]
    for task in suite.task_names:  # also the second, which evaluation begins by `restart`
        found = returns(film(suite, task, agent, trials=4, seed=seed, greedy=greedy))
        assert len(found) == 4 and np.mean(found) == pytest.approx(scored[task]["return"], rel=1e-6)
    other = returns(film(suite, "same", agent, trials=4, seed=seed + 1, greedy=greedy))
    assert other != returns(film(suite, "same", agent, trials=4, seed=seed, greedy=greedy))


def test_a_warm_up_attempt_is_seen_and_not_counted() -> None:
    suite = load_suite("popgym:RepeatFirstEasy", warmup_attempts=1)
    agent = agent_of(suite)
    seen = film(suite, "RepeatFirstEasy", agent, trials=2)
    scored = evaluate(agent, suite, trials=2, seed=0, greedy=False)["tasks"]["RepeatFirstEasy"]
    assert np.mean(returns(seen)) == pytest.approx(scored["return"], rel=1e-5)
    for trial in range(2):
        moments = [moment for moment in seen if moment.trial == trial]
        assert [m.end for m in moments if m.end] == ["attempt", "trial"]
        assert [m.paid for m in moments] == [m.attempt == 1 for m in moments]
        assert all(m.return_ == 0 for m in moments if not m.paid)
        earned = sum(m.reward for m in moments if m.paid and m.reward is not None)
        assert earned == pytest.approx(moments[-1].return_) and earned != 0
        assert any(m.reward for m in moments if not m.paid)


def test_the_last_sight_of_an_attempt_is_its_own_and_not_the_next_ones() -> None:
    suite = load_suite("babyai-quick").subset(["GoToObj"])
    seen = film(suite, "GoToObj", agent_of(suite), trials=1)
    (boundary,) = [place for place, moment in enumerate(seen) if moment.end == "attempt"]
    ended, begun, first = seen[boundary], seen[boundary + 1], seen[0]
    assert (ended.step, ended.attempt, ended.thought, ended.action) == (begun.step, 0, None, None)
    assert (begun.attempt, begun.reward) == (1, None) and begun.thought is not None
    assert ended.sight.picture is not None and begun.sight.picture is not None and first.sight.picture is not None
    assert np.array_equal(begun.sight.picture, first.sight.picture)  # the same layout again
    assert not np.array_equal(ended.sight.picture, begun.sight.picture)
    assert begun.mission == first.mission and first.mission.startswith("go to")


def test_values_are_told_on_the_raw_scale() -> None:
    plain = tiny.suite()
    scaled = plain.with_reward_scales({"same": 8.0})
    agent = agent_of(plain)
    # What the agent sees is scaled, too: only the first thought is of the same observation.
    one, other = (film(suite, "same", agent, trials=1)[0].thought for suite in (plain, scaled))
    assert one is not None and other is not None and one.value and one.action_values is not None
    assert other.value == pytest.approx(one.value / 8)
    assert other.action_values == pytest.approx(one.action_values / 8)


def test_the_values_of_a_task_are_read_in_its_own_unit() -> None:
    suite = tiny.suite()
    agent = agent_of(suite, rescaling="popart")
    rows = torch.tensor([0] * 50 + [1] * 50)
    returns_ = torch.randn(100, 2, generator=torch.Generator().manual_seed(0)) + 100.0 * rows[:, None]
    agent.normaliser.observe_returns(returns_, rows, [])  # the outputs are not rewritten, so values move
    values = []
    for task in suite.task_names:
        thought = film(suite, task, agent, trials=1)[0].thought
        assert thought is not None and thought.value is not None
        values.append(thought.value)
    assert values[1] - values[0] > 1  # the mean over returns moves slowly


@pytest.mark.parametrize(("rescaling", "readable"), [("none", True), ("popart", False)])
def test_a_task_held_out_is_played_as_evaluation_does_and_has_a_value_only_in_a_common_unit(
    rescaling: str, readable: bool
) -> None:
    same, next_ = tiny.suite().tasks
    suite = replace(tiny.suite(), tasks=(same,), held_out=(next_,))
    agent = agent_of(replace(suite, tasks=(same, replace(same, name="again"))), rescaling=rescaling)
    scored = evaluate(agent, suite, trials=3, seed=0, greedy=False)["held_out"]["tasks"]["next"]["return"]
    seen = film(suite, "next", agent, trials=3)
    assert np.mean(returns(seen)) == pytest.approx(scored, rel=1e-6)
    assert all((m.thought.value is not None) == readable for m in seen if m.thought is not None)


def test_a_simulator_that_marks_attempts_is_told_them_behind_its_window() -> None:
    told: list[Any] = []

    class Marked(tiny.Cue):
        marks_attempts = True

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            told.append(options)
            return super().reset(seed=seed, options=options)

    task = Task(name="marked", id="tiny:marked", attempts=3, make=lambda: Marked(0, 1.0))
    suite = Suite(name="marked", tasks=(task,))
    agent = agent_of(suite)
    told.clear()
    film(suite, "marked", agent, trials=1)
    assert [options["attempt"] for options in told if options][:3] == [0, 1, 2]


def test_an_unknown_task_is_refused_with_the_nearest_names() -> None:
    suite = tiny.suite()
    with pytest.raises(ValueError, match="did you mean same"):
        film(suite, "sam", agent_of(suite), trials=1)


@pytest.mark.parametrize("heads", ["shared", "task"])
def test_a_film_knows_which_tasks_have_a_like_policy_head(heads: Any) -> None:
    suite = load_suite("popgym-quick")
    agent = agent_of(suite, sharing=SharingConfig(heads=heads))
    if heads == "task":
        with torch.no_grad():
            agent.policy.last.weight[1].copy_(-agent.policy.last.weight[0])
    cast = make_cast(agent, suite, suite.task_names[0], trials=1, seed=0, greedy=False)
    found = make_scene(cast, run="x", suite=suite, steps=0).heads
    if heads == "task":
        assert {name for name, _ in found} == set(suite.task_names[1:])
        assert found[-1] == (suite.task_names[1], pytest.approx(-1.0))
    else:
        assert not found
