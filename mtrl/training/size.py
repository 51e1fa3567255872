"""How large a network is, part by part, and which plain one is as large: for comparisons at equal parameters."""

from dataclasses import replace
from math import lcm

from mtrl.agent.config import WITH_HEADS
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.config import RunConfig
from mtrl.training.build import build_agent, build_rescaling, build_suite
from tasks.suite import Suite

_WIDEST = 8192


def parameter_counts(config: RunConfig, suite: Suite | None = None) -> dict[str, int]:
    """Trained parameters by part of the network.

    Raises:
        ValueError: settings that do not fit the suite.
    """
    suite = suite or build_suite(config)
    agent = build_agent(config, suite, build_rescaling(config, suite))
    found: dict[str, int] = {}
    for name, parameter in agent.trained_parameters().items():
        part = name.partition(".")[0]
        found[part] = found.get(part, 0) + parameter.numel()
    return found


def plain_width(config: RunConfig) -> tuple[int, int]:
    """The width (of the backbone) at which a network that tasks share in all is nearest in size to a configuration's
    own, everything else being the same.

    Returns:
        The width, and that network's trained parameters.
    """
    suite = build_suite(config)
    wanted = sum(parameter_counts(config, suite).values())
    step = lcm(2, config.agent.attention_heads if config.agent.memory in WITH_HEADS else 1)

    def size(steps: int) -> int:
        agent = replace(config.agent, width=step * steps)
        plain = replace(config, agent=agent, sharing=SharingConfig(), experts=ExpertsConfig())
        return sum(parameter_counts(plain, suite).values())

    low, high = 1, 2
    while size(high) < wanted and step * high < _WIDEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < wanted else (low, middle)
    best = min((low, high), key=lambda steps: abs(size(steps) - wanted))
    return step * best, size(best)
