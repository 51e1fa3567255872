"""The replay: compact without loss, bounded, and windows that say truthfully where they end."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mtrl.learning import actor_critic
from mtrl.learning.actor_critic import task_losses
from mtrl.training.build import build_agent, build_replay, build_rescaling
from mtrl.training.collect import Collector
from mtrl.training.replay import Replay, compact
from mtrl.training.windows import Layout, Trial
from tasks.registry import load_suite
from tests.mtrl.builders import small_run

SHAPES: dict[str, tuple[int, ...]] = {"vector": (5,), "time": ()}


def trial(task_id: int, length: int, terminated: bool = True, marker: int = 0) -> Trial:
    vector = np.zeros((length + 1, 5), np.float32)
    vector[:, 0] = np.arange(length + 1) + marker
    return Trial(
        task_id=task_id,
        observation={"vector": vector, "time": np.arange(length + 1, dtype=np.int32)},
        action=np.arange(length, dtype=np.int16) % 3,
        reward=np.linspace(0, 1, length, dtype=np.float32),
        terminated=terminated,
    )


def replay(capacity: int = 10_000, tasks: int = 2) -> Replay:
    return Replay(tasks, capacity, Layout(SHAPES, None))


@pytest.mark.parametrize(
    "array",
    [
        np.eye(4, 7, dtype=np.float32),
        np.array([[0.5, 0.0], [0.25, 0.0]], np.float32),
        np.array([[-1.0, 0.0]], np.float32),
        np.array([0, 255, 256]),
        np.zeros((3, 4), np.float32),
        np.zeros((3, 4, 5, 2), np.uint8),
        np.pad(np.ones((2, 3, 4, 1), np.uint8), ((0, 0), (0, 5), (0, 2), (0, 1))),
        np.pad(np.full((2, 3, 2), 0.5, np.float32), ((0, 0), (0, 5), (1, 1))),
        np.zeros((0, 3), np.float32),
    ],
)
def test_compact_loses_nothing_but_trailing_zeros(array: np.ndarray) -> None:  # type: ignore[type-arg]
    small = compact(array)
    restored = np.zeros(array.shape, array.dtype)
    restored[tuple(slice(n) for n in small.shape)] = small
    assert np.array_equal(restored, array)
    assert small.nbytes <= array.nbytes


def test_one_hot_observations_take_one_byte_a_column_in_use() -> None:
    assert compact(np.eye(4, 27, dtype=np.float32)).nbytes == 16


def test_memory_is_bounded_and_the_oldest_trials_go_first() -> None:
    memory = replay(capacity=100)
    for number in range(50):
        memory.add(trial(number % 2, 10))
        assert memory.steps == sum(t.length for q in memory.trials for _, t in q) <= 100
    assert sorted(number for q in memory.trials for number, _ in q) == list(range(40, 50))


def test_a_window_of_a_long_trial_is_part_of_it_and_ends_it_only_at_its_end() -> None:
    memory = replay()
    memory.add(trial(0, 30))
    batch = memory.sample([0], 400, 8, np.random.default_rng(0))
    assert batch.mask.all() and batch.action.shape == (1, 400, 8)
    start = batch.observation["time"][0, :, 0].long()
    assert set(start.tolist()) == set(range(23))
    assert (batch.observation["vector"][0, :, :, 0] == batch.observation["time"][0]).all()
    assert (batch.observation["time"][0, :, -1] == start + 8).all()
    assert (batch.action[0, :, 0] == start % 3).all()
    assert (batch.terminated[0, :, -1] == (start == 22)).all()
    assert not batch.terminated[0, :, :-1].any()


def test_the_ends_of_a_long_trial_are_seen_as_often_as_its_middle() -> None:
    memory = replay()
    memory.add(trial(0, 60))
    batch = memory.sample([0], 20_000, 8, np.random.default_rng(0))
    visits = np.bincount(batch.observation["time"][0, :, :-1].long().flatten().numpy(), minlength=60) / 20_000
    for step in (0, 30, 59):
        assert visits[step] == pytest.approx(8 / 67, abs=0.01)
    assert visits.min() > 0.11


def test_short_trials_are_padded_and_masked() -> None:
    memory = replay()
    memory.add(trial(0, 3))
    memory.add(trial(1, 6, terminated=False))
    batch = memory.sample([0, 1], 2, 100, np.random.default_rng(0))
    assert batch.mask.sum(dim=-1).tolist() == [[3, 3], [6, 6]]
    assert batch.terminated.sum(dim=-1).tolist() == [[1, 1], [0, 0]]
    assert batch.observation["vector"].shape == (2, 2, 7, 5)
    assert batch.reward[0, 0, 3:].abs().max() == 0


@pytest.mark.parametrize(
    ("protocol", "length", "bootstraps"),
    [({}, 9, False), ({"max_steps": 7}, 7, True), ({"max_steps": 7, "at_max_steps": "terminate"}, 7, False)],
)
@pytest.mark.parametrize("trace", [0.0, 0.7, 1.0])
def test_returns_run_over_attempts_from_what_is_paid_to_the_trials_end(
    trace: float, protocol: dict[str, Any], length: int, bootstraps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the simulator to the critics' targets, as `test_rollout` has it for PPO: the first attempt is not paid, its
    actions are judged by what follows, and nothing ends between attempts."""
    suite = load_suite("bandit:gaussian-2x3", attempts=2, invalid_actions="mask")
    suite = replace(suite, tasks=(replace(suite.tasks[0], warmup_attempts=1, **protocol),))
    config = small_run(suite.name)
    learning = replace(config.learning, critic="regression", popart=False, return_lambda=trace, target_ensemble="mean")
    config = replace(config, learning=learning)
    agent = build_agent(config, suite, build_rescaling(config, suite))
    for last in (agent.policy.last, agent.critic.outputs, agent.target_critic.outputs):
        for parameter in last.parameters():
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    playing = Collector(agent, suite, 4, seed=3, generator=torch.Generator().manual_seed(0))
    memory = build_replay(config, suite)
    for _ in range(length):
        for _, ended, _ in playing.step():
            memory.add(ended)
    batch = memory.sample([0], 5, length, np.random.default_rng(0))
    whole = batch.observation["time"][0, :, 0] == 0
    assert whole.any()
    found: list[torch.Tensor] = []
    monkeypatch.setattr(actor_critic, "observe_returns", lambda agent, target, rows: found.append(target))
    task_losses(agent, batch, learning, torch.Generator().manual_seed(0))
    targets = iter(found[0].split(batch.mask[0].sum(dim=-1).tolist()))
    for row, window in enumerate(targets):
        observation = {key: value[0, row][None] for key, value in batch.observation.items()}
        with torch.no_grad():
            features = agent.encode(observation)[0]
            chances = agent.policy(features, batch.allowed.expand(len(features), -1), None).softmax(dim=-1)
            of_actions = torch.stack(
                [
                    agent.target_critic.of_action(agent.target_critic.features(features), action, None).squeeze(-1)
                    for action in torch.arange(2)[:, None].expand(-1, len(features))
                ],
                dim=-1,
            ).mean(dim=0)
        values = (chances * of_actions).sum(dim=-1)
        expected, last = torch.zeros_like(window), len(window) - 1
        seen, start = observation["previous_reward"][0, 1:].flatten(), int(observation["time"][0, 0])
        for t in reversed(range(len(window))):
            ends = start + t == length - 1 and not bootstraps
            paid = seen[t] if start + t >= 3 else 0.0
            ahead = values[t + 1] if t == last else (1 - trace) * values[t + 1] + trace * expected[t + 1]
            expected[t] = paid + (0.0 if ends else 1.0) * torch.tensor([0.5, 0.9]) * ahead
        torch.testing.assert_close(window, expected, rtol=1e-4, atol=1e-4)


def test_a_task_without_trials_is_not_offered() -> None:
    memory = replay(tasks=3)
    memory.add(trial(1, 4))
    assert memory.tasks() == [1]


def test_the_same_generator_draws_the_same_batch() -> None:
    memory = replay()
    for number in range(20):
        memory.add(trial(number % 2, 5 + number, marker=100 * number))
    first, second = (memory.sample([0, 1], 4, 6, np.random.default_rng(5)) for _ in range(2))
    assert (first.observation["vector"] == second.observation["vector"]).all()
    assert (first.reward == second.reward).all()


MIXED: dict[str, tuple[int, ...]] = {"image": (8, 9, 3), "vector": (5,), "time": (), "present": (2,)}
DTYPES = {"image": np.uint8, "vector": np.float32, "time": np.int32, "present": np.int8}


def mixed_trial(task_id: int, length: int, continuous: bool = False) -> Trial:
    """Task 0 has an image that fills not all of the space, task 1 a vector."""
    rng = np.random.default_rng(length)
    image = np.zeros((length + 1, *MIXED["image"]), np.uint8)
    vector = np.zeros((length + 1, 5), np.float32)
    if task_id == 0:
        image[:, :6, :5] = rng.integers(1, 256, (length + 1, 6, 5, 3))
    else:
        vector[:, :3] = rng.standard_normal((length + 1, 3))
    present = np.broadcast_to(np.array([task_id == 0, task_id == 1], np.int8), (length + 1, 2))
    action = rng.uniform(-1, 1, (length, 3)).astype(np.float32) * [1, task_id, 0]
    return Trial(
        task_id=task_id,
        observation={
            "image": image,
            "vector": vector,
            "time": np.arange(length + 1, dtype=np.int32),
            "present": present,
        },
        action=action.astype(np.float32) if continuous else np.zeros(length, np.int16),
        reward=np.zeros(length, np.float32),
        terminated=True,
    )


def test_batches_keep_the_dtypes_of_the_spaces_and_every_number() -> None:
    memory = Replay(2, 1_000, Layout(MIXED, None, dtypes=DTYPES))
    trials = [mixed_trial(task, 6) for task in (0, 1)]
    for given in trials:
        memory.add(given)
    batch = memory.sample([0, 1], 2, 100, np.random.default_rng(0))
    for key, dtype in DTYPES.items():
        assert batch.observation[key].numpy().dtype == dtype
        for task, given in enumerate(trials):
            assert (batch.observation[key][task].numpy() == given.observation[key]).all()


def test_keys_that_a_task_lacks_and_the_padding_of_images_take_no_memory() -> None:
    memory = Replay(2, 1_000, Layout(MIXED, None, dtypes=DTYPES))
    for task in (0, 1):
        memory.add(mixed_trial(task, 6))
    with_image, with_vector = (memory.trials[task][0][1].observation for task in (0, 1))
    assert set(with_image) == {"image", "time", "present"} and set(with_vector) == {"vector", "time", "present"}
    assert with_image["image"].shape == (7, 6, 5, 3) and with_vector["vector"].shape == (7, 3)


def test_continuous_actions_come_back_as_they_were() -> None:
    memory = Replay(2, 1_000, Layout(MIXED, np.tri(2, 3, dtype=np.bool_), dtypes=DTYPES, action_size=3))
    trials = [mixed_trial(task, 4 + task, continuous=True) for task in (0, 1)]
    for given in trials:
        memory.add(given)
    batch = memory.sample([1, 0], 1, 100, np.random.default_rng(0))
    assert batch.action.dtype == torch.float32 and batch.action.shape == (2, 1, 5, 3)
    for place, task in enumerate((1, 0)):
        length = trials[task].length
        assert (batch.action[place, 0, :length].numpy() == trials[task].action).all()
        assert not batch.action[place, 0, length:].any()
    assert batch.allowed is not None and batch.allowed.sum(dim=1).tolist() == [2, 1]
