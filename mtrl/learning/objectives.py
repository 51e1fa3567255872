"""Actor and critic objectives per row: pure functions of tensors.

Source: Grigsby et al. 2024 (AMAGO-2), "Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with
Transformers": the four combinations of losses that depend on the scale of Q directly (policy gradient, regression) or
only indirectly (filtered imitation, value classification). Filtered imitation is CRR: Wang et al. 2020, "Critic
Regularized Regression", Equation 3, with f = 1{A > 0}, or with f = exp(A / beta) (Equation 4), which with A from
lambda-returns is Peng et al. 2019, "Advantage-Weighted Regression", Algorithm 1.
Departs: the exponential's advantages are standardised, so that beta has no unit and returns may have any.
"""

import math

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor


def imitated(
    value_of_action: Float[Tensor, "row discount"], value_of_policy: Float[Tensor, "row discount"]
) -> Bool[Tensor, "row discount"]:
    """Which stored actions beat the policy: 1{Q(h, a) - E_{a' ~ policy} Q(h, a') > 0}. Unchanged when Q is scaled."""
    return value_of_action > value_of_policy


MOST = 20.0
"""The most that the exponential filter counts an action, as in both sources."""


def exponential_filter(advantage: Float[Tensor, "row discount"], temperature: float) -> Float[Tensor, "row discount"]:
    """min(exp(A / beta), 20), CRR's other filter."""
    return (advantage / temperature).clamp_max(math.log(MOST)).exp()


def standardised_by_task(
    values: Float[Tensor, "row discount"],
    group: Int[Tensor, " row"],
    num_groups: int,
    among: tuple[Tensor, ...] | None = None,
) -> Float[Tensor, "row discount"]:
    """Values on the scale on which those of each task have mean 0 and deviation 1, discount by discount; 0 where they
    do not differ.

    Args:
        among: values and groups of the rows that mean and deviation are taken over; None: these.
    """
    of_all, groups = (values, group) if among is None else among

    def mean(numbers: Tensor) -> Tensor:
        total = numbers.new_zeros(num_groups, numbers.shape[1]).index_add(0, groups, numbers)
        return total / groups.bincount(minlength=num_groups).clamp_min(1)[:, None]

    centre = mean(of_all)
    deviation = mean((of_all - centre[groups]).square()).sqrt()
    return (values - centre[group]) / deviation[group].clamp_min(1e-8)


def filtered_imitation(
    log_prob: Float[Tensor, "row discount"], filter_: Num[Tensor, "row discount"] | Bool[Tensor, "row discount"]
) -> Float[Tensor, " row"]:
    """-f(A) log p(a|h), averaged over discounts."""
    return -(log_prob * filter_).mean(dim=-1)


def clipped_surrogate(
    log_ratio: Float[Tensor, " row"], advantage: Float[Tensor, " row"], clip: float
) -> Float[Tensor, " row"]:
    """min(r A, clip(r, 1 - clip, 1 + clip) A) with r = p_new(a|h) / p_old(a|h). Source: Schulman et al. 2017,
    "Proximal Policy Optimization Algorithms", Equation 7."""
    ratio = log_ratio.exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def mean_by_task(
    row_loss: Float[Tensor, " row"], group: Int[Tensor, " row"], num_groups: int
) -> Float[Tensor, " task"]:
    """Mean of the rows of each task; 0 for a task without rows. `group[i]` is the place of row i's task in the
    batch."""
    totals = row_loss.new_zeros(num_groups).index_add(0, group, row_loss)
    counts = row_loss.new_zeros(num_groups).index_add(0, group, row_loss.new_ones(group.shape))
    return totals / counts.clamp_min(1)


def spread_by_task(
    values: Float[Tensor, " row"], group: Int[Tensor, " row"], num_groups: int
) -> dict[str, Float[Tensor, " task"]]:
    """Mean, standard deviation, least ("low") and largest ("high") value of the rows of each task; NaN for a task
    without rows."""
    mean, square = (mean_by_task(v, group, num_groups) for v in (values, values.square()))
    empty = mean_by_task(torch.ones_like(values), group, num_groups) == 0
    low, high = (
        values.new_zeros(num_groups).scatter_reduce(0, group, values, how, include_self=False)
        for how in ("amin", "amax")
    )
    found = {"mean": mean, "std": (square - mean.square()).clamp_min(0).sqrt(), "low": low, "high": high}
    return {name: value.masked_fill(empty, torch.nan) for name, value in found.items()}
