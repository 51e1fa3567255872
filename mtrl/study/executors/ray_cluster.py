"""Ray: on a cluster, or on this machine. The folder must be one that all machines see."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from mtrl.study.cell import run_stored
from mtrl.study.executors.executor import lost
from mtrl.study.result import Result
from mtrl.study.study import Cell, Study


class Ray:
    """Tasks of Ray.

    Args:
        address: of the cluster; None: one that is there (``RAY_ADDRESS``), or else a new one on this machine.
        gpus: share of a GPU that each cell gets, e.g. 0.25; cells use it only if the study says ``loop.device: cuda``.
        cpus: processors of a cell.
    Raises:
        ImportError: Ray is not installed.
        ValueError: no machine of the cluster has so much of a GPU: Ray would wait for one without end.
    """

    def __init__(self, address: str | None = None, *, gpus: float = 0.0, cpus: float = 1.0) -> None:
        try:
            import ray
        except ImportError as error:
            raise ImportError("the executor ray needs Ray: pip install 'gradient-conflict[ray]'") from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            ray.init(address=address, include_dashboard=False, log_to_driver=False, configure_logging=False)
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        most = max((node["Resources"].get("GPU", 0.0) for node in nodes if node["Alive"]), default=0.0)
        if gpus > most:
            if self._started:
                ray.shutdown()
            raise ValueError(
                f"--gpus {gpus:g}: expected a machine of the Ray cluster with as many GPUs, found at most {most:g} on "
                "one; leave --gpus out, or name a cluster that has them with --address"
            )
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.parallel = max(1, int(resources.get("CPU", 1) // cpus))
        # A cell that fails has a result that says so; one whose machine is lost goes on from its checkpoint.
        self._run = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=1)(run_stored)

    def run(self, study: Study, folder: Path, cells: Sequence[Cell]) -> Generator[tuple[Cell, Result], None, None]:
        """See `Executor`."""
        ray, path = self._ray, str(folder.resolve())
        waiting = {self._run.remote(path, c.condition, c.method, c.seed, c.choice): c for c in cells}
        try:
            while waiting:
                for ended in ray.wait(list(waiting), num_returns=1)[0]:
                    cell = waiting.pop(ended)
                    try:
                        result = ray.get(ended)
                    except ray.exceptions.RayError as error:
                        result = lost(cell, f"Ray lost it: {str(error).strip().splitlines()[-1]}")
                    yield cell, result
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)
            if self._started:
                ray.shutdown()
