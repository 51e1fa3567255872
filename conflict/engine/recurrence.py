"""GRU and LSTM such that their weight gradients are ordinary matrix products.

Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder"; Hochreiter & Schmidhuber 1997,
"Long Short-Term Memory"; gates as in `torch.nn.GRU` and `torch.nn.LSTM`.
Departs: the recurrence runs once without autograd and keeps its gates. To autograd it then is (linear map of all
previous states) followed by (gates), whose backward pass alone walks through time. So the recurrent matrix is one
linear map of all steps, and everything that handles linear maps (per-task gradients, counting) handles it too.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from conflict.engine.unwatched import unwatched

Call = Callable[..., Any]


def known_linear(
    input: Float[Tensor, "*rows in"],
    weight: Float[Tensor, "out in"],
    bias: Float[Tensor, " out"] | None,
    output: Float[Tensor, "*rows out"],
) -> Float[Tensor, "*rows out"]:
    """``F.linear(input, weight, bias)`` whose value is known already: ``output``. No gradient flows to the input."""
    if has_torch_function((input, weight, bias, output)):
        result: Tensor = handle_torch_function(known_linear, (input, weight, bias, output), input, weight, bias, output)
        return result
    known: Tensor = _KnownLinear.apply(input, weight, bias, output)  # type: ignore[no-untyped-call]
    return known


class _KnownLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, output: Tensor) -> Tensor:
        ctx.save_for_backward(input)
        return output.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor | None, Tensor | None, None]:
        (input,) = ctx.saved_tensors
        grad = grads[0].flatten(0, -2)
        weight = grad.T @ input.flatten(0, -2) if ctx.needs_input_grad[1] else None
        return None, weight, grad.sum(dim=0) if ctx.needs_input_grad[2] else None, None


def _directly(func: Call, *args: Any) -> Any:
    return func(*args)


def gru(
    from_input: Float[Tensor, "batch time gates"],
    weight: Float[Tensor, "gates width"],
    bias: Float[Tensor, " gates"] | None,
    start: Float[Tensor, "batch width"] | None = None,
    *,
    call: Call = _directly,
) -> Float[Tensor, "batch time width"]:
    """The states after all steps.

    Args:
        from_input: the input's part of the gates' pre-activations (reset, update, candidate).
        weight: of the recurrent map, as are the biases.
        start: state before the first step; zero without it.
        call: calls ``known_linear``, for those who watch it.
    """
    if start is None:
        start = from_input.new_zeros(len(from_input), weight.shape[1])
    with torch.no_grad():
        before, from_state, gates, after = _gru_states(from_input, weight, bias, start)
    known = call(known_linear, before, weight, bias, from_state)
    states: Tensor = _GRUGates.apply(from_input, known, before, gates, after, weight.detach(), start)  # type: ignore[no-untyped-call]
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


@unwatched
def _gru_states(
    from_input: Tensor, weight: Tensor, bias: Tensor | None, start: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The state before every step, the recurrent map of it, the gates, and the state after: all [batch, time, ...]
    (time first in memory)."""
    (batch, length, three), width = from_input.shape, weight.shape[1]
    states = from_input.new_empty(length + 1, batch, width)
    from_state, gates = from_input.new_empty(length, batch, three), from_input.new_empty(length, batch, three)
    states[0] = start
    across = weight.T.contiguous()
    offset = from_input.new_zeros(three) if bias is None else bias.to(from_input.dtype)
    across = across.to(from_input.dtype)
    # All slices beforehand: one by one they would cost as much as some of the products.
    state_t, u_t = states.unbind(), from_state.unbind()
    both_t, x_both_t, u_both_t = (
        part[..., : 2 * width].unbind(axis) for part, axis in ((gates, 0), (from_input, 1), (from_state, 0))
    )
    x_new_t, u_new_t = from_input[..., 2 * width :].unbind(1), from_state[..., 2 * width :].unbind()
    reset_t, update_t, new_t = (part.unbind() for part in gates.chunk(3, dim=-1))
    for t in range(length):
        torch.addmm(offset, state_t[t], across, out=u_t[t])
        torch.add(x_both_t[t], u_both_t[t], out=both_t[t]).sigmoid_()
        torch.addcmul(x_new_t[t], reset_t[t], u_new_t[t], out=new_t[t]).tanh_()
        torch.lerp(new_t[t], state_t[t], update_t[t], out=state_t[t + 1])
    before, after = states[:-1], states[1:]
    return before.transpose(0, 1), from_state.transpose(0, 1), gates.transpose(0, 1), after.transpose(0, 1)


class _GRUGates(torch.autograd.Function):
    """The states after every step, given those before; backward walks through time."""

    @staticmethod
    def forward(
        ctx: Any,
        from_input: Tensor,
        from_state: Tensor,
        before: Tensor,
        gates: Tensor,
        after: Tensor,
        weight: Tensor,
        start: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(from_state, before, gates, weight)
        return after.contiguous()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        by_input, by_state, carry = _gru_gradients(ctx.saved_tensors, grads[0])  # saved: may run a checkpointed part
        return by_input, by_state, None, None, None, None, carry


@unwatched
def _gru_gradients(saved: Sequence[Tensor], grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the input's part, of the recurrent map and of the first state."""
    from_state, before, gates, weight = (x.transpose(0, 1) if x.dim() == 3 else x.to(grad.dtype) for x in saved)
    width = before.shape[-1]
    reset, update, new = gates.chunk(3, dim=-1)
    candidate = from_state[..., 2 * width :]
    # d h'/d (pre-activation), per gate and step; the walk only multiplies by the gradient that arrives.
    slopes = gates.new_empty(*before.shape[:2], 3, width)
    by_reset, by_update, by_new = slopes.unbind(2)
    torch.addcmul(_ONE.to(new), new, new, value=-1, out=by_new).mul_(1 - update)
    torch.mul(by_new, candidate, out=by_reset).mul_(_slope(reset))
    torch.sub(before, new, out=by_update).mul_(_slope(update))
    grad_input, grad_state = torch.empty_like(slopes), torch.empty_like(slopes)
    input_t, state_t, state_new_t = grad_input.unbind(), grad_state.unbind(), grad_state[:, :, 2].unbind()
    flat_t = grad_state.view(*grad_state.shape[:2], -1).unbind()
    slope_t, arriving_t, reset_t, update_t = slopes.unbind(), grad.unbind(1), reset.unbind(), update.unbind()
    carry = torch.zeros_like(arriving_t[0])
    for t in range(len(arriving_t) - 1, -1, -1):
        total = arriving_t[t] + carry
        torch.mul(slope_t[t], total[:, None], out=input_t[t])
        state_t[t].copy_(input_t[t])
        state_new_t[t].mul_(reset_t[t])
        carry = torch.addmm(total.mul_(update_t[t]), flat_t[t], weight)
    return _by_batch(grad_input), _by_batch(grad_state), carry


def lstm(
    from_input: Float[Tensor, "batch time gates"],
    weight: Float[Tensor, "gates width"],
    bias: Float[Tensor, " gates"] | None,
    start: Float[Tensor, "batch width"],
    start_cell: Float[Tensor, "batch width"],
    *,
    call: Call = _directly,
) -> tuple[Float[Tensor, "batch time width"], Float[Tensor, "batch width"]]:
    """The states after all steps, and the cell after the last; arguments as for ``gru`` (input, forget, cell,
    output)."""
    with torch.no_grad():
        before, from_state, gates, cells, after = _lstm_states(from_input, weight, bias, start, start_cell)
    known = call(known_linear, before, weight, bias, from_state)
    states, cell = _LSTMGates.apply(from_input, known, gates, cells, after, weight.detach(), start, start_cell)  # type: ignore[no-untyped-call]
    return states, cell


@unwatched
def _lstm_states(
    from_input: Tensor, weight: Tensor, bias: Tensor | None, start: Tensor, start_cell: Tensor
) -> tuple[Tensor, ...]:
    """The state before every step, the recurrent map of it, the gates, the cells before the first step and after
    every step, and the state after: time first in memory."""
    (batch, length, four), width = from_input.shape, weight.shape[1]
    states, cells = (from_input.new_empty(length + 1, batch, width) for _ in range(2))
    from_state, gates = from_input.new_empty(length, batch, four), from_input.new_empty(length, batch, four)
    states[0], cells[0] = start, start_cell
    across = weight.T.contiguous().to(from_input.dtype)
    offset = from_input.new_zeros(four) if bias is None else bias.to(from_input.dtype)
    for t in range(length):
        u, g = from_state[t], gates[t]
        torch.addmm(offset, states[t], across, out=u)
        torch.add(from_input[:, t], u, out=g)
        g[:, : 2 * width].sigmoid_()
        g[:, 2 * width : 3 * width].tanh_()
        g[:, 3 * width :].sigmoid_()
        enter, forget, new, leave = g.chunk(4, dim=-1)
        torch.mul(forget, cells[t], out=cells[t + 1]).addcmul_(enter, new)
        torch.tanh(cells[t + 1], out=states[t + 1]).mul_(leave)
    swapped = [x.transpose(0, 1) for x in (states[:-1], from_state, gates, cells, states[1:])]
    return tuple(swapped)


class _LSTMGates(torch.autograd.Function):
    """The states after every step and the last cell, given the states before; backward walks through time."""

    @staticmethod
    def forward(
        ctx: Any,
        from_input: Tensor,
        from_state: Tensor,
        gates: Tensor,
        cells: Tensor,
        after: Tensor,
        weight: Tensor,
        start: Tensor,
        start_cell: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(gates, cells, weight)
        return after.contiguous(), cells[:, -1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        by_gates, carry, cell_carry = _lstm_gradients(ctx.saved_tensors, *grads)
        return by_gates, by_gates, None, None, None, None, carry, cell_carry


@unwatched
def _lstm_gradients(saved: Sequence[Tensor], grad: Tensor, cell_carry: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the pre-activations, of the first state and of the first cell."""
    gates, cells, weight = (x.transpose(0, 1) if x.dim() == 3 else x.to(grad.dtype) for x in saved)
    enter, forget, new, leave = gates.chunk(4, dim=-1)
    squashed = torch.tanh(cells[1:])
    # Slopes of the next cell in three gates; of the state in the cell and in the fourth gate.
    slopes = gates.new_empty(*enter.shape[:2], 4, enter.shape[-1])
    by_enter, by_forget, by_new, by_leave = slopes.unbind(2)
    torch.mul(new, _slope(enter), out=by_enter)
    torch.mul(cells[:-1], _slope(forget), out=by_forget)
    torch.mul(enter, 1 - new * new, out=by_new)
    torch.mul(squashed, _slope(leave), out=by_leave)
    to_cell = (1 - squashed * squashed).mul_(leave)
    arriving = grad.transpose(0, 1)
    grad_gates = torch.empty_like(slopes)
    carry = torch.zeros_like(arriving[0])
    for t in range(len(arriving) - 1, -1, -1):
        total, here = arriving[t] + carry, grad_gates[t]
        cell = torch.addcmul(cell_carry, total, to_cell[t])
        torch.mul(slopes[t, :, :3], cell[:, None], out=here[:, :3])
        torch.mul(slopes[t, :, 3], total, out=here[:, 3])
        cell_carry = cell.mul_(forget[t])
        carry = here.view(len(here), -1) @ weight
    return _by_batch(grad_gates), carry, cell_carry


_ONE = torch.ones(())


def _slope(gate: Tensor) -> Tensor:
    """The slope of a sigmoid from its value."""
    return gate * (1 - gate)


def _by_batch(values: Tensor) -> Tensor:
    """[time, batch, gate, width] -> [batch, time, gates x width], contiguous."""
    return values.flatten(2).transpose(0, 1).contiguous()
