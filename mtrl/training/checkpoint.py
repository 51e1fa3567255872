"""Checkpoints that are whole or absent: tensors in safetensors, the rest in JSON and npz, nothing pickled.

    checkpoints/step-000000050000/   state.json (counters, random states, checksums), tensors.safetensors, arrays.npz
    checkpoints/replay/0000001234.npz   trials from number 1234 on; written once, shared by later checkpoints

A checkpoint is written into a folder of another name, flushed to disk, and renamed. So a process killed at any moment
leaves the previous one.
"""

import io
import json
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from mtrl.training.ranks import Ranks
from mtrl.training.replay import Replay
from mtrl.training.windows import Trial

_FORMAT = 1
_KEPT = 2


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or of another run or version."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Everything a run needs to go on, beside the replay."""

    state: dict[str, Any]
    """JSON-able."""
    tensors: dict[str, Tensor]
    arrays: dict[str, NDArray[Any]]


class Checkpoints:
    """The checkpoints of one run folder."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "checkpoints"
        self.segments: list[dict[str, int]] = []

    def newest(self, ranks: Ranks = Ranks()) -> Path | None:
        """The newest complete checkpoint, or None; of processes that train together, the newest that all have; None if
        one of them has none.

        Raises:
            CheckpointError: they have none in common.
        """
        found = sorted(self.folder.glob("step-*"))
        steps = ranks.lowest(int(found[-1].name.removeprefix("step-")) if found else -1)
        if steps < 0:
            return None
        path = self.folder / f"step-{steps:012d}"
        if path not in found:
            raise CheckpointError(f"{path} is missing: the processes of this run have no checkpoint in common")
        return path

    def save(self, steps: int, checkpoint: Checkpoint, replay: Replay) -> Path:
        """Write a checkpoint for `steps`; older ones than the last two go."""
        final = self.folder / f"step-{steps:012d}"
        partial = self.folder / f"partial-{steps:012d}"
        shutil.rmtree(partial, ignore_errors=True)
        (self.folder / "replay").mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        self._save_replay(replay)
        files = {
            "tensors.safetensors": safetensors.torch.save(
                {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
            ),
            "arrays.npz": _npz(checkpoint.arrays),
        }
        for name, content in files.items():
            _write(partial / name, content)
        state = {
            "format": _FORMAT,
            "steps": steps,
            "checksums": {name: zlib.crc32(content) for name, content in files.items()},
            "replay": {"segments": self.segments, "first": _first(replay), "added": replay.added},
            "run": checkpoint.state,
        }
        _write(partial / "state.json", json.dumps(state).encode())
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        _flush_folder(self.folder)
        self._forget()
        return final

    def load(self, path: Path, replay: Replay) -> Checkpoint:
        """Read a checkpoint and fill the replay.

        Raises:
            CheckpointError: a file is missing, half-written or not one of ours.
        """
        state = read_state(path)
        self.segments = list(state["replay"]["segments"])
        for segment in self.segments:
            name = f"replay/{segment['first']:010d}.npz"
            content = _read(self.folder / name, segment["checksum"])
            _unpack_trials(content, self.folder / name, replay, segment["first"], state["replay"]["first"])
        replay.added = state["replay"]["added"]
        arrays = _load_npz(_read(path / "arrays.npz", state["checksums"]["arrays.npz"]), path / "arrays.npz")
        return Checkpoint(state=state["run"], tensors=read_tensors(path, state), arrays=arrays)

    def _save_replay(self, replay: Replay) -> None:
        first = self.segments[-1]["end"] if self.segments else 0
        fresh = sorted((t for q in replay.trials for t in q if t[0] >= first), key=lambda t: t[0])
        if fresh:
            content = _pack_trials(fresh)
            _write(self.folder / "replay" / f"{fresh[0][0]:010d}.npz", content)
            self.segments.append({"first": fresh[0][0], "end": replay.added, "checksum": zlib.crc32(content)})
        self.segments = [s for s in self.segments if s["end"] > _first(replay)]

    def _forget(self) -> None:
        kept = sorted(self.folder.glob("step-*"))
        for old in kept[:-_KEPT]:
            shutil.rmtree(old)
        needed = {s["first"] for path in kept[-_KEPT:] for s in read_state(path)["replay"]["segments"]}
        for segment in (self.folder / "replay").glob("*.npz"):
            if int(segment.stem) not in needed:
                segment.unlink()


def read_state(path: Path) -> dict[str, Any]:
    """The `state.json` of a checkpoint.

    Raises:
        CheckpointError: it is missing, damaged or of another version.
    """
    try:
        state = json.loads((path / "state.json").read_text())
        found = state["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint of this toolkit, or a damaged one: state.json: {error}"
        ) from error
    if found != _FORMAT:
        raise CheckpointError(
            f"{path}: expected checkpoint format {_FORMAT}, found {found}: it was written by another version"
        )
    result: dict[str, Any] = state
    return result


def read_tensors(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by name.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    content = _read(path / "tensors.safetensors", state["checksums"]["tensors.safetensors"])
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path / 'tensors.safetensors'} is damaged: {error}") from error


def _first(replay: Replay) -> int:
    return min((q[0][0] for q in replay.trials if q), default=replay.added)


def _pack_trials(trials: list[tuple[int, Trial]]) -> bytes:
    """All arrays in one row of bytes, and a JSON table of what lies where: thousands of small files in a zip would be
    slow."""
    pieces: list[bytes] = []
    table = []
    for number, trial in trials:
        arrays = {**trial.observation, "action": trial.action, "reward": trial.reward}
        table.append(
            {
                "number": number,
                "task_id": trial.task_id,
                "terminated": trial.terminated,
                "arrays": {key: [value.dtype.str, list(value.shape)] for key, value in arrays.items()},
            }
        )
        pieces += [np.ascontiguousarray(value).tobytes() for value in arrays.values()]
    return _npz({"table": _as_bytes(json.dumps(table).encode()), "data": _as_bytes(b"".join(pieces))}, compress=True)


def _unpack_trials(content: bytes, path: Path, replay: Replay, first: int, alive_from: int) -> None:
    arrays = _load_npz(content, path)
    table = json.loads(arrays["table"].tobytes())
    data = arrays["data"]
    at = 0
    for entry in table:
        parts = {}
        for key, (dtype, shape) in entry["arrays"].items():
            size = np.dtype(dtype).itemsize * int(np.prod(shape))
            parts[key] = data[at : at + size].view(dtype).reshape(shape).copy()
            at += size
        if entry["number"] >= alive_from:
            action, reward = parts.pop("action"), parts.pop("reward")
            trial = Trial(
                task_id=entry["task_id"],
                observation=parts,
                action=action,
                reward=reward,
                terminated=entry["terminated"],
            )
            replay.trials[trial.task_id].append((entry["number"], trial))
            replay.steps += trial.length


def _as_bytes(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)


def _npz(arrays: Mapping[str, NDArray[Any]], *, compress: bool = False) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def _load_npz(content: bytes, path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def _read(path: Path, checksum: int) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} is missing or unreadable: the checkpoint is not whole ({error.strerror})"
        ) from error
    if zlib.crc32(content) != checksum:
        raise CheckpointError(
            f"{path} is damaged: its checksum is not the one in state.json; was it copied while being written?"
        )
    return content


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def _flush_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
