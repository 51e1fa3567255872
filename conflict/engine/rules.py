"""Per-task gradients of a module's parameters from its inputs and the gradient of its output.

Each row belongs to one task, so the gradient of task k is the module's ordinary parameter gradient over the rows of k
alone: the K gradients together cost no more operations than the one of the whole batch.

A module may bring its own rule, by a method and an attribute (no base class needed)::

    row_axis: int = 0      # where the rows are, in the first input and in the output def task_gradients(self, inputs:
    tuple[Tensor, ...], grad_output: Tensor, sizes: Sequence[int]) -> dict[str, Tensor]:
        # every parameter below this module, by name -> [len(sizes), *parameter shape]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conflict.engine.rows import equal, sum_rows

Rule = Callable[[Any, tuple[Any, ...], Tensor, Sequence[int]], Mapping[str, Tensor]]


def linear(module: nn.Linear, inputs: tuple[Any, ...], grad_output: Tensor, sizes: Sequence[int]) -> dict[str, Tensor]:
    """``dW_k = grad_output_k^T input_k``: one matrix product a task, batched where the tasks have equally many rows."""
    x = inputs[0].to(grad_output.dtype)
    tasks, width_in, width_out = len(sizes), module.in_features, module.out_features
    if equal(sizes):
        grads_k = grad_output.reshape(tasks, -1, width_out)
        weight = grads_k.transpose(1, 2) @ x.reshape(tasks, -1, width_in)
        return {"weight": weight, "bias": grads_k.sum(dim=1)}
    weight = grad_output.new_empty(tasks, width_out, width_in)
    for k, (x_k, grad_k) in enumerate(
        zip(torch.split(x, list(sizes)), torch.split(grad_output, list(sizes)), strict=True)
    ):
        torch.mm(grad_k.reshape(-1, width_out).T, x_k.reshape(-1, width_in), out=weight[k])
    return {"weight": weight, "bias": sum_rows(grad_output, sizes)}


def layer_norm(
    module: nn.LayerNorm, inputs: tuple[Any, ...], grad_output: Tensor, sizes: Sequence[int]
) -> dict[str, Tensor]:
    """``dweight_k`` sums the normalised input times the gradient of the output, ``dbias_k`` that gradient."""
    shape = module.normalized_shape
    normed = F.layer_norm(inputs[0], shape, eps=module.eps)
    return {
        "weight": _sum_features(normed * grad_output, shape, sizes),
        "bias": _sum_features(grad_output, shape, sizes),
    }


def rms_norm(
    module: nn.RMSNorm, inputs: tuple[Any, ...], grad_output: Tensor, sizes: Sequence[int]
) -> dict[str, Tensor]:
    """``dweight_k`` sums the normalised input times the gradient of the output."""
    shape = module.normalized_shape
    normed = F.rms_norm(inputs[0], list(shape), eps=module.eps)
    return {"weight": _sum_features(normed * grad_output, shape, sizes)}


def embedding(
    module: nn.Embedding, inputs: tuple[Any, ...], grad_output: Tensor, sizes: Sequence[int]
) -> dict[str, Tensor]:
    """``dW_k[v]`` sums the gradients of the outputs that looked up v in the rows of k."""
    index, tasks, vocabulary = inputs[0].long(), len(sizes), module.num_embeddings
    offset = torch.arange(tasks, device=index.device) * vocabulary
    offset = offset.repeat_interleave(torch.tensor(sizes, device=index.device))
    slots = (index + offset.reshape(-1, *[1] * (index.dim() - 1))).flatten()
    weight = grad_output.new_zeros(tasks * vocabulary, module.embedding_dim)
    weight.index_add_(0, slots, grad_output.reshape(-1, module.embedding_dim))
    weight = weight.reshape(tasks, vocabulary, module.embedding_dim)
    if module.padding_idx is not None:
        weight[:, module.padding_idx] = 0.0
    return {"weight": weight}


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: linear,
    nn.LayerNorm: layer_norm,
    nn.RMSNorm: rms_norm,
    nn.Embedding: embedding,
}


def rule_for(module: nn.Module) -> Rule | None:
    """The rule that gives the gradients of this module's parameters; None if there is none.

    Exact types only, since a subclass may compute something else; and only if the rule knows every parameter, which
    weight norm and other parametrisations change.
    """
    if hasattr(module, "task_gradients"):
        return _own_rule
    rule = RULES.get(type(module))
    names = {name for name, _ in module.named_parameters()}
    if rule is None or not names <= {"weight", "bias"}:
        return None
    if isinstance(module, nn.Embedding) and (module.max_norm is not None or module.scale_grad_by_freq or module.sparse):
        return None
    return rule


def _own_rule(module: Any, inputs: tuple[Any, ...], grad_output: Tensor, sizes: Sequence[int]) -> Mapping[str, Tensor]:
    gradients: Mapping[str, Tensor] = module.task_gradients(inputs, grad_output, sizes)
    return gradients


def _sum_features(values: Tensor, shape: Sequence[int], sizes: Sequence[int]) -> Tensor:
    return sum_rows(values.flatten(-len(shape)), sizes).reshape(len(sizes), *shape)
