"""The README's example runs as it stands there, and does what it says."""

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"


def test_the_example_on_a_plain_module_runs_and_learns() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 20
    names: dict[str, Any] = {}
    exec(code, names)
    losses = names["losses"]
    assert losses.shape == (3,)
    assert all(parameter.grad is not None for parameter in names["model"].parameters())
    first = (names["targets"].reshape(3, -1) ** 2).mean()
    assert losses.mean() < first


def test_the_commands_that_the_readme_names_exist() -> None:
    text = README.read_text()
    makefile = (README.parent / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", text, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for folder in re.findall(r"^\| `([\w/]+/)` \|", text, flags=re.MULTILINE):
        assert (README.parent / folder).is_dir(), folder
