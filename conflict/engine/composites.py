"""Operations that are many in one: torch's recurrent layers and its attention, written out so that their parts have
rules.

Source: Vaswani et al. 2017, "Attention Is All You Need", Section 3.2; see `conflict.engine.recurrence` for the others.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conflict.engine.recurrence import gru, lstm

Call = Callable[..., Any]
"""An operation under watch: call(function, *args)."""


def recurrent_layers(
    call: Call,
    kind: str,
    x: Tensor,
    state: Any,
    weights: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    """What ``torch.gru`` or ``torch.lstm`` puts out, with the arguments that ``nn.GRU`` and ``nn.LSTM`` give them.

    Returns None for what is not covered: packed sequences, projections.
    """
    per_layer = 4 if has_biases else 2
    directions = 2 if bidirectional else 1
    if not isinstance(x, Tensor) or x.dim() != 3 or len(weights) != per_layer * num_layers * directions:
        return None
    x = x if batch_first else x.transpose(0, 1)
    ends: list[tuple[Tensor, ...]] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            place = layer * directions + direction
            w_ih, w_hh, *biases = weights[place * per_layer : (place + 1) * per_layer]
            b_ih, b_hh = biases or (None, None)
            given = x.flip(1) if direction else x
            from_input = call(F.linear, given, w_ih, b_ih)
            if kind == "gru":
                states = gru(from_input, w_hh, b_hh, state[place].to(from_input), call=call)
                ends.append((states[:, -1],))
            else:
                start, cell = (part[place].to(from_input) for part in state)
                states, cell = lstm(from_input, w_hh, b_hh, start, cell, call=call)
                ends.append((states[:, -1], cell))
            outputs.append(states.flip(1) if direction else states)
        x = outputs[0] if directions == 1 else torch.cat(outputs, dim=-1)
        if dropout and train and layer < num_layers - 1:
            x = F.dropout(x, dropout)
    last = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
    return (x if batch_first else x.transpose(0, 1), *last)


def attention(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> Any:
    """What ``F.multi_head_attention_forward`` puts out for sequences [time, batch, width].

    Returns None for what is not covered: attention weights as an output, keys from elsewhere.
    """
    if need_weights or bias_k is not None or bias_v is not None or add_zero_attn or query.dim() != 3:
        return None
    if static_k is not None or static_v is not None:
        return None
    width, (length, batch, _) = query.shape[-1], query.shape
    biases: Sequence[Tensor | None] = (None,) * 3
    if in_proj_weight is None:
        weights: Sequence[Any] = (q_proj_weight, k_proj_weight, v_proj_weight)
        biases = biases if in_proj_bias is None else call(torch.chunk, in_proj_bias, 3)
    elif query is key and key is value:
        weights = ()
    else:
        weights = call(torch.chunk, in_proj_weight, 3)
        biases = biases if in_proj_bias is None else call(torch.chunk, in_proj_bias, 3)
    if weights:
        q, k, v = (
            call(F.linear, x.transpose(0, 1), w, b)
            for x, w, b in zip((query, key, value), weights, biases, strict=True)
        )
    else:
        q, k, v = call(F.linear, query.transpose(0, 1), in_proj_weight, in_proj_bias).chunk(3, dim=-1)
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (q, k, v))
    mask = _mask(attn_mask, key_padding_mask, batch, num_heads, q)
    causal = is_causal and key_padding_mask is None and attn_mask is not None
    mixed = F.scaled_dot_product_attention(
        q, k, v, None if causal else mask, dropout_p if training else 0.0, is_causal=causal
    )
    out = call(F.linear, mixed.transpose(1, 2).reshape(batch, length, width), out_proj_weight, out_proj_bias)
    return out.transpose(0, 1), None


def _mask(attention_mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, like: Tensor) -> Tensor | None:
    """Both masks as one that is added to the scores."""
    total: Tensor | None = None
    for mask in (attention_mask, padding):
        if mask is None:
            continue
        added = (
            torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, float("-inf"))
            if mask.dtype == torch.bool
            else mask
        )
        if mask is padding:
            added = added[:, None, None, :]
        elif added.dim() == 3:
            added = added.unflatten(0, (batch, heads))
        total = added if total is None else total + added
    return total
