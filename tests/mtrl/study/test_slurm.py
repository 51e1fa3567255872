"""What is handed to Slurm, without a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from mtrl.study.study import Cell
from tests.mtrl.study.builders import study


def test_a_job_that_slurm_stops_is_submitted_again_and_arrays_are_no_longer_than_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitit = pytest.importorskip("submitit", reason="submitit is not installed")
    from mtrl.study.executors import slurm

    arrays: list[list[Any]] = []

    class Stub:
        """Notes what is submitted, one batch after the other."""

        def __init__(self, folder: Path, cluster: str | None) -> None: ...

        def update_parameters(self, **options: Any) -> None: ...

        @contextmanager
        def batch(self) -> Iterator[None]:
            arrays.append([])
            yield

        def submit(self, function: Any, *arguments: Any) -> Any:
            arrays[-1].append((function, arguments))
            return Mock(**{"done.return_value": True, "exception.return_value": RuntimeError("not run")})

    monkeypatch.setattr(slurm, "_MOST_IN_ARRAY", 3)
    monkeypatch.setattr(submitit, "AutoExecutor", Stub)
    cells = [Cell("plain", "mean", seed) for seed in range(8)]
    ended = list(slurm.Slurm().run(study(), tmp_path, cells))
    assert [len(array) for array in arrays] == [3, 3, 2] and len(ended) == 8
    function, arguments = arrays[1][0]
    assert arguments == (str(tmp_path), "plain", "mean", 3, ())
    again = function.checkpoint(*arguments)
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert isinstance(again.function, type(function)) and again.args == arguments
