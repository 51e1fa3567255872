"""What a linear map reads from features, measured on rows that it was not fitted to.

Source: Alain & Bengio 2017, "Understanding Intermediate Layers Using Linear Classifier Probes".
Departs: ridge regression, also for classes (on their indicators), so that nothing is drawn and nothing iterates. Its
strength is the one with the least error on rows left out one by one (PRESS; Allen 1974, "The Relationship Between
Variable Selection and Data Augmentation and a Method for Prediction"), among the rows that the map is fitted to.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32] | NDArray[np.float64]
_FOLDS = 5
_RIDGES = (1.0, 10.0, 100.0, 1e3, 1e4, 1e12)  # the last says of each row the mean of all


def readable(features: Rows, targets: Rows) -> NDArray[np.float64] | None:
    """Share of each target's variance that the features explain linearly: R^2, by 5-fold cross-validation. Below 0
    nothing can be read.

    Args:
        features: [row, width].
        targets: [row, number].
    Returns:
        [number that varies]; None if nothing does, or there are fewer than 20 rows.
    """
    targets = np.asarray(targets, np.float64)
    varying = targets[:, targets.std(axis=0) > 1e-9]
    if not varying.shape[1] or len(features) < 4 * _FOLDS:
        return None
    unit = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    explained: NDArray[np.float64] = 1.0 - np.square(unit - _predicted(features, unit)).mean(axis=0)
    return explained


def told_apart(features: Sequence[Rows]) -> float | None:
    """Share of rows whose class is recognised, on average over classes, by 5-fold cross-validation.

    Args:
        features: [row, width] of each class.
    Returns:
        1 / (number of classes) is chance; None if a class has fewer than 20 rows.
    """
    if min(map(len, features)) < 4 * _FOLDS:
        return None
    labels = np.repeat(np.arange(len(features)), [len(rows) for rows in features])
    shares = np.array([len(rows) for rows in features]) / len(labels)
    # Weighted so that rare classes count as much as common ones.
    indicators = (labels[:, None] == np.arange(len(features))) / shares
    found = _predicted(np.concatenate(list(features)), indicators - indicators.mean(axis=0)).argmax(axis=1)
    return float(np.mean([(found[labels == one] == one).mean() for one in range(len(features))]))


def _predicted(features: Rows, targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """What ridge regression on the other folds says of each row; features are brought to one unit."""
    inputs = np.asarray(features, np.float64)
    inputs = (inputs - inputs.mean(axis=0)) / np.maximum(inputs.std(axis=0), 1e-6)
    fold = np.arange(len(inputs)) % _FOLDS
    found = np.zeros_like(targets)
    for held in range(_FOLDS):
        fit, test = inputs[fold != held], fold == held
        centre, level = fit.mean(axis=0), targets[fold != held].mean(axis=0)
        left, sizes, right = np.linalg.svd(fit - centre, full_matrices=False)
        wanted = targets[fold != held] - level
        on_axes = left.T @ wanted
        shares = [sizes**2 / (sizes**2 + ridge) for ridge in _RIDGES]
        best = min(shares, key=lambda share: _press(left, share, on_axes, wanted))
        weight = right.T @ ((best / np.maximum(sizes, 1e-12))[:, None] * on_axes)
        found[test] = (inputs[test] - centre) @ weight + level
    return found


def _press(
    left: NDArray[np.float64], share: NDArray[np.float64], on_axes: NDArray[np.float64], wanted: NDArray[np.float64]
) -> float:
    """Squared error on each row of a ridge regression on all others.

    Args:
        left: [row, axis] left singular vectors of the inputs.
        share: [axis] how much of each the ridge leaves.
        on_axes: [axis, number] the targets on these.
        wanted: [row, number] targets.
    """
    own = np.square(left) @ share + 1.0 / len(left)  # the mean was fitted, too
    return float(np.square((wanted - left @ (share[:, None] * on_axes)) / np.maximum(1.0 - own, 1e-9)[:, None]).sum())
