"""The optimal order of leaves against all orders that a tree allows."""

import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from mtrl.study.statistics import leaf_order as module
from mtrl.study.statistics.leaf_order import leaf_order


def points(leaves: int, seed: int) -> Any:
    """Distances between random points."""
    places = np.random.default_rng(seed).normal(size=(leaves, 3))
    return np.linalg.norm(places[:, None] - places[None], axis=2)


def linkage(distances: Any, method: str) -> Any:
    return hierarchy.linkage(squareform(distances, checks=False), method)


def length(order: list[int], distances: Any) -> float:
    return float(sum(distances[first, second] for first, second in pairwise(order)))


def allowed(tree: Any) -> list[list[int]]:
    """Every order of the leaves of a tree."""
    if tree.is_leaf():
        return [[tree.id]]
    pairs = [(left, right) for left in allowed(tree.left) for right in allowed(tree.right)]
    return [left + right for left, right in pairs] + [right + left for left, right in pairs]


@pytest.mark.parametrize("method", ["average", "single", "complete"])
@pytest.mark.parametrize("leaves", [2, 3, 4, 5, 7, 9])
def test_no_order_that_the_tree_allows_is_shorter(leaves: int, method: str) -> None:
    for seed in range(8):
        distances = points(leaves, seed)
        tree = linkage(distances, method)
        orders = allowed(hierarchy.to_tree(tree))
        assert len(orders) == 2 ** (leaves - 1)
        found = leaf_order(tree, distances)
        assert found in orders
        assert length(found, distances) == pytest.approx(min(length(order, distances) for order in orders))


def test_points_on_a_line_are_walked_along_it() -> None:
    line = np.random.default_rng(0).permutation(40).astype(float)
    distances = np.abs(line[:, None] - line)
    walked = line[leaf_order(linkage(distances, "average"), distances)].tolist()
    assert walked in (sorted(line), sorted(line, reverse=True))


def test_bounded_memory_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    distances = points(30, 1)
    whole = leaf_order(linkage(distances, "average"), distances)
    monkeypatch.setattr(module, "_CHUNK", 10)
    assert leaf_order(linkage(distances, "average"), distances) == whole


def test_a_tree_that_is_a_chain_of_many_leaves_is_no_deeper_than_it_may_be() -> None:
    line = np.arange(300.0) ** 2
    distances = np.abs(line[:, None] - line)
    start = time.perf_counter()
    assert leaf_order(linkage(distances, "single"), distances) in (list(range(300)), list(range(299, -1, -1)))
    assert time.perf_counter() - start < 10


def test_a_single_leaf_and_none() -> None:
    assert leaf_order(np.empty((0, 4)), np.zeros((1, 1))) == [0]
    assert leaf_order(np.empty((0, 4)), np.zeros((0, 0))) == []
