"""What is drawn for a trial."""

import numpy as np
import pytest

from tasks.draw import _integers
from tasks.task import SEEDS

SPANS = (SEEDS, (0, 2**31), (2**31, 2**32), (5, 8))


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_the_fast_way_draws_what_numpy_draws_and_leaves_the_generator_where_numpy_does(count: int) -> None:
    ours, numpys = np.random.default_rng(3), np.random.default_rng(3)
    for turn in range(400):
        low, high = SPANS[turn * 7 % len(SPANS)] if turn % 3 else SPANS[0]  # words and half words mixed
        assert _integers(ours, low, high, count) == numpys.integers(low, high, size=count).tolist()
    assert ours.bit_generator.state == numpys.bit_generator.state


def test_the_fast_way_refuses_the_words_that_numpy_refuses() -> None:
    class Words:
        def __init__(self, *words: int) -> None:
            self.words = list(words)

        def random_raw(self) -> int:
            return self.words.pop(0)

    class Source:
        bit_generator = Words(0, 2**64 - 1, 7)

    assert _integers(Source(), *SEEDS, 1) == [2**63 - 2]  # type: ignore[arg-type]  # 0 favours the first number
    assert Source.bit_generator.words == [7]
