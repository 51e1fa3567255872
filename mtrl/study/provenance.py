"""Of which code and which configuration a result is, and whether the results of a study belong together. Imports no
torch."""

import dataclasses
import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mtrl.config import RunConfig, to_json
from mtrl.presets import preset
from mtrl.study.study import Cell, Study, shortened

_ROOT = Path(__file__).parents[2]
_CODE = ("conflict", "tasks", "mtrl", "baselines")
_SHOWN = 12
"""Characters of a hash that are kept."""


def provenance(study: Study, cell: Cell) -> dict[str, str]:
    """What a cell's result says of its origin.

    Returns:
        "commit" of the code, empty where that is not in a git repository, or git is missing; "configuration", a hash of
        the cell's own; "common", a hash of what all cells of the study share, whatever the study is called or adds.
    """
    return {
        "commit": commit(),
        "configuration": _hash(*map(_told, study.runs(cell).values())),
        "common": common(study),
    }


def common(study: Study) -> str:
    """A hash of the suite's presets, shortened to the study's steps, and of the settings of all cells."""
    presets = [preset(study.suite, actor) for actor in (None, "policy-gradient", "ppo")]
    settings = json.dumps(dict(study.settings), sort_keys=True, default=str)
    told = [_told(shortened(config, study.steps)) for config in presets]
    return _hash(*told, settings, str(study.evaluate_trials))


@cache
def commit() -> str:
    """The commit of this code, with a hash of what was changed since; empty where neither is known."""
    if _git("ls-files", "--error-unmatch", "--", str(Path(__file__))) is None:
        return ""  # installed somewhere inside of another repository
    head, changed = _git("rev-parse", "HEAD"), _git("diff", "HEAD", "--", *_CODE)
    if not head:
        return ""
    return head.strip()[:_SHOWN] + (f" with changes {_hash(changed)}" if changed else "")


def differences(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """In what the results of a study are not of one make, a sentence each; failed ones and those that say nothing of it
    do not count."""
    done = [result for result in results if result.get("status") == "done"]
    told = [result["provenance"] for result in done if result.get("provenance")]
    said = []
    commits = Counter(entry.get("commit") or "unknown" for entry in told)
    if len(commits) > 1:
        said.append(f"Cells are of different code: {_counted(commits)}.")
    commons = Counter(str(entry.get("common")) for entry in told)
    if len(commons) > 1:
        said.append(
            "Cells do not have the same configuration apart from what the study varies, for the preset or the settings "
            f"of all cells have changed: {_counted(commons)} (hashes)."
        )
    versions: dict[str, Counter[str]] = {}
    for result in done:
        for name, version in (result.get("versions") or {}).items():
            versions.setdefault(name, Counter())[version] += 1
    said += [
        f"Cells ran with different versions of {name}: {_counted(found)}."
        for name, found in versions.items()
        if len(found) > 1
    ]
    if told and len(told) < len(done):
        said.append(f"{len(done) - len(told)} of {len(done)} cells do not say of which code they are.")
    return said


def foreign(study: Study, results: Iterable[Mapping[str, Any]]) -> list[str]:
    """In what the results so far are not of the make that further ones would be, a sentence each."""
    told = [result["provenance"] for result in results if result.get("provenance")]
    commits = list(dict.fromkeys(entry["commit"] for entry in told if entry.get("commit")))
    said = []
    if commits and commit() and commit() not in commits:
        said.append(f"This code is of commit {commit()}, the study's cells so far are of {', '.join(commits)}.")
    if told and common(study) not in {entry.get("common") for entry in told}:
        said.append("The preset or the settings of all cells have changed since the study's cells so far ran.")
    return said


def _counted(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count} {'cell' if count == 1 else 'cells'})" for name, count in found.items())


def _told(config: RunConfig) -> str:
    """The configuration without what says only where and how often something is written or looked at."""
    return to_json(dataclasses.replace(config, loop=dataclasses.replace(config.loop, log_every=1, checkpoint_every=0)))


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:_SHOWN]


def _git(*words: str) -> str | None:
    """What git says here; None: it is missing, or refuses."""
    try:
        found = subprocess.run(
            ["git", *words], cwd=_ROOT, capture_output=True, text=True, errors="replace", timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout
