"""Auxiliary losses of a sparse router, row by row: use all experts, and keep the logits small.

Source: Fedus et al. 2022, "Switch Transformers", Equations 4 to 6 (load balance); Zoph et al. 2022, "ST-MoE",
Equation 5 (z-loss).
Departs: where several experts are chosen, all choices count alike, before any is dropped. The losses are given by row:
their mean over the rows that exist is the paper's, so that whoever averages them by task gets each task's part.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def balance_loss(
    logits: Float[Tensor, "row expert"], chosen: Int[Tensor, "row choice"], exists: Bool[Tensor, " row"] | None = None
) -> Float[Tensor, " row"]:
    """``E sum_e f_e p_e`` with the row's probabilities p and the share f_e of all choices that fell on expert e.

    1 where choices or probabilities are spread evenly, E where all are one expert's. No gradient flows through f.
    """
    experts = logits.shape[1]
    counted = (chosen if exists is None else chosen[exists]).flatten()
    share = torch.bincount(counted, minlength=experts).to(logits) / max(1, len(counted))
    return experts * logits.softmax(dim=-1) @ share


def z_loss(logits: Float[Tensor, "row expert"]) -> Float[Tensor, " row"]:
    """``(log sum_e exp logit_e)^2``."""
    return logits.logsumexp(dim=-1).square()
