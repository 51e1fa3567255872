"""What every sequence model offers: all time steps at once for learning, one at a time for acting."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn

from mtrl.agent.experts.routes import Mix

State = dict[str, Tensor]


class Memory(nn.Module, ABC):
    """A causal map from features to features. A trial's first step has time 0, and there the memory is empty.

    The clock of the trial is the only thing that empties it: there is no reset to forget, and actors may stand at
    different times.
    """

    @abstractmethod
    def forward(
        self, features: Float[Tensor, "batch time width"], time: Int[Tensor, "batch time"], mix: Mix | None = None
    ) -> Float[Tensor, "batch time width"]:
        """All steps of a sequence. `time` counts from the start of the trial, and the sequence may begin in its
        middle. `mix` runs mixtures of experts, where the memory has any."""

    @abstractmethod
    def initial_state(self, num_actors: int) -> State:
        """Memory of actors that have seen nothing. The first axis of every tensor is the actor."""

    @abstractmethod
    def step(
        self,
        features: Float[Tensor, "actor width"],
        time: Int[Tensor, " actor"],
        state: State,
        mix: Mix | None = None,
    ) -> Float[Tensor, "actor width"]:
        """One step of every actor, each at its own time. Changes `state` in place. Not for use under autograd."""
