"""Two or three tasks, worked out on paper."""

import numpy as np
import pytest
import torch

from conflict.registry import make_strategy
from conflict.strategies.graddrop import sign_dropout

ROOT = 2**0.5
OBTUSE = [[2.0, 0.0], [-1.0, 1.0]]
WIDER = [[3.0, 0.0], [-1.0, 1.0]]
ORTHOGONAL = [[2.0, 0.0], [0.0, 1.0]]
OPPOSED = [[2.0, 0.0], [-1.0, 0.0]]
ONE_ZERO = [[2.0, 0.0], [0.0, 0.0]]

CASES: list[tuple[str, dict[str, object], list[list[float]], list[float]]] = [
    ("mean", {}, OBTUSE, [0.5, 0.5]),
    ("fixed", {"weights": "1,3"}, OBTUSE, [-0.25, 0.75]),
    ("fixed", {"weights": [0, 2]}, OBTUSE, [-1.0, 1.0]),
    # (2, 0) -> (1, 1); (-1, 1) -> (0, 1)
    ("pcgrad", {}, OBTUSE, [0.5, 1.0]),
    ("gradvac", {}, OBTUSE, [0.5, 1.0]),
    ("upgrad", {}, OBTUSE, [0.5, 1.0]),
    # w = (.4, .6): both gain .4
    ("mgda", {}, OBTUSE, [0.2, 0.6]),
    ("mgda", {}, OPPOSED, [0.0, 0.0]),
    ("mgda", {}, ONE_ZERO, [0.0, 0.0]),
    # corners (4, .5) and (0, 1.5), w = (3, 31) / 34, then half of it
    ("sdmgrad", {"pull": 1.0}, WIDER, [3 / 17, 12 / 17]),
    ("sdmgrad", {"pull": 0.0}, OBTUSE, [0.2, 0.6]),
    # the second task gains nothing from the mean (.5, .5): go c |mean| along it
    ("cagrad", {"c": 0.5}, OBTUSE, [1 / 6, 1 / 2]),
    ("cagrad", {"c": 0.0}, OBTUSE, [0.5, 0.5]),
    # mean (.5, 0): the second task loses least at .25
    ("cagrad", {"c": 0.5}, OPPOSED, [1 / 6, 0.0]),
    ("cagrad", {"c": 1.0}, OPPOSED, [0.0, 0.0]),
    # the zero gradient wins nothing anywhere: stay at the mean
    ("cagrad", {"c": 0.5}, ONE_ZERO, [2 / 3, 0.0]),
    # weights 1 / norm, divided by their sum
    ("imtl-g", {}, OBTUSE, [3 * ROOT - 4, 2 - ROOT]),
    ("imtl-g", {}, OPPOSED, [0.0, 0.0]),
    ("imtl-g", {}, ONE_ZERO, [2.0, 0.0]),
    # the bisector, as long as the mean's projection on it
    ("config", {}, OBTUSE, [1 / 4, (1 + ROOT) / 4]),
    ("config", {}, OPPOSED, [0.0, 0.0]),
    ("config", {}, ONE_ZERO, [1.0, 0.0]),
    ("nash-mtl", {}, OBTUSE, [1 / 4, (1 + ROOT) / 4]),
    ("nash-mtl", {}, OPPOSED, [0.0, 0.0]),
    ("nash-mtl", {}, ONE_ZERO, [1.0, 0.0]),
    # G is diagonal, so a_k = 1 / |g_k|: the bisector, and the mean (1, .5) projected on it
    ("fairgrad", {"alpha": 1.0}, ORTHOGONAL, [3 / 4, 3 / 4]),
    ("fairgrad", {"alpha": 1.0}, OPPOSED, [0.0, 0.0]),
    # singular values 2 and 1
    ("aligned-mtl", {}, ORTHOGONAL, [0.5, 0.5]),
    ("aligned-mtl", {"scale": "median"}, ORTHOGONAL, [0.5, 0.5]),
    ("aligned-mtl", {"scale": "rmse"}, ORTHOGONAL, [2.5**0.5 / 2, 2.5**0.5 / 2]),
    ("dualproj", {}, OBTUSE, [0.5, 0.5]),
    # the mean (1, .5) conflicts with (-1, 1)
    ("dualproj", {}, WIDER, [0.75, 0.75]),
    ("dualproj", {}, OPPOSED, [0.0, 0.0]),
    ("upgrad", {}, OPPOSED, [0.0, 0.0]),
    ("upgrad", {}, ONE_ZERO, [1.0, 0.0]),
]


@pytest.mark.parametrize(("name", "options", "rows", "update"), CASES)
def test_the_update_is_the_one_on_paper(
    name: str, options: dict[str, object], rows: list[list[float]], update: list[float]
) -> None:
    jac = torch.tensor(rows, dtype=torch.float64)
    got = make_strategy(name, 2, options).combine(jac, task_ids=torch.arange(2))
    torch.testing.assert_close(got, torch.tensor(update, dtype=torch.float64), rtol=1e-8, atol=1e-8)


def test_pcgrad_leaves_conflicts_among_three_tasks() -> None:
    angles = torch.tensor([0.0, 1.8, 3.5], dtype=torch.float64)
    jac = torch.stack((angles.cos(), angles.sin()), dim=1)
    update = make_strategy("pcgrad", 3).combine(jac, task_ids=torch.arange(3), generator=torch.Generator())
    assert (jac @ update).min() < -1e-3


def test_imtl_g_with_weights_of_both_signs_improves_every_task_where_the_paper_worsens_all() -> None:
    jac = torch.tensor([[1.0, 1.0, 0.1], [1.0, -1.0, 0.1], [0.01, 0.0, 0.0]], dtype=torch.float64)
    units = jac / jac.norm(dim=1, keepdim=True)
    on_paper = torch.linalg.solve(units @ units.T, torch.ones(3, dtype=torch.float64)) / jac.norm(dim=1)
    assert on_paper.sum() < 0
    weights = make_strategy("imtl-g", 3).weights(jac @ jac.T, task_ids=torch.arange(3))
    torch.testing.assert_close(weights, on_paper / on_paper.abs().sum())
    assert (jac @ (weights @ jac) > 0).all()


@pytest.mark.parametrize(
    ("uniform", "leak", "update"),
    [(0.2, 0.0, [2.0, 0.5]), (0.4, 0.0, [2.0, -1.0]), (0.4, 0.5, [2.0, -0.75]), (0.4, 1.0, [2.0, -0.5])],
)
def test_graddrop_keeps_one_sign_and_leaks_the_rest(uniform: float, leak: float, update: list[float]) -> None:
    # the second coordinate is positive with purity (1 - 1 / 3) / 2
    jac = torch.tensor([[1.0, -2.0], [3.0, 1.0]])
    torch.testing.assert_close(sign_dropout(jac, torch.tensor([0.99, uniform]), leak), torch.tensor(update))


def test_graddrop_keeps_a_sign_as_often_as_its_share() -> None:
    jac = torch.tensor([[3.0], [-1.0]]).expand(2, 20_000)
    update = make_strategy("graddrop", 2).combine(jac, task_ids=torch.arange(2), generator=torch.Generator())
    assert set(update.tolist()) == {1.5, -0.5}
    assert abs(float((update > 0).double().mean()) - 0.75) < 0.02


def test_gradvac_turns_gradients_to_the_cosine_they_used_to_have() -> None:
    strategy = make_strategy("gradvac", 2, {"step_size": 1.0})
    before = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    now = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    update = strategy.combine(before, task_ids=torch.arange(2))
    torch.testing.assert_close(update, before.mean(dim=0))
    # (1, 0) -> (1, .75), (0, 2) -> (1.5, 2): cosines of .6 with the other
    update = strategy.combine(now, task_ids=torch.arange(2))
    torch.testing.assert_close(update, torch.tensor([1.25, 1.375], dtype=torch.float64))


def test_gradvac_moves_the_targets_of_the_batchs_pairs_alone() -> None:
    strategy = make_strategy("gradvac", 4, {"step_size": 0.25})
    jac = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 0.0]], dtype=torch.float64)
    strategy.combine(jac, task_ids=torch.tensor([3, 1, 2]))
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[3, 1] = expected[1, 3] = 0.15  # the third gradient is zero
    torch.testing.assert_close(strategy.targets, expected)


def test_nash_mtl_keeps_its_weights_between_solutions() -> None:
    strategy = make_strategy("nash-mtl", 3, {"update_every": 3})
    fresh = make_strategy("nash-mtl", 3)
    jacs = [torch.randn(3, 5, dtype=torch.float64) for _ in range(4)]
    used = [strategy.weights(jac @ jac.T, task_ids=torch.arange(3)) for jac in jacs]
    solved = [fresh.weights(jac @ jac.T, task_ids=torch.arange(3)) for jac in jacs]
    assert torch.equal(used[0], solved[0])
    # Kept relative to the mean's: three times a third is not always the same bits.
    torch.testing.assert_close(used[1], used[0], rtol=1e-15, atol=0.0)
    assert torch.equal(used[2], used[1])
    assert torch.equal(used[3], solved[3])


def test_nash_mtl_solves_early_for_a_task_without_weights_and_keeps_them_relative_to_the_batch() -> None:
    strategy = make_strategy("nash-mtl", 3, {"update_every": 100})
    jac = torch.randn(3, 5, dtype=torch.float64)
    pair = strategy.weights(jac[:2] @ jac[:2].T, task_ids=torch.tensor([2, 0]))
    alone = strategy.weights(jac[:1] @ jac[:1].T, task_ids=torch.tensor([2]))
    torch.testing.assert_close(alone[0], 2 * pair[0])
    all_three = strategy.weights(jac @ jac.T, task_ids=torch.tensor([2, 0, 1]))
    fresh = make_strategy("nash-mtl", 3).weights(jac @ jac.T, task_ids=torch.tensor([2, 0, 1]))
    torch.testing.assert_close(all_three, fresh)


def test_fixed_weights_of_a_batch_are_divided_by_their_sum() -> None:
    strategy = make_strategy("fixed", 4, {"weights": "1, 2, 0, 6"})
    weights = strategy.weights(None, task_ids=torch.tensor([3, 1]))
    torch.testing.assert_close(weights, torch.tensor([0.75, 0.25]))
    assert strategy.weights(None, task_ids=torch.tensor([2])).tolist() == [0.0]


def test_random_weights_are_positive_and_differ_from_draw_to_draw() -> None:
    strategy, generator = make_strategy("random", 5), torch.Generator()
    draws = torch.stack([strategy.weights(None, task_ids=torch.arange(5), generator=generator) for _ in range(200)])
    assert (draws > 0).all()
    torch.testing.assert_close(draws.sum(dim=1), torch.ones(200))
    np.testing.assert_allclose(draws.mean(dim=0), np.full(5, 0.2), atol=0.05)
