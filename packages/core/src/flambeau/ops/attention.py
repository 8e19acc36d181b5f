"""Attention: queries look at keys and take mixtures of values."""

from __future__ import annotations

import math
from typing import Any

from .._base.checks import check
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .comparison import where
from .creation import full, zeros
from .dropout import dropout
from .joining import cat, pad_constant
from .matrix import linear, matmul
from .precision import in_float32
from .softmax import softmax


@composite(method=False, opmath=True)
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
):
    """softmax(Q Kᵀ · scale + mask) V over the last two dimensions; `scale` is 1/sqrt(E) unless given.

    Query (..., L, E), key (..., S, E), value (..., S, Ev) to (..., L, Ev). A boolean mask is True where
    a query may look, another is added to the scores. `is_causal` lets a query see only what is not
    behind it. `enable_gqa` lets groups of query heads share a key head.

    >>> import flambeau
    >>> x = flambeau.ones(1, 2, 4)
    >>> flambeau.ops.attention.scaled_dot_product_attention(x, x, x).shape
    flambeau.Size([1, 2, 4])
    """
    check(
        min(query.ndim, key.ndim, value.ndim) >= 2,
        lambda: (
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        ),
    )
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        times = query.shape[-3] // key.shape[-3]
        key = key.repeat_interleave(times, -3)
        value = value.repeat_interleave(times, -3)
    scores = matmul(query * _scale(query, scale), key.mT)
    if attn_mask is None or attn_mask.dtype.name != "bool":
        mask = _causal(query, key, attn_mask) if is_causal else attn_mask
        weights = softmax(scores if mask is None else scores + mask, -1)
    else:
        _refuse_both(attn_mask, is_causal)
        # A query that may look at nothing gets zeros, and gives a gradient of zeros, not nan.
        some = attn_mask.any(-1, True)
        scores = where(attn_mask | ~some, scores, float("-inf"))
        weights = where(some, softmax(scores, -1), 0.0)
    return matmul(dropout(weights, dropout_p, dropout_p > 0), value)


def _scale(query: Tensor, scale: float | None) -> float:
    return 1 / math.sqrt(query.shape[-1]) if scale is None else scale


def _refuse_both(mask: Tensor | None, is_causal: bool) -> None:
    check(
        mask is None or not is_causal,
        lambda: (
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        ),
    )


def _causal(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    """Minus infinity where the key lies behind the query."""
    _refuse_both(mask, True)
    shape = (query.shape[-2], key.shape[-2])
    return full(shape, float("-inf"), dtype=query.dtype, device=query.device).triu(1)


def canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: Any,
    other_name: str,
    target_type: Any,
    check_other: bool = True,
) -> Tensor | None:
    """A mask as numbers to add: minus infinity where a boolean one is True."""
    if mask is None:
        return None
    is_bool = mask.dtype.name == "bool"
    check(
        is_bool or mask.dtype.is_floating_point,
        lambda: f"only bool and floating types of {mask_name} are supported",
        AssertionError,
    )
    if check_other and other_type is not None and mask.dtype is not other_type:
        import warnings

        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for "
            "both instead.",
            stacklevel=4,
        )
    if not is_bool:
        return mask
    return where(mask, float("-inf"), zeros((), dtype=target_type, device=mask.device))


def _projected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    in_weight: Tensor | None,
    in_bias: Tensor | None,
    separate: tuple[Tensor | None, ...],
) -> tuple[Tensor, ...]:
    """Queries, keys and values through their projections; one product where they are the same."""
    if in_weight is None:
        weights = separate
    elif query is key and key is value:
        return linear(query, in_weight, in_bias).chunk(3, -1)
    else:
        weights = in_weight.chunk(3)
    biases = (None,) * 3 if in_bias is None else in_bias.chunk(3)
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))


def multi_head_attention_forward(
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
) -> tuple[Tensor, Tensor | None]:
    """What `nn.MultiheadAttention` computes: query (L, N, E) or (L, E), key and value (S, N, E).

    >>> import flambeau
    >>> x, w, o = flambeau.ones(3, 1, 4), flambeau.ones(12, 4), flambeau.eye(4)
    >>> flambeau.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 4, 2, w, None, None, None, False, 0.0, o, None)[0].shape
    flambeau.Size([3, 1, 4])
    """
    _is_single(query, key, value, key_padding_mask, attn_mask, num_heads)
    return in_float32(
        _multi_head_attention, query, key, value, embed_dim_to_check, num_heads, in_proj_weight,
        in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training,
        key_padding_mask, need_weights, attn_mask, use_separate_proj_weight, q_proj_weight, k_proj_weight,
        v_proj_weight, static_k, static_v, average_attn_weights, is_causal,
    )  # fmt: skip


def _multi_head_attention(
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
    training: bool,
    key_padding_mask: Tensor | None,
    need_weights: bool,
    attn_mask: Tensor | None,
    use_separate_proj_weight: bool,
    q_proj_weight: Tensor | None,
    k_proj_weight: Tensor | None,
    v_proj_weight: Tensor | None,
    static_k: Tensor | None,
    static_v: Tensor | None,
    average_attn_weights: bool,
    is_causal: bool,
) -> tuple[Tensor, Tensor | None]:
    single = query.ndim == 2
    if single:
        same = query is key and key is value
        query = query.unsqueeze(1)
        key, value = (query, query) if same else (key.unsqueeze(1), value.unsqueeze(1))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, embed_dim = query.shape
    check(
        embed_dim == embed_dim_to_check,
        lambda: f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed_dim}",
        AssertionError,
    )
    check(
        embed_dim % num_heads == 0,
        lambda: f"embed_dim {embed_dim} not divisible by num_heads {num_heads}",
        AssertionError,
    )
    check(
        not is_causal or attn_mask is not None,
        lambda: "Need attn_mask if specifying the is_causal hint.",
    )
    other = None if attn_mask is None else attn_mask.dtype
    key_padding_mask = canonical_mask(
        key_padding_mask, "key_padding_mask", other, "attn_mask", query.dtype
    )
    attn_mask = canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
    if attn_mask is not None and attn_mask.ndim == 2:
        attn_mask = attn_mask.unsqueeze(0)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    joint = None if use_separate_proj_weight else in_proj_weight
    q, k, v = _projected(query, key, value, joint, in_proj_bias, separate)
    added = 0
    if bias_k is not None and bias_v is not None:
        k = cat([k, bias_k.expand(1, batch, -1)])
        v = cat([v, bias_v.expand(1, batch, -1)])
        added += 1

    def split_heads(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], batch, num_heads, -1).permute(1, 2, 0, 3)

    q = split_heads(q)
    k = split_heads(k) if static_k is None else static_k.unflatten(0, (batch, num_heads))
    v = split_heads(v) if static_v is None else static_v.unflatten(0, (batch, num_heads))
    if add_zero_attn:
        row = (batch, num_heads, 1)
        k = cat([k, zeros(*row, k.shape[-1], dtype=k.dtype, device=k.device)], 2)
        v = cat([v, zeros(*row, v.shape[-1], dtype=v.dtype, device=v.device)], 2)
        added += 1
    mask = _merged_mask(attn_mask, key_padding_mask, batch, num_heads, added)
    rate = dropout_p if training else 0.0
    if need_weights:
        scores = matmul(q * (1 / math.sqrt(q.shape[-1])), k.mT)
        weights = softmax(scores if mask is None else scores + mask, -1)
        weights = dropout(weights, rate, rate > 0)
        out = matmul(weights, v)
    else:
        weights = None
        out = scaled_dot_product_attention(q, k, v, mask, rate)
    out = linear(out.permute(2, 0, 1, 3).reshape(length, batch, -1), out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if single:
        out = out.squeeze(1)
        weights = None if weights is None else weights.squeeze(0)
    return out, weights


def _is_single(query, key, value, key_padding_mask, attn_mask, num_heads) -> bool:
    """Whether there is no batch dimension; refuses shapes that do not fit together."""
    dims = query.ndim
    check(
        dims in (2, 3),
        lambda: (
            f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor"
        ),
        AssertionError,
    )
    kind = "unbatched (2-D)" if dims == 2 else "batched (3-D)"
    check(
        key.ndim == dims and value.ndim == dims,
        lambda: (
            f"For {kind} `query`, expected `key` and `value` to be {dims}-D but found {key.ndim}-D "
            f"and {value.ndim}-D tensors respectively"
        ),
        AssertionError,
    )
    check(
        key_padding_mask is None or key_padding_mask.ndim == dims - 1,
        lambda: (
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {dims - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead"
        ),
        AssertionError,
    )
    length, source = query.shape[0], key.shape[0]
    heads = num_heads * (query.shape[1] if dims == 3 else 1)
    allowed = ((length, source), (heads, length, source))
    check(
        attn_mask is None or attn_mask.ndim in (2, 3),
        lambda: f"attn_mask's dimension {attn_mask.ndim} is not supported",
    )
    check(
        attn_mask is None or tuple(attn_mask.shape) in allowed,
        lambda: (
            f"The shape of the {attn_mask.ndim}D attn_mask is {tuple(attn_mask.shape)}, but should be "
            f"{allowed[attn_mask.ndim - 2]}."
        ),
    )
    return dims == 2


def _merged_mask(attn_mask, key_padding_mask, batch, num_heads, added) -> Tensor | None:
    """Both masks as one (N, heads or 1, L or 1, S); what was added to the keys may be looked at."""
    if attn_mask is not None:
        rows = attn_mask.shape[0]
        attn_mask = attn_mask.unflatten(0, (batch, num_heads) if rows != 1 else (1, 1))
        attn_mask = _widened(attn_mask, added)
    if key_padding_mask is not None:
        key_padding_mask = _widened(key_padding_mask, added)[:, None, None, :]
        return key_padding_mask if attn_mask is None else attn_mask + key_padding_mask
    return attn_mask


def _widened(mask: Tensor, count: int) -> Tensor:
    if not count:
        return mask
    return pad_constant(mask, (*[(0, 0)] * (mask.ndim - 1), (0, count)), 0.0)
