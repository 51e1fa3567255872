"""The replay: compact without loss, bounded, and windows that say truthfully where they end."""

import numpy as np
import pytest

from mtrl.training.replay import Replay, Trial, compact

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
    return Replay(tasks, capacity, SHAPES, None)


@pytest.mark.parametrize(
    "array",
    [
        np.eye(4, 7, dtype=np.float32),
        np.array([[0.5, 0.0], [0.25, 0.0]], np.float32),
        np.array([[-1.0, 0.0]], np.float32),
        np.array([0, 255, 256]),
        np.zeros((3, 4), np.float32),
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
