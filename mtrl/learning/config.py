"""Settings of the objective. Imports no torch, so that the command line can list them at once."""

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from conflict.registry import VALUE_TARGETS, find

if TYPE_CHECKING:
    ValueTargetName = str
else:
    ValueTargetName = Literal[tuple(VALUE_TARGETS)]


@dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """The actor-critic objective of AMAGO-2 and its variants, or that of PPO."""

    actor: Literal["filtered", "policy-gradient", "ppo"] = "filtered"
    """filtered: imitate the replay's actions that beat the policy's value (CRR, see --filter). policy-gradient: ascend
    Q. ppo: no replay; learn from rollouts of the policy itself (clipped PPO), with critics of states and no random
    actions."""
    filter: Literal["binary", "exponential"] = "binary"
    """Filtered: what an action of the replay counts. binary: 1 if it beats the policy, else 0, as in AMAGO-2.
    exponential: exp(advantage / --filter-temperature), at most 20, with advantages as --advantages says (CRR's other
    filter, AWR): what is much better, and rare, counts more."""
    filter_temperature: float = 0.5
    """Of the exponential filter, in deviations of advantages (with raw ones in trained return); > 0."""
    filter_value: Literal["critic", "return"] = "critic"
    """Filtered: what an action is worth. critic: what the critics say of it. return: their target, so what followed it
    in the replay, as far as --return-lambda says."""
    critic: ValueTargetName = "two-hot"
    """What the critic learns: a scalar (regression), or a distribution over bins whose mean is the value."""
    critic_options: dict[str, float | str] = field(default_factory=dict)
    """Further options of the value target, e.g. `--critic-options sigma_ratio 0.5` for hl-gauss."""
    popart: bool = True
    """Where critics regress and no rescaling normalises returns, one PopArt over all tasks does, as in AMAGO-2. Off:
    they regress the bare returns. Critics that classify have none either way."""
    bins: int = 64
    """Bins of a critic that classifies; unused by regression."""
    value_reach: float = 1e5
    """The bins reach from minus to plus this trained return (in normalised units if the rescaling normalises returns);
    returns beyond are clamped. Unused by regression."""
    value_unit: float = 1.0
    """Where the bins turn from linear to logarithmic, in the same units; finer around 0 below 1. Unused by
    regression."""
    discounts: tuple[float, ...] = (0.1, 0.9, 0.95, 0.97, 0.99, 0.995, 0.999)
    """Discounts trained at once, each in [0, 1)."""
    acting_discount: float = 0.999
    """The one of the discounts whose policy acts."""
    critic_weight: float = 10.0
    """Weight (lambda) of the critic's loss in loss = actor + lambda * critic; > 0."""
    return_lambda: float = 0.0
    """Share (lambda) of the replayed return, step by step, in the critic's target (Peng's Q(lambda)), in [0, 1];
    0: one-step targets, as in AMAGO-2. Above, rewards reach earlier steps sooner. Not for c51."""
    target_rate: float = 0.003
    """Rate tau at which the target networks follow, per update; in (0, 1]."""
    target_ensemble: Literal["mean", "min-of-two"] = "min-of-two"
    """How the target critics' values are joined: their mean, or the smaller of two drawn at random in each update."""
    exact_actions: int = 16
    """Expectations over the policy's actions are exact up to this many actions, and sampled above."""
    target_samples: int = 1
    """Actions drawn per state for the critic's target where the expectation is sampled; at least 1."""
    filter_samples: int = 3
    """Actions drawn per state for the imitation filter's baseline where the expectation is sampled; at least 1."""
    entropy_weight: float = 0.0
    """Weight of an entropy bonus on the policy; 0 turns it off."""
    last_entropy_weight: float = 1.0
    """Share of the entropy bonus's weight that is left at the run's last step; it declines linearly. In [0, 1]."""
    ppo_clip: float = 0.2
    """PPO: how far the ratio of new and old probability of an action may go from 1 before it pays no more; > 0."""
    ppo_critic_weight: float = 0.5
    """PPO: weight of the critic's loss, in place of --critic-weight; > 0."""
    gae_lambda: float = 0.95
    """PPO: share (lambda) of the rollout's own return in advantages and targets (GAE), in [0, 1]."""
    advantages: Literal["batch", "task", "raw"] = "batch"
    """PPO and the exponential filter: advantages are brought to mean 0 and deviation 1 over the whole rollout or batch,
    for each task, or not at all."""

    def __post_init__(self) -> None:
        if not self.discounts or any(not 0 <= d < 1 for d in self.discounts):
            raise ValueError(f"discounts: expected numbers in [0, 1), found {self.discounts}")
        if len(set(self.discounts)) < len(self.discounts):
            raise ValueError(f"discounts: expected different numbers, found {self.discounts}")
        if self.acting_discount not in self.discounts:
            raise ValueError(f"acting_discount {self.acting_discount} is not among the discounts {self.discounts}")
        if self.critic_weight <= 0:
            raise ValueError(f"critic_weight: expected a number above 0, found {self.critic_weight}")
        if not 0 <= self.return_lambda <= 1:
            raise ValueError(f"return_lambda: expected a number in [0, 1], found {self.return_lambda}")
        if not 0 < self.target_rate <= 1:
            raise ValueError(f"target_rate: expected a number in (0, 1], found {self.target_rate}")
        if self.exact_actions < 0:
            raise ValueError(f"exact_actions: expected a whole number of at least 0, found {self.exact_actions}")
        for name in ("target_samples", "filter_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a whole number of at least 1, found {getattr(self, name)}")
        for name in ("ppo_clip", "ppo_critic_weight", "filter_temperature"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected a number above 0, found {getattr(self, name)}")
        if not 0 <= self.gae_lambda <= 1:
            raise ValueError(f"gae_lambda: expected a number in [0, 1], found {self.gae_lambda}")
        if self.on_policy and self.critic == "c51":
            raise ValueError("actor ppo learns returns: expected a critic with scalar targets, found c51")
        if self.entropy_weight < 0:
            raise ValueError(f"entropy_weight: expected a number of at least 0, found {self.entropy_weight}")
        if not 0 <= self.last_entropy_weight <= 1:
            raise ValueError(f"last_entropy_weight: expected a share in [0, 1], found {self.last_entropy_weight}")

    @property
    def on_policy(self) -> bool:
        """Whether only what the policy itself has just done is learnt from."""
        return self.actor == "ppo"

    def at(self, progress: float) -> "LearningConfig":
        """The settings when this share of the run is done."""
        if not self.entropy_weight or self.last_entropy_weight == 1:
            return self
        left = 1.0 - (1.0 - self.last_entropy_weight) * min(1.0, progress)
        return replace(self, entropy_weight=self.entropy_weight * left, last_entropy_weight=1.0)

    def target_options(self) -> dict[str, Any]:
        """All options of the value target: of the bins, those that it has, and the further ones."""
        support = {"bins": self.bins, "low": -self.value_reach, "high": self.value_reach, "unit": self.value_unit}
        known = {option.name for option in fields(find("value target", self.critic, VALUE_TARGETS).options)}
        return {**{name: value for name, value in support.items() if name in known}, **self.critic_options}
