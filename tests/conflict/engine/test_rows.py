"""Which rows belong to which task."""

import pytest
import torch

from conflict.engine.rows import reduce_rows, sizes_for, task_rows


def test_outside_of_task_rows_the_row_axis_is_split_equally() -> None:
    assert sizes_for((12, 5), 0, 3) == (4, 4, 4)
    assert sizes_for((2, 12, 5), -2, 3) == (4, 4, 4)
    assert sizes_for((12, 5), None, 4) == (3, 3, 3, 3)


def test_rows_that_the_tasks_cannot_share_have_no_sizes() -> None:
    assert sizes_for((11, 5), 0, 3) is None
    with task_rows([1, 5]):
        assert sizes_for((7, 5), 0, 2) is None
        assert sizes_for((6, 5), 0, 3) is None
        assert sizes_for((4, 6), None, 2) == (1, 5)


def test_the_innermost_task_rows_counts_and_ends_with_its_block() -> None:
    with task_rows([1, 5]):
        assert sizes_for((6, 2), 0, 2) == (1, 5)
        with task_rows([3, 0]):
            assert sizes_for((3, 2), 0, 2) == (3, 0)
        assert sizes_for((6, 2), 0, 2) == (1, 5)
    assert sizes_for((6, 2), 0, 2) == (3, 3)


def test_task_rows_end_after_an_error() -> None:
    with pytest.raises(KeyError), task_rows([1, 5]):
        raise KeyError
    assert sizes_for((6, 2), 0, 2) == (3, 3)


@pytest.mark.parametrize("sizes", [[], [3, -1]])
def test_counts_that_make_no_sense_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="at least 0 per task"), task_rows(sizes):
        pass


@pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 0, 5)])
def test_rows_are_summed_by_task(sizes: tuple[int, ...]) -> None:
    values = torch.randn(6, 4, 3, dtype=torch.float64)
    expected = torch.stack([part.sum(dim=(0, 1)) for part in torch.split(values, list(sizes))])
    torch.testing.assert_close(reduce_rows(values, sizes, (3,)), expected)
