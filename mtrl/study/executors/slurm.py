"""Slurm, through submitit. The folder must be one that all machines see."""

import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtrl.study.cell import run_stored
from mtrl.study.executors.executor import lost
from mtrl.study.result import Result
from mtrl.study.study import Cell, Study

_POLL = 2.0
_MOST_IN_ARRAY = 1_000  # Slurm's own limit is 1,001 unless a cluster sets another


class _Job:
    """A cell as submitit runs it: one that Slurm stops at its time limit, or for another job, goes on later from its
    newest checkpoint."""

    def __call__(self, *arguments: Any) -> Result:
        return run_stored(*arguments)

    def checkpoint(self, *arguments: Any) -> Any:
        """What is submitted in its place."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


class Slurm:
    """Jobs of Slurm, one a cell.

    Args:
        options: of submitit's executor, e.g. ``{"slurm_partition": "long", "timeout_min": 240}``.
        parallel: jobs at a time at most.
        cluster: None: Slurm; "local" or "debug": submitit's stand-ins on this machine.
    Raises:
        ImportError: submitit is not installed.
    """

    def __init__(
        self, options: Mapping[str, Any] | None = None, *, parallel: int = 64, cluster: str | None = "slurm"
    ) -> None:
        try:
            import submitit
        except ImportError as error:
            raise ImportError("the executor slurm needs submitit: pip install 'gradient-conflict[slurm]'") from error
        self._submitit, self.parallel, self.cluster = submitit, parallel, cluster
        self.options = {"timeout_min": 24 * 60, "cpus_per_task": 1, **(options or {})}
        if cluster == "slurm":
            self.options["slurm_array_parallelism"] = parallel

    def run(self, study: Study, folder: Path, cells: Sequence[Cell]) -> Generator[tuple[Cell, Result], None, None]:
        """See `Executor`."""
        executor = self._submitit.AutoExecutor(folder / "slurm", cluster=self.cluster)
        executor.update_parameters(**self.options)
        path, jobs = str(folder.resolve()), []
        for start in range(0, len(cells), _MOST_IN_ARRAY):
            with executor.batch():
                jobs += [
                    executor.submit(_Job(), path, c.condition, c.method, c.seed, c.choice)
                    for c in cells[start : start + _MOST_IN_ARRAY]
                ]
        waiting = dict(zip(jobs, cells, strict=True))
        try:
            while waiting:
                ended = [job for job in waiting if job.done()]
                for job in ended:
                    cell = waiting.pop(job)
                    error = job.exception()
                    if error is None:
                        yield cell, job.result()
                    else:
                        yield cell, lost(cell, f"job {job.job_id}: {str(error).strip().splitlines()[-1]}")
                if not ended:
                    time.sleep(_POLL)
        finally:
            for job in waiting:
                job.cancel()
