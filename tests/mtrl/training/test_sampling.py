"""How often each task is played."""

import json

import numpy as np
import pytest

from mtrl.training.sampling import LEAST, TaskSampler


def test_uniform_and_weighted_do_not_move() -> None:
    for sampling, expected in (("uniform", [1 / 3] * 3), ("weighted", [0.5, 0.25, 0.25])):
        sampler = TaskSampler(sampling, [2.0, 1.0, 1.0])  # type: ignore[arg-type]
        for _ in range(5):
            np.testing.assert_allclose(sampler.weights(), expected)
            sampler.observe(0, 1000, 5.0)


def test_by_steps_every_task_gets_equally_many_steps() -> None:
    sampler = TaskSampler("steps", [1.0, 1.0, 2.0])
    for _ in range(50):
        for task, length in enumerate((10, 100, 1000)):
            sampler.observe(task, length, 0.0)
    steps = sampler.weights() * np.array([10, 100, 1000])
    np.testing.assert_allclose(steps / steps[0], [1, 1, 2])


def test_a_task_that_was_never_played_is_taken_for_an_average_one() -> None:
    sampler = TaskSampler("steps", [1.0, 1.0, 1.0])
    np.testing.assert_allclose(sampler.weights(), 1 / 3)
    sampler.observe(0, 10, 0.0)
    sampler.observe(1, 30, 0.0)
    np.testing.assert_allclose(sampler.weights() / sampler.weights()[2], [2.0, 2 / 3, 1.0])


def test_progress_plays_what_is_changing_whatever_its_scale_and_forgets_nothing() -> None:
    sampler = TaskSampler("progress", [1.0, 1.0, 1.0])
    generator = np.random.default_rng(0)
    for step in range(400):
        sampler.observe(0, 10, 1000.0 * (step / 400 + 0.1 * generator.standard_normal()))  # rises
        sampler.observe(1, 10, 0.001 * generator.standard_normal())  # does not
        sampler.observe(2, 10, 7.0)  # is constant
    rising, noisy, constant = sampler.weights()
    assert rising > 2 * noisy
    assert min(noisy, constant) >= LEAST / 3 / (1 + 2 * LEAST)
    assert sampler.weights().sum() == pytest.approx(1.0)


def test_its_state_survives_json() -> None:
    first, second = (TaskSampler("progress", [1.0, 1.0]) for _ in range(2))
    for step in range(10):
        first.observe(step % 2, step + 1, float(step))
    second.load(json.loads(json.dumps(first.state())))
    assert first.weights().tolist() == second.weights().tolist()
    for sampler in (first, second):
        sampler.observe(1, 3, 2.0)
    assert first.weights().tolist() == second.weights().tolist()
