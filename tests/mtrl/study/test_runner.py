"""Studies that really run: here, in processes, on Ray, through submitit; stopped, resumed, with failures."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mtrl.study.cell import run_cell
from mtrl.study.executors import make_executor
from mtrl.study.executors.here import Here
from mtrl.study.executors.processes import Processes
from mtrl.study.folder import RESULTS, TUNING, StudyFolder
from mtrl.study.provenance import commit, differences
from mtrl.study.result import Result
from mtrl.study.runner import Begun, run_study
from mtrl.study.study import TUNING_SEED, Cell, Study, StudyError
from tests.mtrl.study.builders import TINY, study

COSTS = ("seconds", "processor_seconds", "peak_memory_mib")


def bare(result: Any) -> Any:
    """Without what two runs of the same cell may differ in."""
    if isinstance(result, dict):
        return {key: bare(value) for key, value in result.items() if key not in COSTS}
    return [bare(value) for value in result] if isinstance(result, list) else result


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """The results of the small study in this process."""
    folder = StudyFolder(tmp_path_factory.mktemp("here"))
    for _ in run_study(folder.open(study()), folder, Here()):
        pass
    return folder.results()


def test_a_result_has_all_that_a_report_needs(here: list[Result]) -> None:
    assert [r["status"] for r in here] == ["done"] * 4
    first = here[0]
    assert (first["condition"], first["method"], first["seed"]) == ("plain", "mean", 0)
    assert first["steps"] == 1600 and first["updates"] > 10 and first["parameters"] > 500
    assert first["peak_memory_mib"] > 100
    assert first["evaluation"]["tasks"]["RepeatFirstEasy"]["trials"] == 3
    assert first["evaluation"]["score"] is not None
    assert [point["steps"] for point in first["curve"]][-1] == 1600 and len(first["curve"]) >= 7
    assert {"low", "high", "mean", "std"} == set(first["learning"][-1]["target"]["RepeatFirstEasy"])
    assert 0 <= first["learning"][-1]["imitated"]["RepeatFirstEasy"] <= 1
    assert first["conflict"]["tasks"] == ["RepeatFirstEasy"] and first["conflict"]["over_time"]


def test_a_result_says_of_what_make_it_is(here: list[Result]) -> None:
    told = [result["provenance"] for result in here]
    assert len({entry["common"] for entry in told}) == 1 and {entry["commit"] for entry in told} == {commit()}
    assert len({entry["configuration"] for entry in told}) == len(told)  # another method or seed
    assert not differences(here)


def test_methods_have_the_same_size_steps_and_updates(here: list[Result]) -> None:
    for what in ("parameters", "steps", "updates"):
        assert len({result[what] for result in here}) == 1


@pytest.mark.parametrize("name", ["processes", "ray", "slurm"])
def test_every_executor_gets_the_same_numbers(name: str, here: list[Result], tmp_path: Path) -> None:
    if name == "ray":
        pytest.importorskip("ray", reason="Ray is not installed")
        executor = make_executor("ray", address="local")
    elif name == "slurm":
        pytest.importorskip("submitit", reason="submitit is not installed")
        from mtrl.study.executors.slurm import Slurm

        executor = Slurm({"timeout_min": 10}, cluster="local")
    else:
        executor = make_executor(name, workers=2)
    folder = StudyFolder(tmp_path)
    asked = study(seeds=(0,))
    events = list(run_study(folder.open(asked), folder, executor))
    assert isinstance(events[0], Begun) and len(events) == 3
    expected = [result for result in here if result["seed"] == 0]
    found = sorted(folder.results(), key=lambda r: str(r["method"]))
    assert bare(found) == bare(expected)
    assert not list(run_study(asked, folder, executor))


def test_a_cell_that_was_stopped_goes_on_and_ends_with_the_same_bits(here: list[Result], tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    asked = folder.open(study(seeds=(0,), methods=study("mean").methods))
    command = [sys.executable, "-m", "mtrl.study.cell", str(tmp_path), "plain", "mean", "0"]
    place = tmp_path / Cell("plain", "mean", 0).folder
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3])
    while not list(place.glob("run/checkpoints/step-*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (place / "result.json").exists() and folder.missing(asked)
    result = run_cell(asked, tmp_path, Cell("plain", "mean", 0))
    assert bare(result) == bare(here[0])
    assert not list(place.glob("run/checkpoints/replay/*"))


def test_a_cell_that_was_begun_with_other_checkpoints_goes_on(here: list[Result], tmp_path: Path) -> None:
    """As a study of an earlier version: what is there is not thrown away."""
    asked = StudyFolder(tmp_path).open(study(seeds=(0,), methods=study("mean").methods))
    cell = Cell("plain", "mean", 0)
    run_cell(asked, tmp_path, cell)
    settings = tmp_path / cell.folder / "run" / "config.json"
    tree = json.loads(settings.read_text())
    tree["loop"]["checkpoint_every"] = 400
    settings.write_text(json.dumps(tree))
    trained = (settings.parent / "metrics.jsonl").stat().st_mtime_ns
    assert bare(run_cell(asked, tmp_path, cell)) == bare(here[0])
    assert (settings.parent / "metrics.jsonl").stat().st_mtime_ns == trained


def when_running(folder: Path, cells: Sequence[Cell], then: Callable[[], object]) -> None:
    """Do something, in a thread, as soon as all of these cells train."""

    def wait() -> None:
        while not all(list((folder / cell.folder).glob("run/metrics.jsonl")) for cell in cells):
            time.sleep(0.05)
        then()

    threading.Thread(target=wait, daemon=True).start()


def processes_of(folder: Path) -> list[str]:
    return subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False).stdout.split()


def test_stopping_a_study_stops_its_processes(tmp_path: Path) -> None:
    """The first result would come after minutes."""
    folder = StudyFolder(tmp_path)
    asked = folder.open(study(steps=400_000, settings=TINY))
    cells = list(asked.cells())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
    try:
        with closing(Processes(2).run(asked, tmp_path, cells)) as running:
            when_running(tmp_path, cells[:2], lambda: os.kill(os.getpid(), signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                next(running)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not folder.results() and not processes_of(tmp_path)


def test_a_failure_is_a_result_and_the_others_go_on(tmp_path: Path, monkeypatch: Any) -> None:
    from mtrl.study import cell as module

    right = module._run

    def sometimes(config: Any, folder: Path, trials: int, evaluation_seed: int) -> Result:
        if config.conflict.strategy == "pcgrad":
            raise RuntimeError("the losses are NaN")
        return right(config, folder, trials, evaluation_seed)

    monkeypatch.setattr(module, "_run", sometimes)
    folder = StudyFolder(tmp_path)
    asked = folder.open(study(seeds=(0,)))
    list(run_study(asked, folder, Here()))
    states = {result["method"]: (result["status"], result["error"]) for result in folder.results()}
    assert states == {"mean": ("done", None), "pcgrad": ("failed", "RuntimeError: the losses are NaN")}
    assert "Traceback" in (tmp_path / Cell("plain", "pcgrad", 0).folder / "error.txt").read_text()
    assert not list(run_study(asked, folder, Here()))
    monkeypatch.setattr(module, "_run", right)
    list(run_study(asked, folder, Here(), retry_failed=True))
    assert {result["status"] for result in folder.results()} == {"done"}


def test_a_process_that_dies_is_a_failed_cell(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    asked = folder.open(study("mean", steps=400_000, seeds=(0,)))
    cells = list(asked.cells())
    with closing(Processes(1).run(asked, tmp_path, cells)) as running:
        when_running(tmp_path, cells, lambda: [os.kill(int(p), signal.SIGKILL) for p in processes_of(tmp_path)])
        _, result = next(running)
    assert result["status"] == "failed" and "was killed by signal 9 (out of memory?)" in result["error"]


def test_a_cell_that_is_killed_takes_no_other_with_it(tmp_path: Path) -> None:
    """Each is in a process of its own, which the one that imports for all has forked."""
    folder = StudyFolder(tmp_path)
    asked = folder.open(study("mean", "two-hot", steps=400_000, seeds=(0,)))
    cells = list(asked.cells())
    pids: list[list[str]] = []

    def kill() -> None:
        pids.append(processes_of(tmp_path))
        os.kill(int(pids[-1][1]), signal.SIGKILL)

    with closing(Processes(1).run(asked, tmp_path, cells)) as running:
        for cell in cells:
            when_running(tmp_path, [cell], kill)
            ended, result = next(running)
            assert ended == cell and "was killed by signal 9" in result["error"]
    (server, first), (same, second) = pids
    assert server == same and first != second and not processes_of(tmp_path)


def test_the_search_gives_each_method_its_settings_before_its_cells_run(tmp_path: Path) -> None:
    class Pretend:
        parallel = 1

        def run(self, study: Study, folder: Path, cells: Sequence[Cell]) -> Generator[tuple[Cell, Result], None, None]:
            for cell in cells:
                best = 1e-3 if cell.method == "mean" else 1e-4
                score = -abs(dict(cell.choice)["update.learning_rate"] - best)
                yield cell, {**cell.named, "status": "done", "error": None, "evaluation": {"score": score, "tasks": {}}}

    folder = StudyFolder(tmp_path)
    asked = folder.open(study(search={"update.learning_rate": (1e-2, 1e-3, 1e-4)}))
    phases = [event.phase for event in run_study(asked, folder, Pretend()) if isinstance(event, Begun)]
    assert phases == ["tuning", "cells"]
    assert len(folder.results(TUNING)) == 6 and len(folder.results(RESULTS)) == 4
    found = {(r["method"], r["choice"]["update.learning_rate"]) for r in folder.results()}
    assert found == {("mean", 1e-3), ("pcgrad", 1e-4)}


class Failing:
    """Runs fail as often as it is told; those that do not score by their learning rate."""

    parallel = 1

    def __init__(self, *rates: float) -> None:
        self.rates, self.ran = rates, list[Cell]()

    def run(self, study: Study, folder: Path, cells: Sequence[Cell]) -> Generator[tuple[Cell, Result], None, None]:
        for cell in cells:
            self.ran.append(cell)
            rate = dict(cell.choice)["update.learning_rate"]
            if cell.seed == TUNING_SEED and rate in self.rates:
                yield cell, {**cell.named, "status": "failed", "error": "its process was killed"}
            else:
                yield cell, {**cell.named, "status": "done", "error": None, "evaluation": {"score": rate, "tasks": {}}}


def test_a_run_of_the_search_that_failed_is_told_and_tried_again_on_request(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    asked = folder.open(study("mean", seeds=(0,), search={"update.learning_rate": (1e-2, 1e-3)}))
    assert not list(Here().run(asked, tmp_path, []))
    list(run_study(asked, folder, Failing(1e-2)))
    assert folder.failures() == [f"plain, mean, seed {TUNING_SEED}, learning_rate 0.01: its process was killed"]
    assert [result["choice"] for result in folder.results()] == [{"update.learning_rate": 1e-3}]
    assert not folder.untuned(asked)
    again = Failing()
    list(run_study(asked, folder, again, retry_failed=True))
    assert [dict(cell.choice) for cell in again.ran] == [{"update.learning_rate": 1e-2}]
    assert not folder.failures()


def test_a_method_whose_search_failed_altogether_gets_no_settings_by_chance(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    asked = folder.open(study("mean", seeds=(0,), search={"update.learning_rate": (1e-2, 1e-3)}))
    with pytest.raises(StudyError, match=r"found none for mean \(its process was killed\): .* --retry-failed"):
        list(run_study(asked, folder, Failing(1e-2, 1e-3)))
    assert not folder.results()
    with pytest.raises(StudyError, match="found none for mean"):
        list(run_study(asked, folder, Failing()))
    list(run_study(asked, folder, Failing(), retry_failed=True))
    assert [result["choice"] for result in folder.results()] == [{"update.learning_rate": 1e-2}]


def test_the_search_is_evaluated_on_other_instances_than_the_cells(tmp_path: Path) -> None:
    """Also where a run was evaluated before on those of the cells; it is not trained again."""
    asked = StudyFolder(tmp_path).open(study("mean", seeds=(0,), search={"update.learning_rate": (1e-3,)}))
    (tuning,) = asked.tuning_cells()
    found = run_cell(asked, tmp_path, tuning)
    assert found["evaluation_seed"] == TUNING_SEED
    stored = tmp_path / tuning.folder / "run" / "evaluation.json"
    assert json.loads(stored.read_text())["seed"] == TUNING_SEED
    stored.write_text(json.dumps({**json.loads(stored.read_text()), "seed": 0}))
    again = run_cell(asked, tmp_path, tuning)
    assert json.loads(stored.read_text())["seed"] == TUNING_SEED and again["processor_seconds"] is None
    assert bare(again) == bare(found)
    cell = Cell("plain", "mean", 0, tuning.choice)
    assert asked.evaluation_seed(cell) == 0


def test_one_agent_a_task_has_the_scores_of_all_and_the_cost_of_all(tmp_path: Path) -> None:
    two = {**TINY, "play.only": ("RepeatFirstEasy", "RepeatPreviousEasy")}
    asked = StudyFolder(tmp_path).open(study("mean", "single-task", suite="popgym-quick", seeds=(0,), settings=two))
    together, alone = (run_cell(asked, tmp_path, cell) for cell in asked.cells())
    assert list(alone["evaluation"]["tasks"]) == list(together["evaluation"]["tasks"])
    assert together["steps"] == 1600 <= alone["steps"] < 1600 + 2 * 64  # each ends with a whole update
    assert alone["parameters"] > 1.5 * together["parameters"] and alone["conflict"] is None
    scores = [entry["score"] for entry in alone["evaluation"]["tasks"].values()]
    assert alone["evaluation"]["score"] == pytest.approx(sum(scores) / 2)
    assert json.loads((tmp_path / Cell("plain", "single-task", 0).folder / "result.json").read_text()) == alone


def test_what_ray_needs_is_said_where_it_is_missing(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ImportError, match=r"pip install 'gradient-conflict\[ray\]'"):
        make_executor("ray")
    with pytest.raises(ImportError, match=r"pip install 'gradient-conflict\[slurm\]'"):
        make_executor("slurm")


@pytest.mark.parametrize(("asked", "there", "enough"), [(0.25, 0.0, False), (2.0, 1.0, False), (0.25, 1.0, True)])
def test_a_cluster_without_the_gpus_that_are_asked_for_is_refused(
    asked: float, there: float, enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself would wait for them without end; two machines with a GPU each have no two for one cell."""
    machine = {"Alive": True, "Resources": {"CPU": 2.0, **({"GPU": there} if there else {})}}
    ended: list[bool] = []
    ray = SimpleNamespace(
        is_initialized=lambda: False,
        init=lambda **options: None,
        shutdown=lambda: ended.append(True),
        nodes=lambda: [machine, machine, {"Alive": False, "Resources": {"GPU": 8.0}}],
        cluster_resources=lambda: {"CPU": 4.0, "GPU": 2 * there},
        remote=lambda **options: lambda function: function,
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    if enough:
        assert make_executor("ray", gpus=asked).parallel == 4 and not ended
        return
    with pytest.raises(ValueError, match=rf"--gpus {asked:g}: expected a machine .* found at most {there:g} on one"):
        make_executor("ray", gpus=asked)
    assert ended == [True]


def test_processor_time_is_told_of_runs_that_were_not_interrupted(here: list[Result]) -> None:
    for result in here:
        assert result["processor_seconds"] > 0.5 * min(result["seconds"], 1.0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system ties no process to a core")
@pytest.mark.parametrize(
    ("count", "parallel", "cores"), [(None, 3, [0, 2, 5]), (3, 3, [0, 2, 5]), (1, 1, []), (2, 2, [])]
)
def test_two_studies_of_some_cores_are_not_tied_to_the_same(
    count: int | None, parallel: int, cores: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 0, 2})
    found = Processes(count)
    assert (found.parallel, found.cores) == (parallel, cores)
