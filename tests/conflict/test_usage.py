"""The example that the README quotes runs, and every name of the package is there."""

import textwrap

import pytest
import torch

import conflict


def test_the_example_in_the_docstring_runs_and_learns() -> None:
    block = (conflict.__doc__ or "").split("::\n\n")[1].split("\n\nImporting")[0]
    space: dict[str, object] = {}
    exec(textwrap.dedent(block), space)
    targets, losses = space["targets"], space["losses"]
    assert isinstance(targets, torch.Tensor)
    assert isinstance(losses, torch.Tensor)
    assert losses.mean() < 0.95 * targets.square().mean()


def test_every_name_offered_by_the_package_is_there() -> None:
    assert all(getattr(conflict, name) is not None for name in conflict.__all__)
    assert dir(conflict) == sorted(conflict.__all__)
    with pytest.raises(AttributeError, match="no attribute 'PCGard'"):
        conflict.PCGard  # noqa: B018
