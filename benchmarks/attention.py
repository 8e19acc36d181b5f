"""Scaled-dot-product attention, as the function and spelled out in products and a softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from harness import Bar, Case, Side, with_backward

TITLE = "Attention"
TEXT = (
    "8 sequences, 8 heads, 256 positions of 64 features, causal. The limit counts the half of the scores that is "
    "needed. That memory grows linearly with the positions is measured with [memory](#memory)."
)
BARS = [Bar("sdpa_causal_fwd_bwd", geomean=2.5)]


def sdpa(s: Side, q: Any, k: Any, v: Any, causal: bool) -> Any:
    return s.F.scaled_dot_product_attention(q, k, v, is_causal=causal)


def masked(s: Side, q: Any, k: Any, v: Any, causal: bool) -> Any:
    """With a mask of its own that lets all but the last three keys be seen."""
    mask = s.lib.zeros(1, 1, q.shape[-2], k.shape[-2])
    mask[..., -3:] = -1e9
    return s.F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def spelled_out(s: Side, q: Any, k: Any, v: Any, causal: bool) -> Any:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if causal:
        later = s.lib.ones(q.shape[-2], k.shape[-2], dtype=s.lib.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    return scores.softmax(-1) @ v


def attention(
    f: Callable,
    shape: tuple[int, int, int, int] = (8, 8, 256, 64),
    keys: int | None = None,
    causal: bool = True,
    backward: bool = False,
) -> Case:
    """Attention of queries (batch, heads, positions, features) to as many keys, or `keys` of them."""
    *heads, positions, features = shape
    others = keys or positions

    def make(s: Side) -> Callable:
        q = s.normal(*shape, grad=backward)
        k, v = (s.normal(*heads, others, features, grad=backward) for _ in range(2))
        if backward:
            return with_backward(s, lambda: f(s, q, k, v, causal), q, k, v)
        return lambda: f(s, q, k, v, causal)

    flops = 4 * math.prod(shape) * others / (2 if causal else 1)
    return Case(make, flops=flops * (3.5 if backward else 1))


WAYS = {"fwd": False, "fwd_bwd": True}
CASES = {
    f"{name}_{way}": attention(f, backward=backward)
    for name, f in {"sdpa_causal": sdpa, "spelled_out": spelled_out}.items()
    for way, backward in WAYS.items()
}
HELD_OUT = {
    f"{name}.{way}": attention(f, shape, keys, causal, backward)
    for name, (f, shape, keys, causal) in {
        "sdpa_4x6x197x32": (sdpa, (4, 6, 197, 32), None, False),
        "sdpa_causal_1x12x1025x64": (sdpa, (1, 12, 1025, 64), None, True),
        "sdpa_cross_2x8x33x48_keys501": (sdpa, (2, 8, 33, 48), 501, False),
        "sdpa_one_query_16x12x1x64_keys300": (sdpa, (16, 12, 1, 64), 300, False),
        "sdpa_causal_64x2x17x16": (sdpa, (64, 2, 17, 16), None, True),
        "sdpa_mask_4x4x130x80": (masked, (4, 4, 130, 80), None, False),
        "spelled_out_4x4x99x40": (spelled_out, (4, 4, 99, 40), None, False),
    }.items()
    for way, backward in WAYS.items()
}
