"""The import arrows of docs/architecture.md hold, and the command line loads nothing heavy."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("run", "baselines", "mtrl", "tasks", "conflict")
ARROWS = {
    "run": {"baselines", "mtrl", "tasks", "conflict"},
    "baselines": {"mtrl", "tasks", "conflict"},
    "mtrl": {"tasks", "conflict"},
    "tasks": set(),
    "conflict": set(),
}
NEVER = {"tasks": {"torch", "jax"}, "conflict": {"gymnasium", "gym", "popgym", "minigrid", "procgen"}}
HEAVY = ("torch", "gymnasium", "popgym", "minigrid", "matplotlib", "tensorboard", "scipy", "safetensors")


def imports_of(package: str) -> Iterator[tuple[Path, str]]:
    """Every import in a package, at the top of a file or inside a function: (file, first part of the module)."""
    files = [ROOT / f"{package}.py"] if package == "run" else sorted((ROOT / package).rglob("*.py"))
    assert files, package
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative imports hide the arrow"
                yield path, (node.module or "").split(".")[0]


@pytest.mark.parametrize("package", OURS)
def test_imports_follow_the_arrows(package: str) -> None:
    for path, module in imports_of(package):
        if module in OURS and module != package:
            assert module in ARROWS[package], f"{path} imports {module}: no such arrow"
        assert module not in NEVER.get(package, set()), f"{path} imports {module}"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["train", "--help"], 0),
        (["train", "popgym-quick", "--help"], 0),
        (["train", "popgym-quik"], 2),
        (["train", "popgym-quick", "--strategy", "pcgradd"], 2),
        (["train", "popgym-quick", "--no-such-flag"], 2),
        (["train", "popgym-quick", "--context", "-1"], 2),
        (["train", "popgym-quick", "--resume", "--out", "no-such-folder"], 2),
        (["evaluate", "no-such-folder"], 2),
        (["report", "no-such-folder"], 2),
        (["play", "--help"], 0),
        (["play", "no-such-folder", "--out", "film.gif"], 2),
        (["methods", "--json"], 0),
        (["bogus"], 2),
    ],
)
def test_help_and_mistakes_load_nothing_heavy(arguments: list[str], code: int) -> None:
    script = f"""
import sys
sys.argv = ["run.py", *{arguments!r}]
import run
try:
    found = run.main()
except SystemExit as stop:
    found = stop.code or 0
assert found == {code}, found
loaded = [name for name in {HEAVY!r} if name in sys.modules]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if code == 2:
        assert "Traceback" not in done.stderr


def test_a_folder_called_tasks_beside_a_script_does_not_hide_ours(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    script = tmp_path / "script.py"
    script.write_text("from tasks import load_reference, load_suite\nprint(load_reference('tmaze:10').best)")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"`make venv` installs so that this works:\n{done.stderr}"
    assert float(done.stdout) == 1.0
