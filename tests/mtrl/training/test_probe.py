"""Probes read what is linear in the features, and nothing else."""

import numpy as np
import pytest

from mtrl.training.probe import readable, told_apart

RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((300, 6))


def test_linear_targets_are_read_and_noise_is_not() -> None:
    linear = FEATURES @ RNG.standard_normal((6, 2)) * [1.0, 100.0] + 3.0
    noise = RNG.standard_normal((300, 2))
    found = readable(FEATURES, linear)
    assert found is not None and found.shape == (2,) and np.all(found > 0.999)
    found = readable(FEATURES, noise)
    assert found is not None and np.all(np.abs(found) < 0.05)
    found = readable(FEATURES, np.c_[linear[:, 0], noise[:, 0]])
    assert found is not None and found[0] > 0.9 and -0.3 < found[1] < 0.1


@pytest.mark.parametrize("features", [FEATURES, FEATURES * [1e-3, 1, 1, 1e3, 1, 1], np.c_[FEATURES, np.ones(300)]])
def test_units_of_features_do_not_matter(features: np.ndarray) -> None:
    found = readable(features, FEATURES[:, :1] - 2 * FEATURES[:, 3:4])
    assert found is not None and found > 0.999


def test_what_does_not_vary_is_not_asked_for() -> None:
    assert readable(FEATURES, np.ones((300, 2))) is None
    found = readable(FEATURES, np.c_[np.ones(300), FEATURES[:, 0]])
    assert found is not None and found.shape == (1,) and found[0] > 0.999
    assert readable(FEATURES[:19], FEATURES[:19, :1]) is None


def test_rows_are_not_judged_by_what_they_were_fitted_to() -> None:
    """As many features as rows fit anything."""
    drawn = (np.random.default_rng(seed) for seed in range(5))
    found = [readable(rng.standard_normal((60, 80)), rng.standard_normal((60, 1))) for rng in drawn]
    assert all(one is not None and -0.4 < one < 0.2 for one in found)
    assert np.median(np.array(found, float)) > -0.1  # for the most part the map says nothing rather than too much


def test_classes_are_told_apart_as_far_as_their_features_differ() -> None:
    apart = [FEATURES[:100] + 8 * np.eye(6)[n] for n in range(3)]
    assert told_apart(apart) == 1.0
    alike = told_apart([FEATURES[:100], FEATURES[100:200], FEATURES[200:]])
    assert alike is not None and 0.2 < alike < 0.45
    rare = told_apart([FEATURES[:200], FEATURES[200:230] + 8.0])  # a rare class counts as much
    assert rare is not None and rare > 0.95
    assert told_apart([FEATURES[:100], FEATURES[:5]]) is None
