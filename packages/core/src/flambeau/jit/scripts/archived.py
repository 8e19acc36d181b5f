"""Operators of archives that flambeau has under other names or in parts: packed sequences, attention in one call, spectra.

What PyTorch computes here by a kernel of its own for predictions is composed of the functions that modules use.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ...nn.utils import rnn
from ...runtime.tensor import Tensor


def _functional(name: str) -> Any:
    return getattr(import_module("flambeau.nn.functional"), name)


def _pack(x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    packed = rnn.pack_padded_sequence(x, lengths, batch_first)
    return packed.data, packed.batch_sizes


def _pad(data: Tensor, sizes: Tensor, batch_first: bool, value: float, length: int) -> Any:
    total = length if length > 0 else None
    return rnn.pad_packed_sequence(rnn.PackedSequence(data, sizes), batch_first, value, total)


def _attention(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_head: int, qkv_weight: Tensor, qkv_bias: Any,
    proj_weight: Tensor, proj_bias: Any, mask: Any = None, need_weights: bool = True, average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> Any:  # fmt: skip
    """Attention of several heads, the batch first: for predictions."""
    out, weights = _functional("multi_head_attention_forward")(
        query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), embed_dim, num_head, qkv_weight, qkv_bias,
        None, None, False, 0.0, proj_weight, proj_bias, training=False, need_weights=need_weights,
        average_attn_weights=average_attn_weights, **_mask(mask, mask_type, num_head),
    )  # fmt: skip
    return out.transpose(0, 1), weights


def _mask(mask: Any, kind: int | None, heads: int) -> dict[str, Any]:
    """Masks of pairs (0), of keys (1), or of both together (2: batch, heads, queries, keys)."""
    if mask is None:
        return {}
    if kind == 1:
        return {"key_padding_mask": mask}
    return {"attn_mask": mask.flatten(0, 1) if mask.dim() == 4 else mask}


def _encoder_layer(
    x: Tensor, embed_dim: int, num_heads: int, qkv_weight: Tensor, qkv_bias: Tensor, proj_weight: Tensor,
    proj_bias: Tensor, use_gelu: bool, norm_first: bool, eps: float, weight1: Tensor, bias1: Tensor, weight2: Tensor,
    bias2: Tensor, ffn1: Tensor, ffn_bias1: Tensor, ffn2: Tensor, ffn_bias2: Tensor, mask: Any = None,
    mask_type: int | None = None,
) -> Tensor:  # fmt: skip
    """A layer of a transformer's encoder."""
    linear, norm = _functional("linear"), _functional("layer_norm")
    act = _functional("gelu" if use_gelu else "relu")

    def attend(y: Tensor) -> Tensor:
        return _attention(
            y, y, y, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, False, True, mask_type,
        )[0]  # fmt: skip

    def feed(y: Tensor) -> Tensor:
        return linear(act(linear(y, ffn1, ffn_bias1)), ffn2, ffn_bias2)

    first, second = (
        lambda y: norm(y, [embed_dim], weight1, bias1, eps),
        lambda y: norm(y, [embed_dim], weight2, bias2, eps),
    )
    if norm_first:
        x = x + attend(first(x))
        return x + feed(second(x))
    x = first(x + attend(x))
    return second(x + feed(x))


def _stft(
    x: Tensor, n_fft: int, hop_length: Any = None, win_length: Any = None, window: Any = None, *rest: Any, **named: Any
) -> Tensor:  # fmt: skip
    """Without `center`, which TorchScript's code does by `pad` before; newer code has it here."""
    names = ["normalized", "onesided", "return_complex", "align_to_window"]
    if len(rest) > 1 and isinstance(rest[1], str):
        names[:0] = ["center", "pad_mode"]
    options = {"center": False, **dict(zip(names, rest)), **named}
    function = import_module("flambeau").stft
    return function(x, n_fft, hop_length, win_length, window, **options)


def _each(name: str) -> Callable[..., Any]:
    """A function of several tensors, which code gives as a list."""
    return lambda tensors: getattr(import_module("flambeau"), name)(*tensors)


def _indexed_pool(name: str) -> Callable[..., Any]:
    """Pooling that gives the places of the greatest too."""

    def call(x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil: bool = False) -> Any:  # fmt: skip
        pool = _functional(name)
        return pool(x, kernel, stride or None, padding, dilation, ceil, return_indices=True)

    return call


def _adaptive(name: str) -> Callable[..., Any]:
    return lambda x, size: _functional(name)(x, list(size), return_indices=True)


def _unpooled(x: Tensor, places: Tensor, size: Any, *_: Any) -> Tensor:
    """The opposite of pooling that gave places, into this size."""
    n = len(size)
    flat = x.new_zeros([*x.shape[:-n], math.prod(size)])
    return flat.scatter(-1, places.flatten(-n), x.flatten(-n)).unflatten(-1, list(size))


ARCHIVED: dict[str, Callable[..., Any]] = {
    "_pack_padded_sequence": _pack, "_pad_packed_sequence": _pad, "_native_multi_head_attention": _attention,
    "_transformer_encoder_layer_fwd": _encoder_layer, "stft": _stft, "cartesian_prod": _each("cartesian_prod"), "block_diag": _each("block_diag"), "chain_matmul": _each("chain_matmul"),
    "tensordot": lambda a, b, of_a, of_b: import_module("flambeau").tensordot(a, b, (of_a, of_b)),
    "numpy_T": lambda x: x.T, "mT": lambda x: x.mT, "mH": lambda x: x.mH,
    "matrix_H": lambda x: x.mH, "max_unpool2d": _unpooled, "max_unpool3d": _unpooled,
    **{f"max_pool{n}d_with_indices": _indexed_pool(f"max_pool{n}d") for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": _adaptive(f"adaptive_max_pool{n}d") for n in (1, 2, 3)},
}  # fmt: skip
