"""Where the cells of a study run."""

from collections.abc import Mapping
from typing import Any

from mtrl.study.executors.executor import Executor


def make_executor(
    name: str,
    *,
    workers: int | None = None,
    address: str | None = None,
    gpus: float = 0.0,
    slurm: Mapping[str, Any] = {},
) -> Executor:
    """An executor by its name: "here", "processes", "ray" or "slurm". What an executor needs is imported now.

    Raises:
        ImportError: what it needs is not installed; the message says which extra to install.
    """
    match name:
        case "here":
            from mtrl.study.executors.here import Here

            return Here()
        case "processes":
            from mtrl.study.executors.processes import Processes

            return Processes(workers)
        case "ray":
            from mtrl.study.executors.ray_cluster import Ray

            return Ray(address, gpus=gpus)
        case "slurm":
            from mtrl.study.executors.slurm import Slurm

            return Slurm(slurm, parallel=workers or 64)
    raise ValueError(f"unknown executor {name!r}; known are: here, processes, ray, slurm")
