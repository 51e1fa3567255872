"""Every mixture of experts by its name in `ExpertsConfig.experts`; "none" has none.

To add one: write its file, its name in the config, and one line below; `tests/mtrl/agent/experts` runs over all.
"""

from collections.abc import Callable
from typing import TypeAlias

from mtrl.agent.experts.care import CARE
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.experts.dense import Dense
from mtrl.agent.experts.mixture import Mixture
from mtrl.agent.experts.moore import MOORE
from mtrl.agent.experts.paco import PaCo
from mtrl.agent.experts.soft_modularization import SoftModularization
from mtrl.agent.experts.top_k import TopK

MakeMixture: TypeAlias = Callable[[], Mixture]

MIXTURES: dict[str, Callable[[int, int, ExpertsConfig], Mixture]] = {
    "dense": Dense,
    "top-k": TopK,
    "soft-modularization": SoftModularization,
    "care": CARE,
    "paco": PaCo,
    "moore": MOORE,
}
"""Called with the width of the features, the number of training's tasks and the settings."""


def mixture_maker(width: int, num_tasks: int, config: ExpertsConfig) -> MakeMixture | None:
    """Makes mixtures as the settings say; None where there are none."""
    if config.experts == "none":
        return None
    kind = MIXTURES[config.experts]
    return lambda: kind(width, num_tasks, config)
