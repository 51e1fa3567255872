"""What every encoder of an observation key offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from conflict.engine.rows import task_rows

Sizes = Sequence[int] | None
"""How many rows each task of a batch has, one task after the other; None where nobody asks for task gradients."""


class Encoder(nn.Module, ABC):
    """A map from one key's observations to features. Rows are encoded independently of each other."""

    costly: ClassVar[bool] = True
    """Whether rows that nobody reads (padding) are worth being left out."""
    shifts: ClassVar[bool] = False
    """Whether training shows it shifted images."""

    @abstractmethod
    def forward(self, observation: Tensor, sizes: Sizes = None) -> Float[Tensor, "row width"]:
        """Features of observations [row, ...] in the dtype of their space, called inside of `rows_of(sizes)`."""


@contextmanager
def rows_of(sizes: Sizes) -> Iterator[None]:
    """Inside, modules are called with this many rows of each task, if it is known."""
    if sizes is None:
        yield
    else:
        with task_rows(sizes):
            yield
