"""Actor and critic objectives per row: pure functions of tensors.

Source: Grigsby et al. 2024 (AMAGO-2), "Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with
Transformers": the four
combinations of losses that depend on the scale of Q directly (policy gradient, regression) or only indirectly
(filtered imitation, value
classification). Filtered imitation is binary CRR: Wang et al. 2020, "Critic Regularized Regression", Equation 3 with
f = 1{A > 0}.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def imitated(
    value_of_action: Float[Tensor, "row discount"], value_of_policy: Float[Tensor, "row discount"]
) -> Bool[Tensor, "row discount"]:
    """Which stored actions beat the policy: 1{Q(h, a) - E_{a' ~ policy} Q(h, a') > 0}. Unchanged when Q is scaled."""
    return value_of_action > value_of_policy


def filtered_imitation(
    log_prob: Float[Tensor, "row discount"], filter_: Bool[Tensor, "row discount"]
) -> Float[Tensor, " row"]:
    """-1{A > 0} log p(a|h), averaged over discounts."""
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
