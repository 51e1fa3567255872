"""A run that is stopped, or killed, and resumed is the same run, bit for bit; damaged checkpoints are named."""

import json
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.config import RunConfig, to_json
from mtrl.training.build import build_agent, build_rescaling
from mtrl.training.checkpoint import CheckpointError, Checkpoints, read_state
from mtrl.training.evaluate import evaluate_run
from mtrl.training.loop import train
from mtrl.training.snapshot import check_same_run
from mtrl.training.update import DivergenceError
from tasks.registry import load_suite
from tests.mtrl.builders import small_run

ROOT = Path(__file__).parents[3]


def test_initial_weights_do_not_depend_on_the_number_of_threads() -> None:
    suite, threads, found = load_suite("babyai:GoToObj"), torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            config = small_run(suite.name)
            agent = build_agent(config, suite, build_rescaling(config, suite))
            assert torch.get_num_threads() == count
            found.append({name: p.detach().numpy().tobytes() for name, p in agent.named_parameters()})
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def records(config: RunConfig, out: Path, *, resume: bool = False, most: int | None = None) -> list[dict[str, Any]]:
    """Records of a run; with `most` it is abandoned after so many. What differs from run to run is left out."""
    found = []
    for record in train(config, out, resume=resume):
        found.append({key: value for key, value in record.items() if key not in ("seconds", "versions")})
        if len(found) == most:
            break
    return found


def fingerprint(out: Path) -> dict[str, Any]:
    """Everything in the newest checkpoint but the time it took."""
    newest = Checkpoints(out).newest()
    assert newest is not None
    state = read_state(newest)
    state["run"].pop("seconds")
    state.pop("checksums")
    segments = state["replay"].pop("segments")
    tensors = {key: value.tobytes() for key, value in load_file(newest / "tensors.safetensors").items()}
    with np.load(newest / "arrays.npz") as archive:
        arrays = {key: archive[key].tobytes() for key in archive.files}
    return {
        "name": newest.name,
        "state": state,
        "last": segments and segments[-1]["end"],
        "tensors": tensors,
        "arrays": arrays,
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, Any], Path]:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return records(small_run(), out), fingerprint(out), out


def test_the_same_seed_gives_the_same_run_and_another_seed_another(whole: Any, tmp_path: Path) -> None:
    assert records(small_run(), tmp_path / "again") == whole[0]
    assert fingerprint(tmp_path / "again") == whole[1]
    assert records(small_run(seed=1), tmp_path / "other")[1:] != whole[0][1:]


def test_records_are_of_the_kinds_that_readers_know(whole: Any) -> None:
    kinds = [record["kind"] for record in whole[0]]
    assert kinds[0] == "start" and kinds[-1] == "end"
    assert set(kinds) == {"start", "update", "collect", "conflict", "evaluation", "end"}
    json.dumps(whole[0])


@pytest.mark.parametrize("most", [1, 9, 23])
def test_a_run_abandoned_at_any_record_and_resumed_is_the_same_run(most: int, whole: Any, tmp_path: Path) -> None:
    before = records(small_run(), tmp_path / "run", most=most)
    after = records(small_run(), tmp_path / "run", resume=True)
    assert after[0]["kind"] == "resume"
    assert before[: after[0]["records"]] + after[1:] == whole[0]
    assert fingerprint(tmp_path / "run") == whole[1]


@pytest.mark.parametrize(
    ("strategy", "rescaling", "memory"), [("pcgrad", "popart", "gru"), ("mean", "gradnorm", "transformer")]
)
def test_strategies_and_rescalings_are_resumed_with_their_state(
    strategy: Any, rescaling: Any, memory: Any, tmp_path: Path
) -> None:
    config = small_run(steps=1_000, evaluate_every=0)
    config = replace(
        config,
        conflict=replace(config.conflict, strategy=strategy, rescaling=rescaling),
        agent=replace(config.agent, memory=memory),
        learning=replace(config.learning, critic="regression"),
        play=replace(config.play, invalid_actions="random", warmup_attempts=1),
    )
    expected = records(config, tmp_path / "whole")
    before = records(config, tmp_path / "parts", most=len(expected) - 4)
    after = records(config, tmp_path / "parts", resume=True)
    assert before[: after[0]["records"]] + after[1:] == expected
    assert fingerprint(tmp_path / "parts") == fingerprint(tmp_path / "whole")


@pytest.mark.parametrize("memory", ["gru", "transformer", "linear-attention"])
def test_ppo_goes_on_to_the_same_bits(memory: Any, tmp_path: Path) -> None:
    config = small_run(steps=1_200, evaluate_every=400)
    config = replace(
        config,
        agent=replace(config.agent, memory=memory),
        learning=replace(config.learning, actor="ppo", critic="regression"),
        collect=replace(config.collect, rollout_length=25),
        update=replace(config.update, epochs=2, minibatches=2),
    )
    expected = records(config, tmp_path / "whole")
    before = records(config, tmp_path / "parts", most=len(expected) - 4)
    after = records(config, tmp_path / "parts", resume=True)
    assert 0 < after[0]["records"] < len(expected) and {"update", "evaluation"} <= {r["kind"] for r in after}
    assert before[: after[0]["records"]] + after[1:] == expected
    assert fingerprint(tmp_path / "parts") == fingerprint(tmp_path / "whole")


SCRIPT = """
import sys
from pathlib import Path
from mtrl.training.loop import train
from tests.mtrl.builders import small_run
out = Path(sys.argv[1])
for record in train(small_run(), out, resume=(out / "config.json").exists()):
    print(record["kind"], flush=True)
"""


def test_a_process_killed_at_random_moments_and_resumed_yields_the_same_bits(whole: Any, tmp_path: Path) -> None:
    rng = random.Random(7)
    out = tmp_path / "run"
    killed = 0
    for _ in range(30):
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(out)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            if killed < 3:
                for _ in range(rng.randint(4, 16)):
                    process.stdout.readline()
                try:
                    process.wait(timeout=rng.random() * 0.1)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                    continue
            process.communicate()
            assert process.returncode == 0
            break
    assert killed == 3
    assert fingerprint(out) == whole[1]


def test_a_finished_run_can_be_made_longer(whole: Any, tmp_path: Path) -> None:
    shutil.copytree(whole[2], tmp_path / "run")
    longer = records(small_run(steps=2_000), tmp_path / "run", resume=True)
    assert longer[-1]["kind"] == "end" and longer[-1]["steps"] == 2_000


def test_a_finished_run_has_nothing_left_to_do(whole: Any, tmp_path: Path) -> None:
    shutil.copytree(whole[2], tmp_path / "run")
    assert [r["kind"] for r in records(small_run(), tmp_path / "run", resume=True)] == ["resume", "end"]


def test_other_settings_do_not_resume_a_run(whole: Any, tmp_path: Path) -> None:
    shutil.copytree(whole[2], tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"other settings: loop.seed \(there 0, here 3\)"):
        records(small_run(seed=3), tmp_path / "run", resume=True)


def test_a_run_is_not_begun_anew_where_there_is_one(whole: Any) -> None:
    with pytest.raises(CheckpointError, match="holds a run already"):
        records(small_run(), whole[2])


def newest(out: Path) -> Path:
    found = Checkpoints(out).newest()
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["tensors.safetensors", "arrays.npz", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "foreign"])
def test_a_damaged_checkpoint_is_named(name: str, damage: str, whole: Any, tmp_path: Path) -> None:
    shutil.copytree(whole[2], tmp_path / "run")
    path = newest(tmp_path / "run") / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "foreign":
        path.write_bytes(b'{"epoch": 3}')
    with pytest.raises(CheckpointError, match=name):
        records(small_run(), tmp_path / "run", resume=True)


def test_a_damaged_replay_is_named(whole: Any, tmp_path: Path) -> None:
    shutil.copytree(whole[2], tmp_path / "run")
    segment = max((tmp_path / "run" / "checkpoints" / "replay").iterdir())
    segment.write_bytes(segment.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=segment.name):
        records(small_run(), tmp_path / "run", resume=True)


def test_old_checkpoints_and_unneeded_trials_are_deleted(whole: Any) -> None:
    folder = whole[2] / "checkpoints"
    assert len(list(folder.glob("step-*"))) == 2
    assert not list(folder.glob("partial-*"))
    kept = {segment["first"] for path in folder.glob("step-*") for segment in read_state(path)["replay"]["segments"]}
    assert {int(path.stem) for path in (folder / "replay").iterdir()} == kept
    assert 0 not in kept


def test_a_loss_that_is_not_a_number_stops_the_run_names_the_task_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    config = small_run(evaluate_every=0)
    spoilt = replace(config, play=replace(config.play, reward_scales={"HigherLowerEasy": 1e30}))
    spoilt = replace(spoilt, learning=replace(spoilt.learning, critic="regression", critic_options={}))
    with pytest.raises(DivergenceError, match="HigherLowerEasy"):
        records(spoilt, tmp_path / "run")
    assert 400 <= evaluate_run(tmp_path / "run", trials=1)["steps"] < 1_600


def test_evaluation_of_a_saved_run_is_repeatable_and_on_held_out_seeds(whole: Any) -> None:
    first, again = (evaluate_run(whole[2], trials=3, seed=5) for _ in range(2))
    assert first == again
    assert set(first["tasks"]) == set(whole[0][0]["tasks"])
    assert all(entry["trials"] == 3 and len(entry["interval"]) == 2 for entry in first["tasks"].values())


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run folder"):
        evaluate_run(tmp_path, trials=1)


def test_a_run_with_heads_and_experts_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    config = small_run()
    config = replace(
        config,
        sharing=SharingConfig(heads="task", conditioning="film"),
        experts=ExpertsConfig(experts="top-k", num_experts=3, expert_width=8, router_noise=0.1, experts_in="both"),
        conflict=replace(config.conflict, strategy="pcgrad", rescaling="popart"),
    )
    whole = records(config, tmp_path / "whole")
    records(config, tmp_path / "parts", most=len(whole) // 2)
    records(config, tmp_path / "parts", resume=True)
    assert fingerprint(tmp_path / "whole") == fingerprint(tmp_path / "parts")
    assert "experts" in next(record for record in whole if record["kind"] == "update")
    assert "heads" in next(record for record in whole if record["kind"] == "evaluation")


def test_settings_that_a_run_is_older_than_stand_at_their_defaults() -> None:
    config = small_run()
    saved = json.loads(to_json(config))
    del saved["sharing"], saved["update"]["frozen"]
    check_same_run(saved, config, Path("x"))
    with pytest.raises(CheckpointError, match=r"sharing.heads \(there 'shared', here 'task'\)"):
        check_same_run(saved, replace(config, sharing=SharingConfig(heads="task")), Path("x"))
