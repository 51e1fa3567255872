"""What does it save that nothing is watched while rules and recurrences run (`conflict/engine/unwatched.py`)?

    python -m benchmarks.watching [--json] [--suites classic-control popgym-quick babyai-quick] [--strategy pcgrad]

Updates of each suite's preset on one batch, with and without, alternated in one run: medians of processor time. A ratio
below 1 is what is saved.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.experts import WARM_UP, show
from mtrl.presets import preset
from mtrl.training.loop import Run

STEPS = 2_000


def row(suite: str, given: argparse.Namespace) -> dict[str, Any]:
    """One suite."""
    config = preset(suite)
    config = replace(
        config,
        conflict=replace(config.conflict, strategy=given.strategy),
        collect=replace(config.collect, start_steps=STEPS),
        loop=replace(config.loop, steps=STEPS + 200, learn_threads=given.threads, evaluate_every=0, evaluate_trials=1),
    )
    taken: dict[str, list[float]] = {"unwatched": [], "watched": []}
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, Path(folder))
        for _ in run.records_to_the_end():
            pass
        batch = run.batch()
        torch.set_num_threads(given.threads)
        for _ in range(WARM_UP + given.repeats):
            for name, times in taken.items():
                off = torch._C.DisableTorchFunction if name == "unwatched" else nullcontext
                with patch("torch._C.DisableTorchFunction", off):
                    start = time.process_time()
                    run.updater.update(batch, run.generator, measure=False)
                    times.append(time.process_time() - start)
        run.collector.close()
    found = {name: 1000 * statistics.median(times[WARM_UP:]) for name, times in taken.items()}
    ratio = round(found["unwatched"] / found["watched"], 2)
    return {"suite": suite, **{f"{name}, ms": round(value, 1) for name, value in found.items()}, "ratio": ratio}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--suites", nargs="+", default=["classic-control", "popgym-quick", "babyai-quick"])
    parser.add_argument("--strategy", default="pcgrad")
    parser.add_argument("--repeats", type=int, default=25, help="updates of each kind")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(argv)
    rows = [row(suite, given) for suite in given.suites]
    if given.json:
        print(json.dumps({**vars(given), "updates": rows}, indent=2))
    else:
        show(rows)


if __name__ == "__main__":
    main()
