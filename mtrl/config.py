"""The whole configuration of a run: one tree of small frozen dataclasses. Imports no torch."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from conflict.registry import RESCALINGS, STRATEGIES, VALUE_TARGETS, find, make_options
from mtrl.agent.config import AgentConfig
from mtrl.agent.experts.config import ExpertsConfig
from mtrl.agent.sharing import SharingConfig
from mtrl.learning.config import LearningConfig
from mtrl.training.config import CollectConfig, ConflictConfig, LoopConfig, SuiteConfig, UpdateConfig


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that a run depends on."""

    suite: str
    """Name of the suite, or one task, e.g. popgym:RepeatFirstEasy."""
    play: SuiteConfig = field(default_factory=SuiteConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    sharing: SharingConfig = field(default_factory=SharingConfig)
    experts: ExpertsConfig = field(default_factory=ExpertsConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)
    conflict: ConflictConfig = field(default_factory=ConflictConfig)
    collect: CollectConfig = field(default_factory=CollectConfig)
    update: UpdateConfig = field(default_factory=UpdateConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        if not self.learning.on_policy and self.loop.steps <= self.collect.start_steps:
            raise ValueError(
                f"steps {self.loop.steps} must exceed start_steps {self.collect.start_steps}, "
                "after which the first update comes; lower start_steps for a short run"
            )
        if self.update.frozen and not self.loop.pretrained:
            raise ValueError(f"frozen {', '.join(self.update.frozen)}: expected --pretrained RUN beside it, found none")
        chosen = (
            ("strategy", STRATEGIES, self.conflict.strategy, self.conflict.strategy_options),
            ("rescaling", RESCALINGS, self.conflict.rescaling, self.conflict.rescaling_options),
            ("value target", VALUE_TARGETS, self.learning.critic, self.learning.target_options()),
        )
        for kind, entries, name, options in chosen:
            make_options(name, find(kind, name, entries), options)


def to_json(config: RunConfig) -> str:
    """The resolved configuration as indented JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(text: str) -> RunConfig:
    """The inverse of `to_json`.

    Raises:
        ValueError: the text is no JSON object, or has a setting that this version does not know.
    """
    tree = json.loads(text)
    if not isinstance(tree, dict):
        raise ValueError(f"expected a JSON object with a run's settings, found {type(tree).__name__}")
    result: RunConfig = _build(RunConfig, tree, "")
    return result


def _build(kind: Any, tree: dict[str, Any], path: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(tree) - set(fields))
    if unknown:
        raise ValueError(f"unknown settings {[path + name for name in unknown]}: was the run made by another version?")
    values = {}
    for name, value in tree.items():
        if dataclasses.is_dataclass(fields[name].type):
            value = _build(fields[name].type, value, f"{path}{name}.")
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return kind(**values)
