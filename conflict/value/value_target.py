"""What a value target is: what a value head outputs, its loss against a return, and how a value is read back."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ValueTarget(nn.Module, ABC):
    """Maps between returns and the ``num_outputs`` numbers that a value head puts out for each of them."""

    num_outputs: int
    """Size of the last axis of the head's output."""
    linear: ClassVar[bool] = False
    """Whether the output is the value itself, so that PopArt can preserve outputs by rewriting the last layer."""
    distributional: ClassVar[bool] = False
    """Whether the outputs stand for a distribution of returns that is learnt from the next state's, by ``project`` and
    ``loss_to``. One that is not learns from scalar targets alone; one that is can learn from either."""

    @abstractmethod
    def loss(self, outputs: Float[Tensor, "*lead output"], target: Float[Tensor, "..."]) -> Float[Tensor, "*lead"]:
        """Loss of each output against its target, unreduced.

        Args:
            outputs: the head's outputs, last axis of size ``num_outputs``.
            target: the returns; broadcast against the leading axes of ``outputs``. No gradient flows into it.
        """

    @abstractmethod
    def decode(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        """The value that the outputs stand for, in units of the target."""

    def probabilities(self, outputs: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead output"]:
        """The distribution that the outputs stand for."""
        raise NotImplementedError(f"{type(self).__name__} is not distributional")

    def mean(self, probabilities: Float[Tensor, "*lead output"]) -> Float[Tensor, "*lead"]:
        """The value of a distribution: its mean, in the space of the bins."""
        raise NotImplementedError(f"{type(self).__name__} is not distributional")

    def project(
        self,
        probabilities: Float[Tensor, "*lead output"],
        reward: Float[Tensor, "*lead"],
        discount: Float[Tensor, "*lead"],
    ) -> Float[Tensor, "*lead output"]:
        """The distribution of ``reward + discount * Z`` where Z has the given one. A discount of 0 ends the episode."""
        raise NotImplementedError(f"{type(self).__name__} is not distributional")

    def loss_to(
        self, outputs: Float[Tensor, "*lead output"], probabilities: Float[Tensor, "... output"]
    ) -> Float[Tensor, "*lead"]:
        """Loss against a target distribution, unreduced; it broadcasts against the outputs and gets no gradient."""
        raise NotImplementedError(f"{type(self).__name__} is not distributional")

    def prior(self) -> Float[Tensor, " output"]:
        """Outputs that stand for a value near 0, for the bias that a value head starts with."""
        return torch.zeros(self.num_outputs)
