"""The same run on a GPU; skipped, with the reason, where there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mtrl.training.loop import train
from tests.mtrl.builders import small_run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch sees none")


@pytest.mark.parametrize("memory", ["gru", "transformer", "linear-attention"])
@pytest.mark.parametrize("strategy", ["mean", "pcgrad"])
def test_a_run_on_a_gpu_trains_evaluates_and_resumes(strategy: Any, memory: Any, tmp_path: Path) -> None:
    config = small_run(device="cuda")
    config = replace(
        config,
        agent=replace(config.agent, memory=memory),
        conflict=replace(config.conflict, strategy=strategy, measure_every=2),
    )
    for count, record in enumerate(train(config, tmp_path / "run")):
        if count == 20:
            break
        assert record["kind"] != "end"
    last = list(train(config, tmp_path / "run", resume=True))[-1]
    assert last["kind"] == "end" and last["steps"] == config.loop.steps
