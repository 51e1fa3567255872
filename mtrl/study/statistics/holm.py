"""Correction of p-values for many tests.

Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtrl.study.statistics.scores import checked_numbers


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values: with those at most `level` rejected, any false rejection has probability at most `level`.

    The k-th least of m is multiplied by m - k + 1, and is at least as large as those before it. Whatever the tests have
    to do with each other, the bound holds.

    Args:
        p_values: in any order; may be empty.
    Returns:
        In the same order, at most 1.
    Raises:
        ValueError: a value is not a number in [0, 1].
    """
    p = checked_numbers(p_values, "p-values")
    if ((p < 0.0) | (p > 1.0)).any():
        raise ValueError(f"p-values: expected numbers from 0 to 1, found {p.min()} to {p.max()}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return adjusted
