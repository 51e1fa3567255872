"""GRU and LSTM such that their weight gradients are ordinary matrix products.

Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder"; Hochreiter & Schmidhuber 1997,
"Long Short-Term Memory"; gates as in `torch.nn.GRU` and `torch.nn.LSTM`.
Departs: learning runs the recurrence once without autograd and then repeats it in parallel as (linear map of the
previous states) + (gates), whose backward pass alone walks through time. So the recurrent matrix is applied to all
steps at once, and everything that handles linear maps (per-task gradients, counting) handles it too.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Map = Callable[[Tensor], Tensor]


def gru(
    from_input: Float[Tensor, "batch time gates"],
    recurrent: Map,
    weight: Float[Tensor, "gates width"],
    bias: Float[Tensor, " gates"],
    start: Float[Tensor, "batch width"] | None = None,
) -> Float[Tensor, "batch time width"]:
    """The states after all steps.

    Args:
        from_input: the input's part of the gates' pre-activations (reset, update, candidate).
        recurrent: the linear map with ``weight`` and ``bias``, for the states before all steps; its parameters get
            their gradients through it.
        start: state before the first step; zero without it.
    """
    weight = weight.detach()
    start = from_input.new_zeros(len(from_input), weight.shape[1]) if start is None else start
    with torch.no_grad():
        before = _gru_states(from_input, weight, bias, start)
    states: Tensor = _GRUGates.apply(from_input, recurrent(before), before, weight, start)  # type: ignore[no-untyped-call]
    return states


def gru_step(
    from_input: Float[Tensor, "*batch gates"],
    from_state: Float[Tensor, "*batch gates"],
    before: Float[Tensor, "*batch width"],
) -> Float[Tensor, "*batch width"]:
    """h' = (1 - z) n + z h with r, z = sigmoid(.), n = tanh(x_n + r u_n)."""
    width = before.shape[-1]
    reset, update = torch.sigmoid(from_input[..., : 2 * width] + from_state[..., : 2 * width]).chunk(2, dim=-1)
    new = torch.tanh(torch.addcmul(from_input[..., 2 * width :], reset, from_state[..., 2 * width :]))
    return torch.lerp(new, before, update)


def _gru_states(from_input: Tensor, weight: Tensor, bias: Tensor, start: Tensor) -> Tensor:
    """The state before every step."""
    batch, length, _ = from_input.shape
    states = from_input.new_empty(length, batch, weight.shape[1])
    states[0] = start
    for t in range(length - 1):
        states[t + 1] = gru_step(from_input[:, t], torch.addmm(bias, states[t], weight.T), states[t])
    return states.transpose(0, 1)


class _GRUGates(torch.autograd.Function):
    """The states after every step, given those before; backward walks through time."""

    @staticmethod
    def forward(
        ctx: Any, from_input: Tensor, from_state: Tensor, before: Tensor, weight: Tensor, start: Tensor
    ) -> Tensor:
        ctx.save_for_backward(from_input, from_state, before, weight)
        return gru_step(from_input, from_state, before)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, Tensor]:
        from_input, from_state, before, weight = ctx.saved_tensors
        width = before.shape[-1]
        reset, update = torch.sigmoid(from_input[..., : 2 * width] + from_state[..., : 2 * width]).chunk(2, dim=-1)
        candidate = from_state[..., 2 * width :]
        new = torch.tanh(torch.addcmul(from_input[..., 2 * width :], reset, candidate))
        # d h'/d (pre-activation), per gate and step; the walk only multiplies by the gradient that arrives.
        by_new = (1 - update) * (1 - new * new)
        by_reset = by_new * candidate * reset * (1 - reset)
        by_update = (before - new) * update * (1 - update)
        slopes = _by_time(torch.cat([by_reset, by_update, by_new], dim=-1), 3)
        to_state = _by_time(torch.cat([torch.ones_like(reset), torch.ones_like(reset), reset], dim=-1), 3)
        keep = update.transpose(0, 1).contiguous()
        arriving = grads[0].transpose(0, 1)
        grad_input = torch.empty_like(slopes)
        carry = torch.zeros_like(arriving[0])
        for t in range(len(arriving) - 1, -1, -1):
            total = arriving[t] + carry
            torch.mul(slopes[t], total[:, None], out=grad_input[t])
            carry = torch.addmm(total * keep[t], (grad_input[t] * to_state[t]).flatten(1), weight)
        grad_state = grad_input * to_state
        return grad_input.flatten(2).transpose(0, 1), grad_state.flatten(2).transpose(0, 1), None, None, carry


def lstm(
    from_input: Float[Tensor, "batch time gates"],
    recurrent: Map,
    weight: Float[Tensor, "gates width"],
    bias: Float[Tensor, " gates"],
    start: Float[Tensor, "batch width"],
    start_cell: Float[Tensor, "batch width"],
) -> tuple[Float[Tensor, "batch time width"], Float[Tensor, "batch width"]]:
    """The states after all steps, and the cell after the last; arguments as for ``gru`` (input, forget, cell,
    output)."""
    weight = weight.detach()
    with torch.no_grad():
        before, cells = _lstm_states(from_input, weight, bias, start, start_cell)
    states, cell = _LSTMGates.apply(from_input + recurrent(before), cells, weight, start, start_cell)  # type: ignore[no-untyped-call]
    return states, cell


def _lstm_states(
    from_input: Tensor, weight: Tensor, bias: Tensor, start: Tensor, start_cell: Tensor
) -> tuple[Tensor, Tensor]:
    """State and cell before every step."""
    batch, length, _ = from_input.shape
    states = from_input.new_empty(length, batch, weight.shape[1])
    cells = torch.empty_like(states)
    states[0], cells[0] = start, start_cell
    for t in range(length - 1):
        gates = torch.addmm(bias, states[t], weight.T).add_(from_input[:, t])
        states[t + 1], cells[t + 1] = _lstm_step(gates, cells[t])
    return states.transpose(0, 1), cells.transpose(0, 1)


def _lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """c' = f c + i g, h' = o tanh(c')."""
    enter, forget, new, leave = gates.chunk(4, dim=-1)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
    return torch.sigmoid(leave) * torch.tanh(cell), cell


class _LSTMGates(torch.autograd.Function):
    """The states after every step and the last cell, given the cells before; backward walks through time."""

    @staticmethod
    def forward(
        ctx: Any, gates: Tensor, cells: Tensor, weight: Tensor, start: Tensor, start_cell: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(gates, cells, weight)
        states, after = _lstm_step(gates, cells)
        return states, after[:, -1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, Tensor, Tensor]:
        gates, cells, weight = ctx.saved_tensors
        enter, forget, new, leave = gates.chunk(4, dim=-1)
        enter, forget, leave, new = torch.sigmoid(enter), torch.sigmoid(forget), torch.sigmoid(leave), torch.tanh(new)
        squashed = torch.tanh(forget * cells + enter * new)
        # Slopes of the next cell in three gates, and of the state in the cell and in the fourth gate.
        by_cell = _by_time(
            torch.cat([new * enter * (1 - enter), cells * forget * (1 - forget), enter * (1 - new * new)], dim=-1),
            3,
        )
        to_cell = (leave * (1 - squashed * squashed)).transpose(0, 1).contiguous()
        by_leave = (squashed * leave * (1 - leave)).transpose(0, 1).contiguous()
        keep = forget.transpose(0, 1).contiguous()
        arriving, cell_carry = grads[0].transpose(0, 1), grads[1]
        grad_gates = by_cell.new_empty(*by_cell.shape[:2], 4, by_cell.shape[-1])
        carry = torch.zeros_like(arriving[0])
        for t in range(len(arriving) - 1, -1, -1):
            total = arriving[t] + carry
            cell = torch.addcmul(cell_carry, total, to_cell[t])
            torch.mul(by_cell[t], cell[:, None], out=grad_gates[t, :, :3])
            torch.mul(by_leave[t], total, out=grad_gates[t, :, 3])
            cell_carry = cell * keep[t]
            carry = grad_gates[t].flatten(1) @ weight
        return grad_gates.flatten(2).transpose(0, 1), None, None, carry, cell_carry


def _by_time(values: Tensor, gates: int) -> Tensor:
    """[batch, time, gates x width] -> [time, batch, gate, width], contiguous."""
    batch, time, _ = values.shape
    return values.view(batch, time, gates, -1).transpose(0, 1).contiguous()
