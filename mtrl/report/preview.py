"""A suite at a glance: a picture of every task's first steps, and the random policy's return on it."""

import json
import os
from pathlib import Path
from typing import Any

from mtrl.report.contact_sheet import STRIP_STEPS, draw_sheet
from tasks.compose.watch import Sight, watch
from tasks.suite import Suite


def write_preview(suite: Suite, folder: Path, *, trials: int, seed: int) -> tuple[Path, Path]:
    """Write preview.png and scores.json.

    Args:
        folder: made if it is not there.
        trials: of the random policy per task, at least 1.
    Returns:
        The two files.
    Raises:
        SimulatorError: a simulator failed, named.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame draws into memory; it need not look for a screen
    suite.observation_space  # noqa: B018  # a suite that cannot be played is refused before anything is drawn
    sights = [watch(suite, task, trials=trials, seed=seed, steps=STRIP_STEPS) for task in suite.all_tasks]
    folder.mkdir(parents=True, exist_ok=True)
    picture, scores = folder / "preview.png", folder / "scores.json"
    held_out = {task.name for task in suite.held_out}
    draw_sheet(suite.name, suite.description, sights, held_out).save(picture, optimize=True)
    found = {
        "suite": suite.name,
        "policy": "uniform over each task's own actions",
        "unit": "raw return of the paid attempts of a trial",
        "trials": trials,
        "seed": seed,
        "tasks": {sight.task.name: _record(sight, sight.task.name in held_out) for sight in sights},
    }
    scores.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return picture, scores


def _record(sight: Sight, held_out: bool) -> dict[str, Any]:
    return {
        "id": sight.task.id,
        "split": "test" if held_out else "train",
        "return": round(sight.mean, 5),
        "interval": [round(end, 5) for end in sight.interval] if sight.interval else None,
        "steps": round(sight.steps / len(sight.returns), 1),
    }
