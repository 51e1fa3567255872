"""Registries list without loading torch, and refuse what they do not know."""

import importlib
import inspect
import subprocess
import sys
from dataclasses import fields

import pytest

from conflict.registry import (
    RESCALINGS,
    STRATEGIES,
    VALUE_TARGETS,
    Entry,
    make_rescaling,
    make_strategy,
    make_value_target,
)

EVERY_ENTRY = [*STRATEGIES.items(), *RESCALINGS.items(), *VALUE_TARGETS.items()]


def test_listing_names_and_options_loads_no_torch() -> None:
    code = (
        "import sys, conflict, conflict.registry, conflict.strategies.options, conflict.rescaling.options, "
        "conflict.value.options; sys.exit(bool({'torch', 'jaxtyping', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("name", "entry"), EVERY_ENTRY)
def test_every_option_has_a_default_and_a_docstring(name: str, entry: Entry) -> None:
    options = entry.options()
    text = inspect.getsource(importlib.import_module(type(options).__module__))
    for field in fields(options):
        declaration = text.index(f"    {field.name}: ")
        assert text[declaration:].split("\n")[1].lstrip().startswith('"""'), field.name


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_can_be_made(name: str) -> None:
    assert make_strategy(name, 3).num_tasks == 3


@pytest.mark.parametrize("name", RESCALINGS)
def test_every_rescaling_can_be_made(name: str) -> None:
    assert make_rescaling(name, num_tasks=3, value_shape=(2,)).num_groups in (1, 3)


@pytest.mark.parametrize("name", VALUE_TARGETS)
def test_every_value_target_can_be_made(name: str) -> None:
    assert make_value_target(name).num_outputs >= 1


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(ValueError, match="unknown strategy 'pcgard'; did you mean 'pcgrad'"):
        make_strategy("pcgard", 2)
    with pytest.raises(ValueError, match="unknown rescaling 'x'; Known: none"):
        make_rescaling("x", num_tasks=2)


def test_an_unknown_option_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="two-hot has no option 'bin'; valid options: bins, low, high, spacing"):
        make_value_target("two-hot", {"bin": 3})
    with pytest.raises(ValueError, match="mean has no option 'c'; valid options: norm_match"):
        make_strategy("mean", 2, {"c": 1})
    with pytest.raises(ValueError, match="none has no option 'c'; it has none"):
        make_rescaling("none", num_tasks=2, options={"c": 1})


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda o: make_value_target("two-hot", o), {"bins": 1}, "bins must be at least 2"),
        (lambda o: make_value_target("two-hot", o), {"low": 1.0, "high": 1.0}, "low < high"),
        (lambda o: make_value_target("two-hot", o), {"spacing": "log"}, "spacing"),
        (lambda o: make_value_target("hl-gauss", o), {"sigma_ratio": 0.0}, "sigma_ratio"),
        (lambda o: make_value_target("hl-gauss", o), {"bins": 8}, "at least 10"),
        (lambda o: make_value_target("regression", o), {"loss": "l1"}, "'mse' or 'huber'"),
        (lambda o: make_value_target("regression", o), {"delta": 0.0}, "delta"),
        (lambda o: make_strategy("mean", 2, o), {"norm_match": "maybe"}, "norm_match is true or false"),
        (lambda o: make_strategy("mean", 2, o), {"norm_match": 2.0}, "norm_match is true or false"),
        (lambda o: make_strategy("fixed", 2, o), {"weights": "1;2"}, 'as in "1,2,0.5"'),
        (lambda o: make_strategy("fixed", 2, o), {"weights": [1, None]}, 'as in "1,2,0.5"'),
        (lambda o: make_strategy("fixed", 2, o), {"weights": "1,-2"}, ">= 0"),
        (lambda o: make_strategy("fixed", 2, o), {"weights": "nan,2"}, "finite"),
        (lambda o: make_strategy("fixed", 2, o), {"weights": (0, 0)}, "not all be 0"),
        (lambda o: make_strategy("fixed", 2, o), {"weights": "1,2,3"}, "there are 2 tasks, .* 3 numbers"),
        (lambda o: make_strategy("gradvac", 2, o), {"step_size": 0.0}, "step_size"),
        (lambda o: make_strategy("cagrad", 2, o), {"c": -0.1}, "c must be"),
        (lambda o: make_strategy("sdmgrad", 2, o), {"pull": float("nan")}, "pull"),
        (lambda o: make_strategy("nash-mtl", 2, o), {"update_every": 0}, "update_every"),
        (lambda o: make_strategy("nash-mtl", 2, o), {"update_every": 1.5}, "whole number"),
        (lambda o: make_strategy("fairgrad", 2, o), {"alpha": 0.0}, "alpha"),
        (lambda o: make_strategy("aligned-mtl", 2, o), {"scale": "max"}, "'min', 'median' or 'rmse'"),
        (lambda o: make_strategy("graddrop", 2, o), {"leak": 1.5}, "leak"),
        (lambda o: make_rescaling("gradnorm", num_tasks=2, options=o), {"alpha": -1.0}, "alpha"),
        (lambda o: make_rescaling("gradnorm", num_tasks=2, options=o), {"learning_rate": 0.0}, "learning_rate"),
        (lambda o: make_rescaling("gradnorm", num_tasks=2, options=o), {"minimum": 1.0}, "minimum"),
        (lambda o: make_rescaling("popart", num_tasks=2, options=o), {"step_size": 2.0}, "step_size"),
        (lambda o: make_rescaling("popart", num_tasks=2, options=o), {"minimum": 0.0}, "minimum"),
    ],
)
def test_nonsense_is_refused(make: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(options)  # type: ignore[operator]


@pytest.mark.parametrize("given", [True, 1, 1.0, "1", "true", "True", "yes", "on"])
def test_switches_may_come_as_numbers_or_words(given: object) -> None:
    assert make_strategy("mgda", 2, {"norm_match": given}).norm_match is True
    assert make_strategy("mgda", 2, {"norm_match": "off"}).norm_match is False
    assert make_strategy("mgda", 2, {"norm_match": 0.0}).norm_match is False


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_needs_a_task(name: str) -> None:
    with pytest.raises(ValueError, match="num_tasks >= 1"):
        make_strategy(name, 0)
