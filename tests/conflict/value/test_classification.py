"""Two-hot and HL-Gauss: read back what was encoded, and the right weights by hand."""

import math

import pytest
import torch

from conflict.registry import make_value_target
from conflict.value.hl_gauss import HLGauss
from conflict.value.options import HLGaussOptions, TwoHotOptions
from conflict.value.symlog import symexp, symlog
from conflict.value.two_hot import TwoHot

SPREAD = torch.cat([-torch.logspace(5, -4, 2001, dtype=torch.float64), torch.zeros(1), torch.logspace(-4, 5, 2001)])


def test_symlog_and_symexp_are_inverse_and_accurate_near_zero() -> None:
    torch.testing.assert_close(symexp(symlog(SPREAD)), SPREAD, rtol=1e-13, atol=1e-17)
    small = torch.tensor([1e-12, -1e-12], dtype=torch.float32)
    torch.testing.assert_close(symlog(small), small, rtol=1e-6, atol=0)


@pytest.mark.parametrize("bins", [32, 64, 128])
@pytest.mark.parametrize("spacing", ["symlog", "linear"])
def test_two_hot_reads_back_exactly_over_the_whole_range(bins: int, spacing: str) -> None:
    target = make_value_target("two-hot", {"bins": bins, "spacing": spacing})
    assert isinstance(target, TwoHot)
    torch.testing.assert_close(target.support.read_probabilities(target.encode(SPREAD)), SPREAD, rtol=1e-12, atol=1e-10)
    single = SPREAD.float()
    read = target.support.read_probabilities(target.encode(single))
    allowed = 0.05 if spacing == "linear" else 1e-5 * (1 + single.abs())  # a few units in the last place of the bins
    assert bool(((read - single).abs() <= allowed).all())


@pytest.mark.parametrize("bins", [32, 64, 128])
@pytest.mark.parametrize("sigma_ratio", [0.5, 0.75, 1.0])
def test_hl_gauss_reads_back_up_to_the_stated_discretisation(bins: int, sigma_ratio: float) -> None:
    target = make_value_target("hl-gauss", {"bins": bins, "sigma_ratio": sigma_ratio})
    assert isinstance(target, HLGauss)
    read = target.support.read_probabilities(target.encode(SPREAD))
    discretisation, cut_off = math.exp(-2 * (math.pi * sigma_ratio) ** 2) / math.pi, 2e-6 * sigma_ratio
    bound = target.support.width * (discretisation + cut_off)
    assert float((symlog(read) - symlog(SPREAD)).abs().max()) <= bound


@pytest.mark.parametrize("name", ["two-hot", "hl-gauss"])
def test_targets_beyond_the_bins_are_clamped(name: str) -> None:
    target = make_value_target(name, {"low": -2.0, "high": 5.0})
    assert isinstance(target, TwoHot | HLGauss)
    read = target.support.read_probabilities(target.encode(torch.tensor([-1e9, -2.0, 5.0, math.inf]).double()))
    torch.testing.assert_close(read, torch.tensor([-2.0, -2.0, 5.0, 5.0]).double(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", ["two-hot", "hl-gauss"])
@pytest.mark.parametrize("bins", [10, 64])
def test_encodings_are_distributions(name: str, bins: int) -> None:
    target = make_value_target(name, {"bins": bins})
    assert isinstance(target, TwoHot | HLGauss)
    encoded = target.encode(SPREAD)
    assert encoded.shape == (len(SPREAD), bins)
    assert float(encoded.min()) >= 0.0
    torch.testing.assert_close(encoded.sum(dim=-1), torch.ones(len(SPREAD)).double())


@pytest.mark.parametrize("name", ["two-hot", "hl-gauss"])
def test_losses_are_cross_entropies_against_the_encoding(name: str) -> None:
    target, returns = make_value_target(name), 100 * torch.randn(50).double()
    assert isinstance(target, TwoHot | HLGauss)
    outputs = 3 * torch.randn(50, target.num_outputs).double()
    expected = -(target.encode(returns) * outputs.log_softmax(dim=-1)).sum(dim=-1)
    torch.testing.assert_close(target.loss(outputs, returns), expected)


def test_the_nearer_bin_gets_the_larger_weight() -> None:
    target = TwoHot(TwoHotOptions(bins=5, low=0.0, high=4.0, spacing="linear"))
    encoded = target.encode(torch.tensor([2.25, 4.0, 0.0]))
    expected = torch.tensor([[0.0, 0.0, 0.75, 0.25, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(encoded, expected)


def test_hl_gauss_is_the_normal_distribution_between_the_edges() -> None:
    options = HLGaussOptions(bins=16, low=-4.0, high=3.0, spacing="linear")  # 8 bins within, width 1, 4 on either side
    target = HLGauss(options)
    assert target.support.bins.tolist() == [float(centre) for centre in range(-8, 8)]
    normal = torch.distributions.Normal(0.3, 0.75)
    mass = normal.cdf(target.support.bins.float() + 0.5) - normal.cdf(target.support.bins.float() - 0.5)
    torch.testing.assert_close(target.encode(torch.tensor(0.3)), mass, atol=1e-6, rtol=1e-4)


def test_the_value_read_back_is_symexp_of_the_mean_bin() -> None:
    target = TwoHot(TwoHotOptions(bins=3, low=-math.expm1(1.0), high=math.expm1(1.0)))  # bins -1, 0, 1 in symlog
    logits = torch.tensor([0.1, 0.3, 0.6]).log()
    torch.testing.assert_close(target.decode(logits), torch.tensor(math.expm1(0.5)))


@pytest.mark.parametrize("unit", [1e-3, 0.02, 10.0])
def test_a_smaller_unit_makes_finer_bins_around_zero_and_reads_back_as_exactly(unit: float) -> None:
    target = make_value_target("two-hot", {"unit": unit})
    assert isinstance(target, TwoHot)
    torch.testing.assert_close(target.support.read_probabilities(target.encode(SPREAD)), SPREAD, rtol=1e-12, atol=1e-10)
    near_zero = target.support.position(torch.tensor([0.01, 0.0]).double()).diff().abs()
    plain = make_value_target("two-hot")
    assert isinstance(plain, TwoHot)
    coarser = plain.support.position(torch.tensor([0.01, 0.0]).double()).diff().abs()
    assert bool(near_zero > coarser) == (unit < 1)


@pytest.mark.parametrize("name", ["two-hot", "hl-gauss"])
@pytest.mark.parametrize("options", [{}, {"bins": 33, "low": -1.0, "high": 1.0}, {"unit": 0.02}])
def test_a_head_that_starts_with_the_prior_says_nearly_zero_and_can_leave_it(
    name: str, options: dict[str, float]
) -> None:
    target = make_value_target(name, options)
    assert isinstance(target, TwoHot | HLGauss)
    prior = target.prior()
    assert prior.shape == (target.num_outputs,)
    value, neighbour = target.decode(prior), target.support.bins[target.num_outputs // 2 + 1]
    assert abs(float(target.support.position(value.double()) - target.support.position(torch.zeros(()).double()))) < 0.1
    assert float(prior.softmax(dim=-1).max()) > 0.1 and math.isfinite(float(neighbour))
    assert float(prior.min()) >= -8.0
