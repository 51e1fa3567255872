"""Collecting: what is stored is what happened; exploration and masks do what they say."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from mtrl.agent.agent import MEMORIES, Agent
from mtrl.training.build import build_agent, build_rescaling
from mtrl.training.collect import Collector
from mtrl.training.explore import Explorer
from tasks.registry import load_suite
from tasks.suite import Suite
from tests.mtrl.builders import small_run


def collector(suite: Suite, slots: int = 6, **settings: Any) -> Collector:
    config = small_run()
    model: Agent = build_agent(config, suite, build_rescaling(config, suite))
    return Collector(model, suite, slots, seed=3, generator=torch.Generator().manual_seed(0), **settings)


@pytest.mark.parametrize("suite", ["popgym-quick", "popgym-27"])
def test_stored_trials_are_what_the_suite_played(suite: str) -> None:
    """The same actions, played again in the suite alone, give the same trials; many are longer than the first ring."""
    playing = collector(load_suite(suite))
    playing.explorer.share = 0.5
    again = load_suite(suite).make_vector(6, seed=3)
    seen, _ = again.reset()
    history: list[dict[str, Any]] = [{"observation": seen}]
    begun, stored = [0] * 6, []
    for now in range(900):
        before = {key: value.copy() for key, value in playing.observation.items()}
        for key, value in before.items():
            assert np.array_equal(value, history[-1]["observation"][key])
        ended = playing.step()
        actions = playing.ring["action"][now % len(playing.ring["action"])].astype(np.int64)
        seen, reward, terminated, _, infos = again.step(actions)
        history[-1].update(action=actions, reward=reward, task=infos["task_id"])
        history.append({"observation": seen})
        for slot, trial, summary in ended:
            steps = history[begun[slot] : now + 1]
            assert trial.length == len(steps) == summary["length"]
            assert trial.task_id == summary["task_id"] == steps[0]["task"][slot]
            assert [int(a) for a in trial.action] == [int(step["action"][slot]) for step in steps]
            assert [float(r) for r in trial.reward] == [float(step["reward"][slot]) for step in steps]
            assert trial.terminated == bool(terminated[slot])
            for key, value in trial.observation.items():
                expected = [step["observation"][key][slot] for step in steps] + [infos["final_obs"][key][slot]]
                assert np.array_equal(value, np.stack(expected))
            begun[slot] = now + 1
            stored.append(trial)
    assert max(trial.length for trial in stored) > 100
    assert len({trial.task_id for trial in stored}) >= 5


@pytest.mark.parametrize("memory", list(MEMORIES))
def test_actors_remember_of_trials_longer_than_the_context_what_one_pass_over_them_gives(memory: Any) -> None:
    """Slots begin their trials at other moments: a memory that is not reset, or not cut alike, is told."""
    config = small_run("popgym-quick")
    config = dataclasses.replace(config, agent=dataclasses.replace(config.agent, memory=memory, layers=2))
    suite = load_suite("popgym-quick")
    agent = build_agent(config, suite, build_rescaling(config, suite))
    playing = Collector(agent, suite, 4, seed=3, generator=torch.Generator().manual_seed(0))
    seen: list[torch.Tensor] = []
    remember = agent.remember
    agent.remember = lambda *given: seen.append(remember(*given)) or seen[-1]  # type: ignore[method-assign,func-returns-value]
    found, begun = [], [0] * 4
    for now in range(260):
        for slot, trial, _ in playing.step():
            observation = {key: torch.from_numpy(value)[None] for key, value in trial.observation.items()}
            with torch.no_grad():
                expected = agent.encode(observation, torch.tensor([trial.task_id]))[0, :-1]
            remembered = torch.stack([one[slot] for one in seen[begun[slot] : now + 1]])
            torch.testing.assert_close(remembered, expected, rtol=1e-4, atol=1e-5)
            found.append(trial.length)
            begun[slot] = now + 1
    assert max(found) >= 200 > 8 * config.agent.context and len(found) > 6 and min(begun) > 0


def test_masked_actions_are_never_chosen_not_even_when_exploring() -> None:
    suite = load_suite("popgym-quick")
    for share in (0.0, 1.0):
        playing = collector(suite, 8)
        playing.explorer.share = share
        for _ in range(100):
            tasks = playing.task_id.copy()
            playing.step()
            chosen = playing.ring["action"][(playing.now - 1) % len(playing.ring["action"])]
            assert suite.action_mask[tasks, chosen].all()


def test_exploration_is_uniform_over_the_valid_actions() -> None:
    playing = collector(load_suite("popgym:RepeatFirstEasy"), 200)
    playing.explorer.share = 1.0
    chosen = []
    for _ in range(50):
        playing.step()
        chosen.append(playing.ring["action"][(playing.now - 1) % len(playing.ring["action"])].copy())
    counts = np.bincount(np.concatenate(chosen), minlength=4)
    assert np.abs(counts - 2_500).max() < 5 * np.sqrt(2_500)


@pytest.mark.parametrize(("share", "length"), [(0.2, 1.0), (0.2, 5.0), (0.7, 12.0), (1.0, 5.0)])
def test_random_actions_are_held_as_long_and_are_as_many_as_asked(share: float, length: float) -> None:
    suite, slots = load_suite("popgym:RepeatFirstEasy"), 400
    explorer = Explorer(suite, slots, length, torch.device("cpu"))
    explorer.share = share
    generator = torch.Generator().manual_seed(1)
    own, allowed, first = torch.full((slots,), -1), None, torch.zeros(slots, dtype=torch.bool)
    for _ in range(200):
        explorer(own, allowed, first, generator)
    played = torch.stack([explorer(own, allowed, first, generator) for _ in range(400)])
    assert abs(float((played >= 0).float().mean()) - share) < 0.02
    counts = torch.bincount(played[played >= 0], minlength=4).float()
    assert float((counts / counts.sum() - 0.25).abs().max()) < 0.03
    # A random action comes again: held (1 - 1/length), or else drawn anew among four with the chance of a start.
    start = share / (length * (1 - share) + share)
    both = (played[:-1] >= 0) & (played[1:] == played[:-1])
    again = float(both.sum() / (played[:-1] >= 0).sum())
    assert abs(again - (1 - 1 / length + start / length / 4)) < 0.02


def test_the_share_is_right_from_a_trials_first_step_on() -> None:
    suite = load_suite("popgym:RepeatFirstEasy")
    explorer = Explorer(suite, 2000, 10.0, torch.device("cpu"))
    explorer.share = 0.3
    generator, own = torch.Generator().manual_seed(1), torch.full((2000,), -1)
    by_step: list[list[float]] = [[], [], []]
    for now in range(120):
        first = torch.full((2000,), now % 3 == 0)
        by_step[now % 3].append(float((explorer(own, None, first, generator) >= 0).float().mean()))
    for shares in by_step:
        assert abs(np.mean(shares) - 0.3) < 0.01


def test_a_held_action_ends_with_the_trial() -> None:
    suite = load_suite("popgym:RepeatFirstEasy")
    explorer = Explorer(suite, 1000, 1000.0, torch.device("cpu"))
    generator, own, first = (
        torch.Generator().manual_seed(1),
        torch.full((1000,), -1),
        torch.ones(1000, dtype=torch.bool),
    )
    explorer.share = 1.0
    before = explorer(own, None, ~first, generator)
    assert float((explorer(own, None, ~first, generator) == before).float().mean()) > 0.98
    assert abs(float((explorer(own, None, first, generator) == before).float().mean()) - 0.25) < 0.08


def test_numbers_are_held_too_and_stay_within_what_the_task_has() -> None:
    suite = load_suite("gym:Pendulum-v1")
    playing = collector(suite, 16, explore_length=8.0)
    playing.explorer.share = 1.0
    for _ in range(60):
        playing.step()
    actions = playing.ring["action"][:60, :, 0]
    held = (actions[1:] == actions[:-1]).mean()
    assert 0.8 < held < 0.95 and np.abs(actions).max() <= 1 and np.unique(actions).size > 50


def test_greedy_actors_with_the_same_memory_do_the_same() -> None:
    first, second = (collector(load_suite("popgym-quick"), 4, greedy=True) for _ in range(2))
    second.generator.manual_seed(99)
    for _ in range(30):
        first.step()
        second.step()
        assert np.array_equal(first.observation["previous_action"], second.observation["previous_action"])
