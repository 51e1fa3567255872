"""A rollout's windows: every step that was played is learnt from once an epoch, and never twice."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mtrl.agent.agent import Agent
from mtrl.config import RunConfig
from mtrl.training.build import build_agent, build_layout, build_rescaling
from mtrl.training.collect import Collector
from mtrl.training.loop import Run
from mtrl.training.rollout import Rollout, cut
from mtrl.training.windows import Trial
from tasks.registry import load_suite
from tasks.suite import Suite
from tests.mtrl.builders import small_run


def config(**agent: Any) -> RunConfig:
    run = small_run()
    return replace(run, learning=replace(run.learning, actor="ppo"), agent=replace(run.agent, **agent))


def build(suite: Suite, context: int, slots: int = 6) -> tuple[Agent, Collector, Rollout]:
    run = config(context=context)
    agent = build_agent(run, suite, build_rescaling(run, suite))
    playing = Collector(agent, suite, slots, seed=3, generator=torch.Generator().manual_seed(0), history=context)
    return agent, playing, Rollout(suite.num_tasks, context, build_layout(suite))


def trial(length: int) -> Trial:
    return Trial(
        task_id=0,
        observation={"time": np.arange(length + 1)},
        action=np.zeros(length, np.int16),
        reward=np.arange(length, dtype=np.float32),
        terminated=True,
    )


@pytest.mark.parametrize("context", [1, 2, 5, 16])
@pytest.mark.parametrize("length", [1, 4, 16, 17, 50])
def test_windows_learn_each_fresh_step_once_and_remember_what_they_can(length: int, context: int) -> None:
    for fresh in {1, length // 2 + 1, length}:
        windows = cut(trial(length), fresh, context)
        learnt = [step for w in windows for step in range(w.start + w.remembered, w.start + w.steps)]
        assert learnt == list(range(length - fresh, length))
        assert all(0 < w.steps <= context and w.start >= 0 and 0 <= w.remembered < w.steps for w in windows)
        # As much is remembered as the context holds, but for what a window learns beyond its half.
        assert all(w.start == 0 or w.steps == context for w in windows)
        assert all(one.start + one.steps == other.start + other.remembered for one, other in pairwise(windows))


@pytest.mark.parametrize("context", [8, 200])
def test_all_that_was_played_is_learnt_from_once_an_epoch(context: int) -> None:
    suite = load_suite("popgym-quick", invalid_actions="mask")
    agent, playing, rollout = build(suite, context)
    for _ in range(3):
        begin, played = playing.now, []
        for _ in range(50):
            before = playing.task_id.copy()
            times = playing.observation["time"].copy()
            for _, ended, _ in playing.step():
                rollout.add(ended, playing.fresh(ended))
            actions = playing.ring["action"][(playing.now - 1) % len(playing.ring["action"])]
            played += list(zip(before.tolist(), times.tolist(), actions.tolist(), strict=True))
        for piece in playing.unfinished():
            rollout.add(piece, playing.fresh(piece))
        playing.learnt = playing.now
        assert playing.now - begin == 50
        batches = list(
            rollout.batches(
                agent, rollout.tasks(), config().learning, epochs=2, minibatches=3, rng=np.random.default_rng(0)
            )
        )
        assert len(batches) == 6 and not rollout.tasks()
        for epoch in (batches[:3], batches[3:]):
            seen = []
            for batch in epoch:
                assert batch.estimates is not None
                learnt = batch.mask if batch.learnt is None else batch.learnt
                assert not (learnt & ~batch.mask).any()
                assert (batch.estimates.log_prob[learnt] < 0).all() and not batch.estimates.log_prob[~learnt].any()
                for k, row, t in learnt.nonzero().tolist():
                    time = int(batch.observation["time"][k, row, t])
                    seen.append((int(batch.task_ids[k]), time, int(batch.action[k, row, t])))
            assert sorted(seen) == sorted(played)


def test_a_trial_that_fits_the_context_is_judged_as_the_actor_saw_it() -> None:
    """However a rollout's end cuts it: its probabilities are those with which its actions were drawn."""
    suite = load_suite("popgym:RepeatFirstEasy", invalid_actions="mask")
    agent, playing, rollout = build(suite, 128, slots=3)
    drawn: dict[tuple[int, int], float] = {}
    for _ in range(2):
        for _ in range(30):
            observation, allowed, task = playing._input()
            state = {key: value.clone() for key, value in playing.memory.items()}
            chances = agent.inspect(observation, state, allowed, task).policy
            now = playing.now
            for _, ended, _ in playing.step():
                rollout.add(ended, playing.fresh(ended))
            for slot, action in enumerate(playing.ring["action"][now % len(playing.ring["action"])].tolist()):
                drawn[slot, now] = float(chances[slot, action].log())
        for piece in playing.unfinished():
            rollout.add(piece, playing.fresh(piece))
        learnt_from, playing.learnt = playing.learnt, playing.now
        expected = [drawn[slot, now] for slot in range(3) for now in range(learnt_from, playing.now)]
        (batch,) = rollout.batches(agent, [0], config().learning, epochs=1, minibatches=1, rng=np.random.default_rng(0))
        assert batch.estimates is not None
        found = batch.estimates.log_prob[batch.mask if batch.learnt is None else batch.learnt]
        assert np.allclose(sorted(found.tolist()), sorted(expected), atol=1e-5)


@pytest.mark.parametrize("rescaling", ["popart", "return-scale"])
def test_a_rollout_takes_its_unit_before_any_part_of_it_is_judged(rescaling: str) -> None:
    """Also where the part that is judged first has no reward."""
    suite = load_suite("popgym:RepeatFirstEasy", invalid_actions="mask")
    run = config(context=16)
    run = replace(
        run,
        learning=replace(run.learning, critic="regression", gae_lambda=0.5),
        conflict=replace(run.conflict, rescaling=rescaling),
    )
    found = []
    for factor in (1.0, 2.0**-10):
        torch.manual_seed(0)
        agent = build_agent(run, suite, build_rescaling(run, suite))
        torch.nn.init.normal_(agent.critic.outputs.bias)
        playing = Collector(agent, suite, 4, seed=3, generator=torch.Generator().manual_seed(0), history=16)
        for _ in range(16):
            playing.step()
        rollout = Rollout(1, 16, build_layout(suite))
        for number, piece in enumerate(playing.unfinished()):
            rollout.add(replace(piece, reward=factor * (number > 1) * np.ones_like(piece.reward)), piece.length)
        batches = rollout.batches(agent, [0], run.learning, epochs=1, minibatches=2, rng=np.random.default_rng(0))
        found.append(torch.cat([b.estimates.target for b in batches if b.estimates is not None], dim=1) / factor)
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.parametrize(
    ("protocol", "length", "bootstraps"),
    [({}, 9, False), ({"max_steps": 7}, 7, True), ({"max_steps": 7, "at_max_steps": "terminate"}, 7, False)],
)
def test_returns_run_over_attempts_from_what_is_paid_to_the_trials_end(
    protocol: dict[str, Any], length: int, bootstraps: bool
) -> None:
    """RL^2's trial of several attempts, the first of them seen and not paid (E-RL^2)."""
    suite = load_suite("bandit:gaussian-2x3", attempts=2, invalid_actions="mask")
    suite = replace(suite, tasks=(replace(suite.tasks[0], warmup_attempts=1, **protocol),))
    run = replace(config(context=16), suite=suite.name)
    learning = replace(run.learning, critic="regression", discounts=(0.5, 0.9), gae_lambda=0.0, popart=False)
    torch.manual_seed(0)
    agent = build_agent(replace(run, learning=learning), suite, build_rescaling(replace(run, learning=learning), suite))
    torch.nn.init.normal_(agent.critic.outputs.bias)
    torch.nn.init.normal_(agent.critic.outputs.weight)
    playing = Collector(agent, suite, 4, seed=3, generator=torch.Generator().manual_seed(0), history=16)
    rollout = Rollout(1, 16, build_layout(suite))
    for _ in range(length):
        for _, ended, _ in playing.step():
            rollout.add(ended, playing.fresh(ended))
    (batch,) = rollout.batches(agent, [0], learning, epochs=1, minibatches=1, rng=np.random.default_rng(0))
    assert batch.estimates is not None and batch.mask.shape == (1, 4, length) and batch.mask.all()
    observation = {key: value[0] for key, value in batch.observation.items()}
    with torch.no_grad():
        features = agent.encode(observation, torch.zeros(4, dtype=torch.long))
        values = agent.critic.of_state(agent.critic.features(features.flatten(0, 1)), None).squeeze(-1).mean(dim=0)
    values = values.view(4, length + 1, 2)
    seen = observation["previous_reward"][:, 1:].flatten(1)
    assert seen.all() and not batch.reward[0, :, :3].any()
    torch.testing.assert_close(batch.reward[0, :, 3:], seen[:, 3:])
    assert observation["attempt_start"].flatten(1)[:, :7].nonzero()[:, 1].tolist() == [0, 3, 6] * 4
    goes_on = torch.ones(length)
    goes_on[-1] = float(bootstraps)
    following = torch.tensor([0.5, 0.9]) * values[:, 1:] * goes_on[:, None]
    torch.testing.assert_close(batch.estimates.target[0], batch.reward[0, ..., None] + following, atol=1e-5, rtol=1e-5)


def test_nothing_is_learnt_from_an_earlier_policys_rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that have no task in common leave an update out."""
    run = Run(replace(config(), suite="popgym:RepeatFirstEasy"), tmp_path)
    monkeypatch.setattr(run.ranks, "everywhere", torch.zeros_like)
    assert not run._present()
    assert run.rollout is not None
    for _ in range(3):
        run._collect()
        learnt = sum(window.steps - window.remembered for windows in run.rollout.windows for window in windows)
        assert learnt == run.config.collect.slots * run.config.collect.rollout_length
    run.collector.close()


def test_all_processes_make_as_many_updates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them may have fewer windows than there are to be minibatches."""
    run = Run(replace(config(), suite="popgym:RepeatFirstEasy"), tmp_path)
    for _ in range(4):
        run._collect()
    asked = []
    monkeypatch.setattr(run.ranks, "lowest", lambda value, device: asked.append(value) or 2)
    assert len(list(run._batches())) == 2 * run.config.update.epochs
    assert asked == [min(run.config.update.minibatches, run.config.collect.slots)]
    run.collector.close()
