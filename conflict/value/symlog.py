"""The symmetric logarithm: near the identity around 0, a logarithm far out, of either sign.

Source: Webber 2012, "A bi-symmetric log transformation for wide-range data"; Hafner et al. 2023, "Mastering Diverse
Domains through World Models", Equation 9: symlog(x) = sign(x) ln(|x| + 1), symexp(x) = sign(x) (exp(|x|) - 1).
"""

import torch
from jaxtyping import Float
from torch import Tensor


def symlog(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """``sign(x) ln(1 + |x|)``, accurate near 0."""
    return torch.copysign(x.abs().log1p(), x)


def symexp(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """``sign(x) (exp|x| - 1)``, the inverse of ``symlog``."""
    return torch.copysign(x.abs().expm1(), x)
