"""Simulators that fail cost a trial, and nothing else; workers are the same as no workers, and are replaced."""

import os
import re
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.draw import draw_trial, generator_at
from tasks.suite import Suite
from tasks.task import Task
from tasks.trial import SimulatorError
from tasks.vector import SuiteVectorEnv
from tests.tasks.simulators import faulty, lever, mixed

SLOTS = 5


def stream(envs: SuiteVectorEnv, steps: int, *, first: int = 0) -> list[list[Any]]:
    """Everything that the slots see."""
    found = []
    for step in range(first, first + steps):
        given = np.random.default_rng(step).integers(3, size=envs.num_envs)
        observation, *rest, infos = envs.step(given)
        found.append(
            [
                *(value.tobytes() for value in (*observation.values(), *rest)),
                *(infos["next_task_id"].tolist(), infos.get("trials"), infos.get("faults"), infos.get("dropped")),
            ]
        )
    return found


def play(envs: SuiteVectorEnv, steps: int) -> None:
    for _ in range(steps):
        envs.step(np.zeros(envs.num_envs, np.int64))


def first_bits(observation: dict[str, NDArray[Any]]) -> list[bytes]:
    return [value.tobytes() for value in observation.values()]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_the_same_bits_and_continue_exactly(workers: int) -> None:
    suite = mixed()
    here, there = suite.make_vector(SLOTS, seed=1), suite.make_vector(SLOTS, seed=1, workers=workers)
    assert first_bits(here.reset()[0]) == first_bits(there.reset()[0])
    assert stream(here, 20) == stream(there, 20)
    state = there.state_dict()
    assert state == here.state_dict()
    rest = stream(here, 10, first=20)
    assert stream(there, 10, first=20) == rest
    again = suite.make_vector(SLOTS, seed=8, workers=2)
    again.load_state_dict(state)
    assert stream(again, 10, first=20) == rest
    for envs in (there, again):
        envs.close()
        assert all(worker.process is None for worker in envs._workers)


def test_wrong_actions_move_no_worker() -> None:
    envs = mixed(invalid_actions="mask").make_vector(SLOTS, seed=1, workers=2)
    before = first_bits(envs.reset()[0])
    with pytest.raises(ValueError, match=r"slot 0, task '.*': expected an action from 0 to 2 .*got 4"):
        envs.step(np.array([4, 0, 0, 0, 0]))
    assert [value.tobytes() for value in envs._observation().values()] == before
    envs.close()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("raise", "RuntimeError: the physics blew up"),
        ("nan", "expected finite float32 numbers"),
        ("reward", "expected a reward that is a finite float32"),
        ("shape", r"expected numbers of shape \(4,\)"),
        ("reset", "no level for this seed"),
    ],
)
def test_a_fault_is_named_and_costs_one_trial(kind: str, says: str, workers: int) -> None:
    envs = faulty(kind).make_vector(SLOTS, seed=0, max_faults=50, workers=workers)
    envs.reset()
    faults, ended = [], 0
    for _ in range(60):
        observation, reward, terminated, truncated, infos = envs.step(np.ones(SLOTS, np.int64))
        ended += len(infos.get("trials", ()))
        for slot in infos.get("dropped", ()):
            if kind == "reset":  # the trial before it ended as any does
                assert terminated[slot] and reward[slot] == 1.0
            else:
                assert truncated[slot] and not terminated[slot] and reward[slot] == 0
            assert observation["time"][slot] == 0
        faults += infos.get("faults", [])
        assert np.isfinite(observation["vector"]).all()
    assert len(faults) > 3 and ended > 20
    assert all("task 'faulty' (simulator reset with seed " in message for _, message in faults)
    assert all(re.search(says, message) for _, message in faults)
    envs.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_faults_in_a_row_end_it_before_anything_has_moved(workers: int) -> None:
    envs = faulty("raise", every=1).make_vector(SLOTS, seed=0, max_faults=3, workers=workers)
    envs.reset()
    with pytest.raises(SimulatorError, match=r"task 'faulty'.*physics blew up.*failures of this task in a row"):
        play(envs, 200)
    state = envs.state_dict()
    other = faulty("raise", every=1).make_vector(SLOTS, seed=5, max_faults=3)
    other.load_state_dict(state)  # whoever saved this state can go on from it
    envs.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_without_leave_the_first_fault_raises(workers: int) -> None:
    envs = faulty("raise", every=1).make_vector(3, seed=0, workers=workers)
    envs.reset()
    with pytest.raises(SimulatorError, match="the physics blew up"):
        play(envs, 50)
    envs.close()


@pytest.mark.parametrize(("kind", "says"), [("hang", "no answer for 1 second"), ("die", r"exit code 9")])
def test_a_worker_that_hangs_or_dies_is_replaced_and_the_task_named(kind: str, says: str) -> None:
    envs = faulty(kind, every=2).make_vector(4, seed=2, workers=2, max_faults=20, patience=1.0)
    envs.reset()
    faults: list[tuple[int, str]] = []
    steps = ended_after = 0
    while steps < 100 and ended_after < 4:
        infos = envs.step(np.zeros(4, np.int64))[-1]
        steps += 1
        faults += infos.get("faults", [])
        if faults:
            ended_after += len(infos.get("trials", ()))
    assert faults and all(re.search(rf"task 'faulty' \(simulator seed \d+; step 1 .*{says}", m) for _, m in faults)
    assert ended_after >= 4
    envs.close()


def test_what_is_prepared_for_the_next_trials_changes_nothing() -> None:
    suite = mixed(sampling="weighted")
    plain, ready = (suite.make_vector(SLOTS, seed=3, max_faults=3) for _ in range(2))
    assert first_bits(plain.reset()[0]) == first_bits(ready.reset()[0])
    group, taken = ready._group, 0
    assert group is not None
    for step in range(60):
        while group.prepare():
            taken += 1
        if step == 30:  # what was prepared by the old weights is not what will be drawn
            for envs in (plain, ready):
                envs.set_task_weights([0, 1, 0, 3])
        assert stream(plain, 1, first=step) == stream(ready, 1, first=step)
    assert plain.state_dict() == ready.state_dict()
    assert taken == SLOTS * (1 + 60 // 5 - 1)
    ready.close()
    assert not any(slot.prepared for slot in group.slots) and not any(group.pool.free)


def test_what_cannot_be_prepared_fails_when_its_turn_comes() -> None:
    suite = faulty("reset", every=2)
    plain, ready = (suite.make_vector(SLOTS, seed=3, max_faults=50) for _ in range(2))
    plain.reset()
    ready.reset()
    group, seen = ready._group, 0
    assert group is not None
    for step in range(60):
        while group.prepare():
            pass
        expected = stream(plain, 1, first=step)
        assert stream(ready, 1, first=step) == expected
        seen += len(expected[0][-2] or ())
    assert seen > 3


def test_a_trial_that_hangs_before_it_begins_is_named_and_passed_over() -> None:
    suite = faulty("hang in reset", every=7)
    envs = suite.make_vector(4, seed=2, workers=2, max_faults=20, patience=1.0)
    envs.reset()
    faults: list[tuple[int, str]] = []
    trials = 0
    while not faults or trials < 4:
        infos = envs.step(np.zeros(4, np.int64))[-1]
        faults += infos.get("faults", [])
        trials += len(infos.get("trials", ())) if faults else 0
    for _, message in faults:
        found = re.search(r"task 'faulty' \(simulator seed (\d+); step 0 .*no answer for 1 second", message)
        assert found is not None and int(found[1]) % 7 == 0
    envs.close()


def test_a_worker_killed_from_outside_is_replaced_and_slots_go_on_with_their_next_trials() -> None:
    suite: Suite = faulty("raise", every=10**12)
    envs, calm = suite.make_vector(4, seed=2, workers=2, max_faults=3), suite.make_vector(4, seed=2)
    envs.reset()
    calm.reset()
    stream(envs, 3)
    seeds_next = []
    for slot in calm._group.slots:  # type: ignore[union-attr]  # what the slots of the lost worker would play next
        slot.begin()
        seeds_next.append(slot.seeds)
    process = envs._workers[0].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    _, _, _, truncated, infos = envs.step(np.zeros(4, np.int64))
    assert infos["dropped"] == [0, 1] and truncated.tolist() == [True, True, False, False]
    assert "was ended from outside or crashed (exit code -9)" in infos["faults"][0][1]
    for state, seeds in zip(envs.state_dict()["slots"][:2], seeds_next, strict=False):
        drawn = draw_trial(suite, generator_at(state["generator"]), envs._buffers.weights, None)
        assert (state["task"], drawn.seeds) == (drawn.task_id, seeds)
    stream(envs, 20)
    envs.close()


def test_tasks_are_drawn_by_weight() -> None:
    suite = mixed(sampling="weighted")
    suite = replace(suite, tasks=(replace(suite.tasks[0], weight=6.0), *suite.tasks[1:]))
    envs = suite.make_vector(4, seed=0)
    envs.reset()
    counts = np.zeros(4)
    for _ in range(500):
        for _, summary in envs.step(np.zeros(4, np.int64))[-1].get("trials", ()):
            counts[summary["task_id"]] += 1
    assert 0.55 < counts[0] / counts.sum() < 0.78
    envs.set_task_weights([0, 0, 1, 0])
    envs.reset()
    assert envs._buffers.next_task_id.tolist() == [2] * 4
    state = envs.state_dict()
    envs.set_task_weights([1, 0, 0, 0])
    again = suite.make_vector(4, seed=1)
    again.load_state_dict(state)
    assert again._buffers.next_task_id.tolist() == [2] * 4
    with pytest.raises(ValueError, match="4 weights of at least 0, one above 0"):
        envs.set_task_weights([0, 0, 0, 0])


@pytest.mark.parametrize("workers", [0, 2])
def test_other_tasks_and_seeds_on_reset_are_those_of_a_new_environment(workers: int) -> None:
    suite = mixed()
    old = suite.make_vector(3, seed=0, task_of_slot=[0, 0, 0], workers=workers)
    old.reset()
    stream(old, 4)
    first, infos = old.reset(seed=7, options={"task_of_slot": [3, 1, 2]})
    assert infos["task_id"].tolist() == [3, 1, 2]
    new = suite.make_vector(3, seed=7, task_of_slot=[3, 1, 2])
    assert first_bits(first) == first_bits(new.reset()[0])
    assert stream(old, 12) == stream(new, 12)
    with pytest.raises(ValueError, match="no options but 'task_of_slot', got \\['task'\\]"):
        old.reset(options={"task": 1})
    with pytest.raises(ValueError, match="a task for each of 3 slots, got 1"):
        old.reset(options={"task_of_slot": [1]})
    old.close()


def test_a_worker_that_is_replaced_after_other_tasks_were_fixed_plays_these() -> None:
    envs = mixed().make_vector(4, seed=0, task_of_slot=[0] * 4, workers=2, max_faults=3)
    envs.reset()
    envs.reset(seed=1, options={"task_of_slot": [1] * 4})
    process = envs._workers[0].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    infos = envs.step(np.zeros(4, np.int64))[-1]
    assert infos["dropped"] == [0, 1] and infos["next_task_id"].tolist() == [1] * 4
    envs.close()


def test_workers_that_died_are_revived_before_the_state_is_taken() -> None:
    envs = mixed().make_vector(4, seed=0, workers=2, max_faults=3)
    envs.reset()
    assert envs.revive() is None
    process = envs._workers[1].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    revived = envs.revive()
    assert revived is not None
    observation, infos = revived
    assert infos["dropped"] == [2, 3] and len(infos["faults"]) == 1
    again = mixed().make_vector(4, seed=5)
    assert first_bits(again.load_state_dict(envs.state_dict())[0]) == first_bits(observation)
    assert stream(envs, 5) == stream(again, 5)
    envs.close()


@pytest.mark.parametrize("kind", ["raise", "reset"])
@pytest.mark.parametrize("max_faults", [0, 1])
def test_after_the_last_failure_the_state_can_be_taken_and_loaded(kind: str, max_faults: int) -> None:
    envs = faulty(kind, every=1).make_vector(3, seed=0, max_faults=max_faults)
    envs.reset()
    with pytest.raises(SimulatorError, match="task 'faulty'"):
        play(envs, 200)
    with pytest.raises(SimulatorError, match="task 'faulty'"):
        envs.raise_if_failed()
    state = envs.state_dict()
    sound = faulty(kind, every=10**12)  # the fault is mended
    other = sound.make_vector(3, seed=1, max_faults=max_faults)
    state["protocol"] = other._protocol()
    other.load_state_dict(state)
    play(other, 20)


def test_continuous_actions_are_clipped_to_the_box_that_is_promised() -> None:
    task = Task(name="lever", id="t:lever", make=lever)
    suite = Suite(name="s", tasks=(task,))
    envs, env = suite.make_vector(1, seed=0), suite.make_env(0, seed=0)
    envs.reset()
    env.reset()
    seen = envs.step(np.array([[7.0, -1e300]]))[0]
    assert seen["previous_action"].tolist() == [[1.0, -1.0]]
    assert suite.observation_space.contains(env.step(np.array([7.0, -7.0]))[0])
