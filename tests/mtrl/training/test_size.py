"""How large a network is, and which plain one is as large."""

from dataclasses import replace

import pytest

from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.training.size import parameter_counts, plain_width
from tests.mtrl.builders import small_run


@pytest.mark.parametrize("memory", ["gru", "transformer", "linear-attention"])
def test_a_plain_network_is_found_that_is_as_large(memory: str) -> None:
    config = small_run()
    config = replace(config, agent=replace(config.agent, memory=memory))  # type: ignore[arg-type]
    large = replace(config, experts=ExpertsConfig(experts="dense"), sharing=SharingConfig(heads="task"))
    wanted = sum(parameter_counts(large).values())
    width, count = plain_width(large)
    assert width > config.agent.width and width % 2 == 0
    assert abs(count - wanted) < 0.1 * wanted
    plain = replace(config, agent=replace(config.agent, width=width))
    assert sum(parameter_counts(plain).values()) == count
    for other in (width - 4, width + 4):
        agent = replace(config.agent, width=other)
        assert abs(sum(parameter_counts(replace(config, agent=agent)).values()) - wanted) >= abs(count - wanted)


def test_a_plain_network_is_as_large_as_itself() -> None:
    config = small_run()
    assert plain_width(config) == (config.agent.width, sum(parameter_counts(config).values()))


def test_parts_are_counted_apart() -> None:
    plain = parameter_counts(small_run())
    found = parameter_counts(replace(small_run(), experts=ExpertsConfig(experts="paco")))
    assert found.keys() - plain.keys() == {"experts"}
    assert {name: n for name, n in found.items() if name != "experts"} == plain
