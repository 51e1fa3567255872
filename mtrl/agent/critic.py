"""An ensemble of critics that share the backbone: value outputs for one action, or one action per discount.

The action enters at the second hidden layer, by an embedding (or a linear map, if it is continuous) added before the
activation. So the expensive part is computed once a step, and every further action costs one activation and one output
layer. Critics of states (for PPO) read no action and are the same otherwise.

Departs: AMAGO-2's critics read the action at their first layer, beside the features of the backbone.
"""

from collections.abc import Callable, Sequence

import gymnasium as gym
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import leaky_relu, linear

from conflict.engine.products import baddbmm
from conflict.rescaling.task_affine import TaskAffine
from mtrl.agent.head_products import HeadRows, apply_heads
from mtrl.agent.heads import EnsembleEmbedding, EnsembleLinear, EnsembleProjection
from mtrl.agent.task_heads import TaskLinear


class CriticEnsemble(nn.Module):
    """`critics` networks, each with `num_outputs` numbers for every discount.

    `members` in the methods picks some of the networks by index, for targets; None stands for all, and only then
    per-task gradients can be taken.
    """

    def __init__(
        self,
        width: int,
        head_width: int,
        action_space: gym.spaces.Discrete | gym.spaces.Box | None,
        num_discounts: int,
        num_outputs: int,
        critics: int,
        affine: TaskAffine | None,
        prior: Float[Tensor, " output"],
        heads: Sequence[int] | None = None,
    ) -> None:
        """Args: action_space: None: values of states, not of actions."""
        super().__init__()
        self.critics, self.num_discounts, self.num_outputs = critics, num_discounts, num_outputs
        self.trunk = nn.Linear(width, critics * head_width)
        nn.init.kaiming_normal_(self.trunk.weight, nonlinearity="leaky_relu")
        self.hidden = EnsembleLinear(critics, head_width, head_width)
        self.continuous = isinstance(action_space, gym.spaces.Box)
        self.action: EnsembleEmbedding | EnsembleProjection
        if isinstance(action_space, gym.spaces.Box):
            self.action = EnsembleProjection(critics, action_space.shape[0], head_width)
        elif action_space is not None:
            self.action = EnsembleEmbedding(critics, int(action_space.n), head_width)
        # Values start near zero for every action and sharply so: an early preference would be imitated before it is
        # tested, and first having to empty the bins that are never used would teach the backbone nothing.
        outputs = EnsembleLinear(critics, head_width, num_discounts * num_outputs, scale=0.1)
        outputs.bias.data.copy_(prior.repeat(num_discounts))
        self.outputs: EnsembleLinear | TaskLinear = outputs if heads is None else _for_tasks(outputs, heads)
        self.affine = affine

    def features(
        self, backbone: Float[Tensor, "row width"], members: Int[Tensor, " member"] | None = None
    ) -> Float[Tensor, "member row head"]:
        """What does not depend on the action: the second layer's pre-activation."""
        if members is None:
            first = self.trunk(backbone)
        else:
            weight = self.trunk.weight.unflatten(0, (self.critics, -1))[members].flatten(0, 1)
            first = linear(backbone, weight, self.trunk.bias.unflatten(0, (self.critics, -1))[members].flatten())
        per_member = leaky_relu(first).unflatten(1, (-1, self.hidden.weight.shape[1])).transpose(0, 1)
        hidden: Tensor = self.hidden(per_member, members)
        return hidden

    def of_state(
        self, features: Float[Tensor, "member row head"], row_task: Int[Tensor, " row"]
    ) -> Float[Tensor, "member row discount output"]:
        """Outputs for the states themselves, for every discount."""
        out = self._last(leaky_relu(features), row_task, None)
        return self._per_task(out.unflatten(-1, (self.num_discounts, self.num_outputs)), row_task, None)

    def of_action(
        self,
        features: Float[Tensor, "member row head"],
        action: Int[Tensor, "#row"] | Float[Tensor, "row size"],
        row_task: Int[Tensor, " row"],
        members: Int[Tensor, " member"] | None = None,
    ) -> Float[Tensor, "member row discount output"]:
        """Outputs for one action a row (or one for all rows, given as one row), for every discount."""
        hidden = leaky_relu(features + self.action(action, members), inplace=not torch.is_grad_enabled())
        out = self._last(hidden, row_task, members)
        return self._per_task(out.unflatten(-1, (self.num_discounts, self.num_outputs)), row_task, members)

    def of_actions(
        self,
        features: Float[Tensor, "member row head"],
        actions: Int[Tensor, "row discount"] | Float[Tensor, "row discount size"],
        row_task: Int[Tensor, " row"],
        read: Callable[[Tensor], Tensor],
        members: Int[Tensor, " member"] | None = None,
    ) -> Float[Tensor, "member row discount *read"]:
        """What `read` makes of the outputs [..., output] of each discount for that discount's own action.

        Gradients flow into continuous actions, and into nothing else.
        """
        ascends = torch.is_grad_enabled() and actions.requires_grad
        parameters = (p.detach() if ascends else p for p in self._last_parameters(members))
        weight, bias = (p.unflatten(-1, (self.num_discounts, -1)) for p in parameters)
        heads = HeadRows.of(self.outputs.head_of(row_task)) if isinstance(self.outputs, TaskLinear) else None
        # One discount after the other: all of them together would not fit a processor's cache.
        found = []
        for d in range(self.num_discounts):
            if ascends:
                maps = self.action.weight.detach()
                hidden = leaky_relu(features.detach() + actions[:, d] @ (maps if members is None else maps[members]))
            else:
                hidden = leaky_relu(self.action(actions[:, d], members).add_(features), inplace=True)
            if heads is None:
                out = baddbmm(bias[:, :, d], hidden, weight[:, :, d])
            else:
                out = heads.through(hidden, weight[..., d, :], bias[..., d, :])
            found.append(out if self.affine is not None else read(out))
        together = torch.stack(found, dim=2)
        if self.affine is None:
            return together
        return read(self._per_task(together, row_task, members, frozen=ascends))

    def _last(self, hidden: Tensor, row_task: Tensor, members: Tensor | None) -> Tensor:
        if not isinstance(self.outputs, TaskLinear):
            return self.outputs(hidden, members)  # type: ignore[no-any-return]
        if members is None:  # the module itself: the gradient engine looks for it
            return self.outputs(hidden, row_task)  # type: ignore[no-any-return]
        return apply_heads(hidden, self.outputs.head_of(row_task), *self._last_parameters(members))

    def _last_parameters(self, members: Tensor | None) -> tuple[Tensor, Tensor]:
        last = self.outputs
        weight, bias = last.heads if isinstance(last, TaskLinear) else (last.weight, last.bias)
        return (weight, bias) if members is None else (weight[members], bias[members])

    def _per_task(self, out: Tensor, row_task: Tensor, members: Tensor | None, *, frozen: bool = False) -> Tensor:
        if self.affine is None:
            return out
        chosen: dict[str, Tensor] = {}
        if members is not None or frozen:
            named = {name: p.detach() if frozen else p for name, p in self.affine.named_parameters()}
            chosen = {name: p if members is None else p[members] for name, p in named.items()}
        # A task that was not trained has no unit of its own: its values mean nothing, where units are by task.
        mapped: Tensor = functional_call(
            self.affine, chosen, (out.squeeze(-1), row_task.clamp_max(self.affine.num_tasks - 1))
        )
        return mapped.unsqueeze(-1)


def _for_tasks(layer: EnsembleLinear, heads: Sequence[int]) -> TaskLinear:
    """A layer for every member and head; all heads of a member start as its layer."""
    members, inputs, outputs = layer.weight.shape
    found = TaskLinear(heads, inputs, outputs, leading=(members,))
    found.set(layer.weight[:, None], layer.bias[:, None])
    return found
