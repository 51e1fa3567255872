"""For all tests: shapes in annotations are checked, and torch keeps to two threads."""

from pathlib import Path

import jaxtyping
import pytest
import torch

ROOT = Path(__file__).parents[1]
SHAPED = ("conflict", "mtrl/agent", "mtrl/learning")
# These refuse wrong input by themselves, with messages that tests look at; heads are called by hooks.
UNCHECKED = {"__init__", "options", "registry", "config", "heads"}

jaxtyping.install_import_hook(
    [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in SHAPED
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.stem not in UNCHECKED
    ],
    "beartype.beartype",
)
torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # Whole training runs make thousands of updates, of which the checks would take two thirds of the time.
    whole_runs = ROOT / "tests/mtrl/training" in item.path.parents
    jaxtyping.config.update("jaxtyping_disable", whole_runs)
