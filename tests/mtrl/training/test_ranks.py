"""Two processes that train together make the run of one."""

import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from conflict.registry import make_rescaling, make_strategy
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.learning.batch import Batch
from mtrl.learning.ppo import estimates, with_standardised
from mtrl.training.config import UpdateConfig
from mtrl.training.ranks import Ranks
from mtrl.training.update import Updater
from tests.mtrl.builders import LEARNING, agent, batch

ROOT = Path(__file__).parents[3]
UPDATES = 3
METHODS = [
    ("mean", "none", "regression", "policy-gradient", "shared"),
    ("pcgrad", "popart", "regression", "policy-gradient", "shared"),
    ("random", "gradnorm", "two-hot", "filtered", "shared"),
    ("cagrad", "return-scale", "hl-gauss", "filtered", "shared"),
    ("graddrop", "rlw", "two-hot", "filtered", "shared"),
    ("mean", "famo", "two-hot", "filtered", "shared"),
    ("pcgrad", "none", "regression", "policy-gradient", "heads"),
    ("random", "popart", "regression", "policy-gradient", "heads"),
    ("cagrad", "none", "two-hot", "filtered", "experts"),
    ("mean", "none", "regression", "weighted", "shared"),
    ("pcgrad", "none", "two-hot", "weighted by task", "shared"),
    ("mean", "none", "regression", "ppo", "shared"),
    ("pcgrad", "popart", "two-hot", "ppo by task", "shared"),
]
_WEIGHTED = {"actor": "filtered", "filter": "exponential", "filter_value": "return", "return_lambda": 0.5}
ACTORS: dict[str, dict[str, Any]] = {
    "weighted": _WEIGHTED,
    "weighted by task": {**_WEIGHTED, "advantages": "task"},
    "ppo by task": {"actor": "ppo", "advantages": "task"},
}
ARCHITECTURES = {
    "shared": {},
    "heads": {"sharing": SharingConfig(heads="group", head_groups={"0": "a", "2": "a"}, conditioning="film")},
    "experts": {"sharing": SharingConfig(heads="task"), "experts": ExpertsConfig(experts="paco")},
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def whole() -> Batch:
    """Without padding, so that the mean over rows is the mean of the halves' means."""
    given = batch(sequences=4)
    return replace(given, mask=torch.ones_like(given.mask))


def half(given: Batch, rank: int) -> Batch:
    """Every other sequence."""

    def part(value: Any) -> Any:
        return value[:, rank::2]

    values = {f.name: getattr(given, f.name) for f in fields(given)}
    values["observation"] = {key: part(value) for key, value in given.observation.items()}
    return Batch(**{**values, **{key: part(values[key]) for key in ("action", "reward", "terminated", "mask")}})


def trained(method: tuple[str, str, str, str, str], given: Batch, ranks: Ranks) -> dict[str, Any]:
    strategy, rescaling, critic, actor, architecture = method
    learning = replace(LEARNING, critic=critic, target_ensemble="mean", **ACTORS.get(actor, {"actor": actor}))
    scale = make_rescaling(rescaling, num_tasks=3, value_shape=(2,))
    model = agent(learning, rescaling=scale, **ARCHITECTURES[architecture])
    config = UpdateConfig(warmup_updates=0, learning_rate=1e-2)
    updater = Updater(model, make_strategy(strategy, 3), scale, ("a", "b", "c"), config, learning, ranks)
    updater._shared = lambda generator: torch.Generator().manual_seed(updater.updates)  # type: ignore[method-assign]
    if learning.on_policy:
        thought = estimates(model, given, learning)
        given = replace(given, estimates=with_standardised(model, thought, given, learning.advantages))
    for _ in range(UPDATES):
        updater.update(given, torch.Generator().manual_seed(0), measure=strategy == "pcgrad")
    return {name: p.detach().numpy() for name, p in updater.parameters.items()}


def _process(rank: int, port: int, results: Any) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    ranks = Ranks.of_environment()
    try:
        results.put((rank, [trained(method, half(whole(), rank), ranks) for method in METHODS]))
    finally:
        torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def together() -> dict[int, list[dict[str, Any]]]:
    """What two processes learn from half of the batch each."""
    context = multiprocessing.get_context("spawn")
    results, port = context.Queue(), free_port()
    processes = [context.Process(target=_process, args=(rank, port, results)) for rank in range(2)]
    with pytest.MonkeyPatch.context() as environment:
        for number, process in enumerate(processes):
            environment.setenv("PYTHONHASHSEED", str(number))  # no order of a set is the same in both
            process.start()
    found = dict(results.get(timeout=240) for _ in processes)
    for process in processes:
        process.join()
    return found


@pytest.mark.parametrize("number", range(len(METHODS)), ids=["+".join(m) for m in METHODS])
def test_two_processes_with_half_the_batch_learn_what_one_learns_from_all(
    number: int, together: dict[int, list[dict[str, Any]]]
) -> None:
    alone = trained(METHODS[number], whole(), Ranks())
    for name, value in alone.items():
        first, second = (together[rank][number][name] for rank in range(2))
        assert (first == second).all(), name
        torch.testing.assert_close(torch.from_numpy(first), torch.from_numpy(value), rtol=1e-5, atol=1e-7)


def torchrun(out: Path, *more: str, processes: int = 2) -> subprocess.CompletedProcess[str]:
    tiny = (
        *("--steps", "1600", "--start-steps", "400", "--slots", "4", "--steps-per-update", "40", "--sequences", "4"),
        *("--width", "8", "--head-width", "8", "--layers", "1", "--context", "8", "--memory", "gru"),
        *("--evaluate-every", "800", "--evaluate-trials", "2", "--checkpoint-every", "400", "--learn-threads", "1"),
        *("--log-every", "1", "--strategy", "pcgrad"),
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--master-port", str(free_port()), "run.py", "train", "popgym:RepeatFirstEasy", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *tiny, *more], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return safetensors.torch.load_file(newest / "tensors.safetensors")


def test_torchrun_trains_one_agent_and_resumes_it(tmp_path: Path) -> None:
    answer = torchrun(tmp_path / "x")
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert answer.stdout.count("The run is in") == 1
    records = [json.loads(line) for line in (tmp_path / "x" / "metrics.jsonl").read_text().splitlines()]
    assert [r["steps"] for r in records if r["kind"] == "evaluation"] == [800, 1600]
    assert records[-1]["updates"] == 31
    first, second = weights(tmp_path / "x"), weights(tmp_path / "x" / "ranks" / "1")
    own = {name for name in first if name in ("generator", "acting")}
    for name in set(first) - own:
        assert torch.equal(first[name], second[name]), name
    assert all(not torch.equal(first[name], second[name]) for name in own)

    # One of the two had not written its last checkpoint when they were stopped.
    newest = sorted((tmp_path / "x" / "checkpoints").glob("step-*"))[-1]
    shutil.rmtree(newest)
    again = torchrun(tmp_path / "x", "--resume")
    assert again.returncode == 0, again.stderr[-2000:]
    resumed = weights(tmp_path / "x")
    for name, value in first.items():
        assert torch.equal(value, resumed[name]), name
    refused = torchrun(tmp_path / "x", "--resume", processes=1)
    assert refused.returncode != 0 and "of a run with other settings: collect.slots (there 2, here 4)" in refused.stderr


def test_what_cannot_be_shared_is_said() -> None:
    ranks = Ranks.__new__(Ranks)
    ranks.index, ranks.count = 1, 3
    assert ranks.share(24, "slots") == 8 and ranks.seed(5) != 5
    with pytest.raises(ValueError, match="sequences 40 cannot be shared by 3 processes: choose a multiple"):
        ranks.share(40, "sequences")
