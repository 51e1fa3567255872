"""Simulators that fail, hang, lie or die during a real run: named, their trials dropped, nothing else lost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtrl.config import RunConfig
from mtrl.training.adapt import adapt_run
from mtrl.training.checkpoint import Checkpoints, read_state
from mtrl.training.loop import Run, train
from tasks.trial import SimulatorError
from tests.mtrl.builders import small_run


def faulty_run(folder: Path, kind: str, *, every: int = 4, workers: int = 0, max_faults: int = 30) -> RunConfig:
    """A run on a suite with one task that fails now and then."""
    file = folder / "faulty.yaml"
    file.write_text(
        "name: faulty\ninvalid_actions: mask\ntasks:\n"
        "  - {id: 'custom:sound', make: 'tests.tasks.simulators:numbers'}\n"
        "  - id: custom:faulty\n    make: tests.tasks.simulators:Faulty\n"
        f"    options: {{kind: {kind}, every: {every}}}\n"
    )
    config = small_run(str(file), evaluate_every=0, evaluate_trials=1, checkpoint_every=800)
    return replace(config, collect=replace(config.collect, workers=workers, max_faults=max_faults))


def collect_into(seen: list[dict[str, Any]], config: RunConfig, out: Path) -> None:
    for record in train(config, out):
        seen.append(record)


@pytest.mark.parametrize("kind", ["raise", "nan", "shape", "reset"])
def test_a_run_goes_on_after_a_fault_and_says_what_happened(kind: str, tmp_path: Path) -> None:
    records = list(train(faulty_run(tmp_path, kind), tmp_path / "run"))
    faults = [message for record in records if record["kind"] == "fault" for message in record["messages"]]
    assert faults and all("task 'faulty' (simulator reset with seed " in message for message in faults)
    assert records[-1]["kind"] == "end" and records[-1]["steps"] == 1600
    trials: dict[str, int] = {}
    for record in records:
        if record["kind"] == "collect":
            trials = {task: trials.get(task, 0) + count for task, count in record["trials"].items()} | trials
    assert {"sound", "faulty"} <= set(trials)


@pytest.mark.parametrize(("kind", "says"), [("die", "exit code 9"), ("hang", "gave no answer for 1 second")])
def test_a_worker_that_dies_or_hangs_in_a_run_is_replaced(kind: str, says: str, tmp_path: Path) -> None:
    config = faulty_run(tmp_path, kind, every=60, workers=2)
    config = replace(config, collect=replace(config.collect, patience=1.0))
    records = list(train(config, tmp_path / "run"))
    faults = [message for record in records if record["kind"] == "fault" for message in record["messages"]]
    assert faults and all("task 'faulty'" in message and says in message for message in faults)
    assert records[-1]["kind"] == "end"


@pytest.mark.parametrize(("kind", "max_faults"), [("raise", 12), ("raise", 0), ("reset", 3)])
def test_after_repeated_faults_the_run_stops_with_a_checkpoint_and_can_go_on(
    kind: str, max_faults: int, tmp_path: Path
) -> None:
    config = faulty_run(tmp_path, kind, every=3 if kind == "reset" else 1, max_faults=max_faults)
    seen: list[dict[str, Any]] = []
    with pytest.raises(SimulatorError, match=r"task 'faulty'"):
        collect_into(seen, config, tmp_path / "run")
    faults = [message for record in seen if record["kind"] == "fault" for message in record["messages"]]
    assert len(faults) >= max_faults + 1
    newest = Checkpoints(tmp_path / "run").newest()
    assert newest is not None
    stopped = read_state(newest)["run"]
    assert stopped["steps"] < 1600
    run = Run(config, tmp_path / "run")
    run.restore()
    assert run.steps == stopped["steps"]
    run.collector.step()
    run.collector.close()


def test_a_fault_in_evaluation_loses_nothing(tmp_path: Path) -> None:
    config = faulty_run(tmp_path, "raise", every=10**12)
    text = (tmp_path / "faulty.yaml").read_text()
    text = text.replace("every: 1000000000000}", "every: 10}\n    seeds: [11, 20]\n    test_seeds: [10, 11]")
    (tmp_path / "faulty.yaml").write_text(text)
    with pytest.raises(SimulatorError, match="task 'faulty'"):
        list(train(config, tmp_path / "run"))
    newest = Checkpoints(tmp_path / "run").newest()
    assert newest is not None and read_state(newest)["run"]["steps"] == 1600


def test_a_fault_in_adaptation_costs_its_trial_and_no_other(tmp_path: Path) -> None:
    """Trials whose seed is divisible by four fail in their second step."""
    config = faulty_run(tmp_path, "raise", every=10**12)
    list(train(config, tmp_path / "run"))
    file = tmp_path / "faulty.yaml"
    file.write_text(file.read_text().replace("every: 1000000000000}", "every: 4}"))
    found = adapt_run(tmp_path / "run", suite=str(file), attempts=None, trials=12, seed=0, greedy=None)
    assert found["faults"] and all("task 'faulty'" in message for message in found["faults"])
    for entry in found["tested"]["tasks"].values():
        assert entry["trials"] == 12 and sum(entry["rewards"]) == pytest.approx(entry["return"])


def test_nothing_in_the_replay_is_lost_by_a_fault(tmp_path: Path) -> None:
    config = faulty_run(tmp_path, "raise", every=2)
    run = Run(config, tmp_path / "run")
    kept = 0
    for _ in range(120):
        for _, trial, _ in run.collector.step():
            run.replay.add(trial)
            kept += 1
            assert trial.length == 5  # every trial that is kept is whole
    assert run.collector.faults and sum(map(len, run.replay.trials)) == kept > 20


def test_workers_do_not_change_a_run(tmp_path: Path) -> None:
    found = []
    for workers in (0, 2):
        config = faulty_run(tmp_path, "raise", workers=workers)
        records = list(train(config, tmp_path / f"run{workers}"))
        found.append([{k: v for k, v in record.items() if k not in ("seconds", "versions")} for record in records])
    assert found[0] == found[1]
