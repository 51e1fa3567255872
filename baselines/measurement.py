"""What the programs here measure, and the files that they write."""

import argparse
import json
import math
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Raw return of a task's paid attempts, summed over a trial."""

    mean: float
    """Mean over trials."""
    interval: tuple[float, float]
    """95% interval of the mean, by the normal approximation."""
    trials: int
    """How many trials."""
    steps: int
    """Mean length of a trial, warm-up included."""


def summarise(returns: NDArray[np.float64], steps: float) -> Measurement:
    """The mean of some trials' returns, at least 2, with its interval; `steps` is their mean length."""
    mean, half = float(returns.mean()), 1.96 * float(returns.std(ddof=1)) / math.sqrt(len(returns))
    return Measurement(
        mean=round(mean, 5),
        interval=(round(mean - half, 5), round(mean + half, 5)),
        trials=len(returns),
        steps=round(steps),
    )


def circumstances(
    program: str, arguments: str, *, trials: int, seed: int, packages: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Everything needed to measure the same again.

    Args:
        program: the module's name.
        arguments: besides trials and seed.
        packages: whose versions matter beside gymnasium's and numpy's.
    """
    given = " ".join(filter(None, [arguments, f"--trials {trials} --seed {seed}"]))
    return {
        "command": f"python -m {program} {given}",
        "unit": "raw return of the paid attempts of a trial",
        "interval": "95% of the mean, normal approximation",
        "seed": seed,
        "trials": trials,
        "versions": {name: _version(name) for name in (*packages, "gymnasium", "numpy")},
    }


def to_file(word: str) -> Path:
    """A path that a command is to write to, before it measures for hours.

    Raises:
        ArgumentTypeError: it is a folder.
    """
    path = Path(word)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file to write to, found the folder {word}")
    return path


def write(path: Path, content: dict[str, Any]) -> None:
    """A file of JSON, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
