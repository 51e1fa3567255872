"""Checks the shapes in the annotations of ``conflict`` while its tests run."""

from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

ROOT = Path(__file__).parents[2]
TORCH_FREE = {"__init__", "options", "registry"}  # these refuse wrong input by themselves

install_import_hook(
    [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "conflict").rglob("*.py"))
        if path.stem not in TORCH_FREE
    ],
    "beartype.beartype",
)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
