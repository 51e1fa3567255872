"""A stack of gated recurrent units whose weight gradients are ordinary matrix products.

Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder"; gates as in `torch.nn.GRU`.
Departs: learning runs the recurrence once without autograd and then repeats it in parallel as (linear layer on the
previous states) + (gates), whose backward pass alone walks through time. So the recurrent matrix is one `nn.Linear`
applied to all steps, and everything that handles linear layers (per-task gradients, counting) handles it too.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mtrl.agent.memory.memory import Memory, State


class GRU(Memory):
    """`layers` GRUs, each reading the states of the one below; the last one's states are normalised."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, features: Float[Tensor, "batch time width"], time: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time width"]:
        x = features
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.norm(x)
        return out

    def initial_state(self, num_actors: int) -> State:
        return {"hidden": self.norm.weight.new_zeros(num_actors, len(self.layers), self.width)}

    def step(
        self, features: Float[Tensor, "actor width"], time: Int[Tensor, " actor"], state: State
    ) -> Float[Tensor, "actor width"]:
        hidden = state["hidden"]
        hidden.mul_((time > 0)[:, None, None])
        x = features
        for index, layer in enumerate(cast("Iterable[Layer]", self.layers)):
            x = layer.step(x, hidden[:, index])
            hidden[:, index] = x
        out: Tensor = self.norm(x)
        return out


class Layer(nn.Module):
    """One recurrence. A sequence holds steps of one trial and starts from an empty memory."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(width, 3 * width)
        self.recurrent = nn.Linear(width, 3 * width)
        for gate in self.recurrent.weight.detach().split(width):
            nn.init.orthogonal_(gate)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The states after all steps."""
        from_input = self.inputs(x)
        weight = self.recurrent.weight.detach()
        before = previous_states(from_input.detach(), weight, self.recurrent.bias.detach())
        states: Tensor = _Gates.apply(from_input, self.recurrent(before), before, weight)  # type: ignore[no-untyped-call]
        return states

    def step(
        self, x: Float[Tensor, "actor width"], before: Float[Tensor, "actor width"]
    ) -> Float[Tensor, "actor width"]:
        """The states after one step."""
        return next_state(self.inputs(x), self.recurrent(before), before)


def next_state(
    from_input: Float[Tensor, "*batch gates"],
    from_state: Float[Tensor, "*batch gates"],
    before: Float[Tensor, "*batch width"],
) -> Float[Tensor, "*batch width"]:
    """h' = (1 - z) n + z h with r, z = sigmoid(.), n = tanh(x_n + r u_n)."""
    width = before.shape[-1]
    reset, update = torch.sigmoid(from_input[..., : 2 * width] + from_state[..., : 2 * width]).chunk(2, dim=-1)
    new = torch.tanh(torch.addcmul(from_input[..., 2 * width :], reset, from_state[..., 2 * width :]))
    return torch.lerp(new, before, update)


def previous_states(
    from_input: Float[Tensor, "batch time gates"], weight: Float[Tensor, "gates width"], bias: Float[Tensor, " gates"]
) -> Float[Tensor, "batch time width"]:
    """The state before every step, starting from zero. Gradients do not pass."""
    batch, length, _ = from_input.shape
    states = from_input.new_zeros(length, batch, weight.shape[1])
    with torch.no_grad():
        for t in range(length - 1):
            states[t + 1] = next_state(from_input[:, t], torch.addmm(bias, states[t], weight.T), states[t])
    return states.transpose(0, 1)


class _Gates(torch.autograd.Function):
    """The states after every step, given those before; backward walks through time."""

    @staticmethod
    def forward(ctx: Any, from_input: Tensor, from_state: Tensor, before: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(from_input, from_state, before, weight)
        return next_state(from_input, from_state, before)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        from_input, from_state, before, weight = ctx.saved_tensors
        width = before.shape[-1]
        reset, update = torch.sigmoid(from_input[..., : 2 * width] + from_state[..., : 2 * width]).chunk(2, dim=-1)
        candidate = from_state[..., 2 * width :]
        new = torch.tanh(torch.addcmul(from_input[..., 2 * width :], reset, candidate))
        # d h'/d (pre-activation), per gate and step; the walk only multiplies by the gradient that arrives.
        by_new = (1 - update) * (1 - new * new)
        by_reset = by_new * candidate * reset * (1 - reset)
        by_update = (before - new) * update * (1 - update)
        slopes = (
            torch.cat([by_reset, by_update, by_new], dim=-1)
            .view(*before.shape[:-1], 3, width)
            .transpose(0, 1)
            .contiguous()
        )
        to_state = (
            torch.stack([torch.ones_like(reset), torch.ones_like(reset), reset], dim=-2).transpose(0, 1).contiguous()
        )
        keep = update.transpose(0, 1).contiguous()
        arriving = grads[0].transpose(0, 1)
        grad_input = torch.empty_like(slopes)
        carry = torch.zeros_like(arriving[0])
        for t in range(arriving.shape[0] - 1, -1, -1):
            total = arriving[t] + carry
            torch.mul(slopes[t], total[:, None], out=grad_input[t])
            carry = torch.addmm(total * keep[t], (grad_input[t] * to_state[t]).flatten(1), weight)
        grad_state = grad_input * to_state
        return grad_input.flatten(2).transpose(0, 1), grad_state.flatten(2).transpose(0, 1), None, None
