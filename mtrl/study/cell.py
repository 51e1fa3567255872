"""Running one cell of a study: train its runs, go on where they were stopped, evaluate, keep the result.

Also a program, for executors that start processes:

    python -m mtrl.study.cell FOLDER CONDITION METHOD SEED [CHOICE as a JSON object]
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from mtrl.config import RunConfig, from_json, to_json
from mtrl.in_use import held
from mtrl.study.folder import choice_of
from mtrl.study.provenance import provenance
from mtrl.study.result import Result, joined, result_of
from mtrl.study.study import FILE, Cell, Choice, Study
from mtrl.study.study import from_json as study_from_json
from mtrl.training.log import finite

RESULT = "result.json"
_PR_SET_PDEATHSIG = 1


def run_cell(study: Study, folder: Path, cell: Cell) -> Result:
    """Run a cell, or what is missing of it, in the study's folder. An error becomes part of the result.

    Returns:
        The cell's line of ``results.jsonl``, also in `RESULT` in the cell's folder.
    Raises:
        InUseError: another process is at this cell, as a job may be whose study was killed.
    """
    place = folder / cell.folder
    place.mkdir(parents=True, exist_ok=True)
    with held(place):
        return _held_cell(study, place, cell)


def _held_cell(study: Study, place: Path, cell: Cell) -> Result:
    named = cell.named
    (place / RESULT).unlink(missing_ok=True)
    _forget_peak_memory()
    try:
        runs = study.runs(cell)
        seed = study.evaluation_seed(cell)
        found = joined([_run(config, place / name, study.evaluate_trials, seed) for name, config in runs.items()])
        origin = {"evaluation_seed": seed, "provenance": provenance(study, cell)}
        costs = {"peak_memory_mib": peak_memory_mib(), "peak_gpu_memory_mib": _peak_gpu_memory_mib()}
        result: Result = finite({**named, "status": "done", "error": None, **found, **origin, **costs})
    except Exception as error:
        (place / "error.txt").write_text(traceback.format_exc())
        result = {**named, "status": "failed", "error": f"{type(error).__name__}: {error}"}
    fresh = place / f"{RESULT}.new"
    fresh.write_text(json.dumps(result))
    fresh.replace(place / RESULT)
    return result


def read_result(folder: Path, cell: Cell) -> Result | None:
    """What `run_cell` left in the cell's folder; None: nothing."""
    file = folder / cell.folder / RESULT
    found: Result | None = json.loads(file.read_text()) if file.is_file() else None
    return found


def _run(config: RunConfig, folder: Path, trials: int, evaluation_seed: int) -> Result:
    import torch

    from mtrl.training.allocator import keep_freed_memory
    from mtrl.training.checkpoint import Checkpoints
    from mtrl.training.evaluate import evaluate_run
    from mtrl.training.log import JsonlLog, consume
    from mtrl.training.loop import train

    keep_freed_memory()
    torch.set_num_threads(1)
    begun = folder / "config.json"
    if begun.is_file() and _same(from_json(begun.read_text())) != _same(from_json(to_json(config))):
        shutil.rmtree(folder)  # of a cell that failed and is tried again with other settings
    evaluated = folder / "evaluation.json"
    trained = evaluated.is_file()
    resume = not trained and Checkpoints(folder).newest() is not None
    before = _processor_seconds()
    if not trained:
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        consume(train(config, folder, resume=resume), [JsonlLog(folder / "metrics.jsonl")])
    if not trained or json.loads(evaluated.read_text())["seed"] != evaluation_seed:
        evaluation = evaluate_run(folder, trials=trials, seed=evaluation_seed)
        asked = {"run": str(folder), "seed": evaluation_seed, "episodes": trials}
        evaluated.write_text(json.dumps({**asked, **evaluation}))
        # The replay is most of a run's size, and nobody goes on from here.
        shutil.rmtree(folder / "checkpoints" / "replay", ignore_errors=True)
    processor = None if trained or resume else round(_processor_seconds() - before, 3)
    return {
        **result_of(folder, json.loads(evaluated.read_text())),
        "processor_seconds": processor,
    }


def _same(config: RunConfig) -> RunConfig:
    """The configuration without how often there are checkpoints, which changes no number: a run that was begun with
    others goes on."""
    return dataclasses.replace(config, loop=dataclasses.replace(config.loop, checkpoint_every=0))


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def peak_memory_mib() -> float:
    """The most memory of this process since `_forget_peak_memory`, without workers'."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024, 1)
    except (OSError, StopIteration):
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def _peak_gpu_memory_mib() -> float | None:
    """The most that tensors held on one GPU since `_forget_peak_memory`; None: no GPU was used."""
    import torch

    if not torch.cuda.is_initialized():
        return None
    peaks = [torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count())]
    return round(max(peaks) / 2**20, 1)


def _forget_peak_memory() -> None:
    import torch

    if torch.cuda.is_initialized():
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):  # elsewhere than on Linux the peak is the process's
        Path("/proc/self/clear_refs").write_text("5")


def run_stored(folder: str, condition: str, method: str, seed: int, choice: Choice) -> Result:
    """Run a cell of the study that a folder holds: plain arguments, for processes elsewhere."""
    study = study_from_json(json.loads((Path(folder) / FILE).read_text()))
    return run_cell(study, Path(folder), Cell(condition, method, seed, choice))


def main(arguments: Sequence[str]) -> int:
    """Run the cell that the arguments name; ends when the process does that has started it."""
    end_with_parent()
    folder, condition, method, seed, *choice = arguments
    named = {"choice": json.loads(choice[0]) if choice else {}}
    result = run_stored(folder, condition, method, int(seed), choice_of(named))
    return 0 if result["status"] == "done" else 1


def end_with_parent() -> None:
    """End when the process does that started this one: two at one cell would spoil its folder, so that none may be left
    when a study is killed and begun again."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
