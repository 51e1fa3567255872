"""Settings of the network are refused with the field, what was expected and what came."""

import subprocess
import sys
from typing import Any

import pytest

from mtrl.agent.config import AgentConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_channels", ()),
        ("image_channels", (16, 0)),
        ("image_blocks", -1),
        ("image_shift", -1),
        ("image_chunk", 0),
        ("grid_channels", 1),
        ("token_width", 0),
        ("head_width", 0),
    ],
)
def test_impossible_settings_are_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field) as error:
        AgentConfig(**{field: value})
    assert str(value) in str(error.value)


def test_none_of_the_settings_needs_torch() -> None:
    code = "import sys, mtrl.agent.config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
