"""Our updates are those of TorchJD, up to the scale convention; where TorchJD approximates, the test says so."""

import warnings
from collections.abc import Callable

import pytest
import torch

from conflict.registry import make_strategy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the optional solvers
    import torchjd.aggregation as torchjd
    from torchjd.linalg import QuadprogProjector

pytestmark = pytest.mark.filterwarnings("ignore")


def update_of(name: str, jac: torch.Tensor, options: dict[str, object] | None = None, seed: int = 0) -> torch.Tensor:
    strategy = make_strategy(name, len(jac), options)
    return strategy.combine(jac, task_ids=torch.arange(len(jac)), generator=torch.Generator().manual_seed(seed))


def gradients(num_tasks: int, seed: int, common: float = 0.3, width: int = 24) -> torch.Tensor:
    """Gradients whose norms differ, some of which conflict."""
    generator = torch.Generator().manual_seed(seed)
    jac = torch.randn(num_tasks, width, generator=generator, dtype=torch.float64)
    jac += common * torch.randn(width, generator=generator, dtype=torch.float64)
    return jac * torch.logspace(-0.5, 0.5, num_tasks, dtype=torch.float64)[:, None]


def projector() -> QuadprogProjector:
    """Their ridge of 1e-4 moves the result; the smallest with which their solver works."""
    return QuadprogProjector(norm_eps=0.0, reg_eps=1e-11)


SAME: dict[str, tuple[str, dict[str, object], Callable[[int], object], Callable[[int], float]]] = {
    # how it is called here: name, options; TorchJD's; what theirs is multiplied by, given K
    "mean": ("mean", {}, lambda k: torchjd.Mean(), lambda k: 1.0),
    "fixed": (
        "fixed",
        {"weights": "1,2,0.5,4"},
        lambda k: torchjd.Constant(torch.tensor([1.0, 2.0, 0.5, 4.0]).double()),
        lambda k: 1 / 7.5,
    ),
    "cagrad": ("cagrad", {}, lambda k: torchjd.CAGrad(c=0.5, norm_eps=1e-12), lambda k: 1 / 1.5),
    "cagrad, c = 0.9": ("cagrad", {"c": 0.9}, lambda k: torchjd.CAGrad(c=0.9, norm_eps=1e-12), lambda k: 1 / 1.9),
    "cagrad, c = 2": ("cagrad", {"c": 2.0}, lambda k: torchjd.CAGrad(c=2.0, norm_eps=1e-12), lambda k: 1 / 3),
    "config": ("config", {}, lambda k: torchjd.ConFIG(), lambda k: 1 / k),
    "aligned-mtl, min": ("aligned-mtl", {}, lambda k: torchjd.AlignedMTL(), lambda k: 1.0),
    "aligned-mtl, median": (
        "aligned-mtl",
        {"scale": "median"},
        lambda k: torchjd.AlignedMTL(scale_mode="median"),
        lambda k: 1.0,
    ),
    "aligned-mtl, rmse": (
        "aligned-mtl",
        {"scale": "rmse"},
        lambda k: torchjd.AlignedMTL(scale_mode="rmse"),
        lambda k: 1.0,
    ),
    "upgrad": ("upgrad", {}, lambda k: torchjd.UPGrad(projector=projector()), lambda k: 1.0),
    "dualproj": ("dualproj", {}, lambda k: torchjd.DualProj(projector=projector()), lambda k: 1.0),
}


@pytest.mark.parametrize("case", SAME)
@pytest.mark.parametrize("seed", range(6))
def test_the_update_is_theirs(case: str, seed: int) -> None:
    name, options, make, factor = SAME[case]
    num_tasks = 4 if name == "fixed" else 3 + 2 * seed
    jac = gradients(num_tasks, seed)
    theirs = factor(num_tasks) * make(num_tasks)(jac)
    # their conic solver leaves CAGrad up to 2e-4 from the optimum; test_convex_programs has ours to 1e-9
    tolerance = 2e-4 if name == "cagrad" else 1e-6
    torch.testing.assert_close(update_of(name, jac, options), theirs, rtol=0.0, atol=tolerance * float(theirs.norm()))


@pytest.mark.parametrize("seed", range(20))
def test_mgda_is_theirs_for_two_tasks_and_no_longer_than_theirs_for_more(seed: int) -> None:
    pair = gradients(2, seed, width=3)
    torch.testing.assert_close(update_of("mgda", pair), torchjd.MGDA(epsilon=1e-12)(pair), rtol=1e-6, atol=1e-9)
    jac = gradients(8, seed)
    ours, theirs = update_of("mgda", jac).norm(), torchjd.MGDA(epsilon=1e-6, max_iters=2000)(jac).norm()
    assert ours <= theirs * (1 + 1e-12)  # Frank-Wolfe comes close, from above
    assert ours >= 0.99 * theirs


@pytest.mark.parametrize("seed", range(20))
def test_imtl_g_is_theirs_where_all_weights_are_positive_and_points_where_theirs_does_while_their_sum_is(
    seed: int,
) -> None:
    jac = gradients(5, seed, common=0.1 if seed < 10 else 1.0)
    theirs = torchjd.IMTLGWeighting()(jac @ jac.T)
    ours = update_of("imtl-g", jac)
    if (theirs > 0).all():
        torch.testing.assert_close(ours, theirs @ jac, rtol=1e-6, atol=1e-9)
    assert (jac @ ours > 0).all()
    cosine = torch.nn.functional.cosine_similarity(ours, theirs @ jac, dim=0)
    # their weights sum to 1 by division: where the sum is negative, their update makes every task worse
    raw = torch.linalg.solve(jac @ jac.T, jac.norm(dim=1)).sum()
    assert abs(cosine - raw.sign()) < 1e-9


def test_their_imtl_g_can_make_every_task_worse_and_ours_does_not() -> None:
    jac = torch.tensor([[1.0, 1.0, 0.1], [1.0, -1.0, 0.1], [0.01, 0.0, 0.0]], dtype=torch.float64)
    assert (jac @ torchjd.IMTLG()(jac) < 0).all()
    assert (jac @ update_of("imtl-g", jac) > 0).all()


@pytest.mark.parametrize("num_tasks", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_nash_mtl_points_where_theirs_does_and_solves_the_equation(num_tasks: int, seed: int) -> None:
    jac = gradients(num_tasks, seed)
    theirs = torchjd.NashMTL(n_tasks=num_tasks, max_norm=0.0, optim_niter=200)
    weights = theirs.weighting(jac)
    ours = update_of("nash-mtl", jac)
    cosine = torch.nn.functional.cosine_similarity(ours, weights @ jac, dim=0)
    assert cosine > 1 - 1e-12

    products = weights * (jac @ ours) / (weights @ jac @ ours)  # a_k <g_k, d> is the same for all tasks
    # As near as their solver comes; with some processors' rounding 1e-6.
    torch.testing.assert_close(products, torch.full_like(products, 1 / num_tasks), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_fairgrad_points_where_theirs_does(alpha: float, seed: int) -> None:
    jac = gradients(5, seed)
    ours, theirs = update_of("fairgrad", jac, {"alpha": alpha}), torchjd.FairGrad(alpha=alpha)(jac)
    cosine = torch.nn.functional.cosine_similarity(ours, theirs, dim=0)
    assert cosine > 1 - 1e-12


@pytest.mark.parametrize("pull", [0.1, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_sdmgrad_is_where_their_iteration_ends(pull: float, seed: int) -> None:
    jac = gradients(6, seed)
    theirs = torchjd.SDMGradWeighting(lr=0.05, momentum=0.9, n_iter=4000, lambda_=pull)(jac @ jac.T) @ jac
    torch.testing.assert_close(update_of("sdmgrad", jac, {"pull": pull}), theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_pcgrad_is_theirs_for_two_tasks_where_no_order_is_drawn(seed: int) -> None:
    jac = gradients(2, seed, common=0.0, width=3)
    torch.testing.assert_close(update_of("pcgrad", jac), torchjd.PCGrad()(jac) / 2)


def test_gradvac_is_theirs_for_two_tasks_over_many_updates() -> None:
    theirs, ours = torchjd.GradVac(beta=0.1, eps=0.0), make_strategy("gradvac", 2, {"step_size": 0.1})
    changed = 0
    for seed in range(60):
        jac = gradients(2, seed, common=0.7, width=4)
        update = ours.combine(jac, task_ids=torch.arange(2))
        torch.testing.assert_close(update, theirs(jac) / 2)
        changed += not torch.allclose(update, jac.mean(dim=0))
    assert 10 < changed < 60


@pytest.mark.parametrize("leak", [0.0, 0.3, 1.0])
def test_graddrop_is_theirs_for_the_same_numbers(leak: float) -> None:
    for seed in range(5):
        jac = gradients(5, seed)
        torch.manual_seed(seed)
        theirs = torchjd.GradDrop(leak=torch.full((5,), leak, dtype=torch.float64))(jac) / 5
        torch.testing.assert_close(update_of("graddrop", jac, {"leak": leak}, seed), theirs)


def test_random_weights_are_theirs_for_the_same_numbers() -> None:
    jac = gradients(5, 0)
    torch.manual_seed(3)
    torch.testing.assert_close(update_of("random", jac, seed=3), torchjd.Random()(jac))
