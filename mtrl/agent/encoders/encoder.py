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
        """Features of observations [row, ...] in the dtype of their space."""


@contextmanager
def rows_of(sizes: Sizes) -> Iterator[None]:
    """Inside, modules are called with this many rows of each task, if it is known."""
    if sizes is None:
        yield
    else:
        with task_rows(sizes):
            yield


def pieces(sizes: Sequence[int], length: int) -> list[list[int]]:
    """How many rows of each task are in every piece of at most `length` rows: [piece][task]."""
    found, start = [], 0
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    while start < ends[-1]:
        end = min(start + length, ends[-1])
        found.append([max(0, min(end, e) - max(start, e - s)) for s, e in zip(sizes, ends, strict=True)])
        start = end
    return found
