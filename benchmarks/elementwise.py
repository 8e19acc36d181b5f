"""Operators that memory bounds, at 4 M floats: a matrix of 2048 × 2048 unless the name says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import elementwise_others
from harness import Bar, Case, Side, with_backward

TITLE = "Bandwidth operators"
TEXT = (
    "4,194,304 floats as 2048 × 2048, reductions and scans over the last dimension. The limit counts each input read "
    "once and each result written once."
)
BARS = [Bar(geomean=2.0, least=0.95)]
SHAPE = (2048, 2048)


def on(
    f: Callable[..., Any], inputs: int = 1, shape: tuple = SHAPE, backward: bool = False
) -> Callable:
    """A call of f(side, x, ...) on so many random tensors; with `backward` its gradient too."""

    def make(s: Side) -> Callable:
        xs = [s.normal(*shape, grad=backward) for _ in range(inputs)]
        return with_backward(s, lambda: f(s, *xs), *xs) if backward else lambda: f(s, *xs)

    return make


def case(f: Callable, read: float, written: float = 0, shape: tuple = SHAPE, **more: Any) -> Case:
    """A case on tensors of that shape that reads and writes so many times their bytes."""
    size = 4
    for n in shape:
        size *= n
    return Case(on(f, shape=shape, **more), read=read * size, written=written * size)


def layer_norm(shape: tuple = SHAPE, backward: bool = False) -> Callable:
    def make(s: Side) -> Callable:
        width = shape[-1]
        x, w, b = (s.normal(*n, grad=backward) for n in (shape, (width,), (width,)))

        def call() -> Any:
            return s.F.layer_norm(x, (width,), w, b)

        return with_backward(s, call, x, w, b) if backward else call

    return make


def indexed(
    f: Callable, high: int, index: tuple, shape: tuple = SHAPE, backward: bool = False
) -> Callable:
    """A call of f(side, x, index) with an index below `high`."""

    def make(s: Side) -> Callable:
        x, where = s.normal(*shape, grad=backward), s.integers(high, *index)
        return with_backward(s, lambda: f(s, x, where), x) if backward else lambda: f(s, x, where)

    return make


def gather(s: Side, x: Any, index: Any) -> Any:
    return x.gather(1, index)


def index_select(s: Side, x: Any, index: Any) -> Any:
    return x.index_select(0, index)


def embedding(s: Side, x: Any, index: Any) -> Any:
    return s.F.embedding(index, x)


VALUES = 4 * SHAPE[0] * SHAPE[1]  # bytes of the matrix
TABLE = (32768, 128)
CASES = {
    "add": case(lambda s, a, b: a + b, 2, 1, inputs=2),
    "mul_add_chain": case(lambda s, a, b, c: (a * b + c) * a + b, 3, 1, inputs=3),
    "exp": case(lambda s, x: x.exp(), 1, 1),
    "tanh": case(lambda s, x: x.tanh(), 1, 1),
    "sigmoid": case(lambda s, x: x.sigmoid(), 1, 1),
    "gelu": case(lambda s, x: s.F.gelu(x), 1, 1),
    "gelu_fwd_bwd": case(lambda s, x: s.F.gelu(x), 3, 2, backward=True),
    "relu": case(lambda s, x: x.relu(), 1, 1),
    "where": case(lambda s, a, b: s.lib.where(a > 0, a, b), 2, 1, inputs=2),
    "softmax": case(lambda s, x: x.softmax(-1), 1, 1),
    "softmax_fwd_bwd": case(lambda s, x: x.softmax(-1), 3, 2, backward=True),
    "log_softmax": case(lambda s, x: x.log_softmax(-1), 1, 1),
    "layer_norm": Case(layer_norm(), read=VALUES, written=VALUES),
    "layer_norm_fwd_bwd": Case(layer_norm(backward=True), read=3 * VALUES, written=2 * VALUES),
    "sum": case(lambda s, x: x.sum(), 1),
    "sum_dim0": case(lambda s, x: x.sum(0), 1),
    "sum_dim1": case(lambda s, x: x.sum(1), 1),
    "mean_dim1": case(lambda s, x: x.mean(1), 1),
    "max": case(lambda s, x: x.max(), 1),
    "max_dim1": case(lambda s, x: x.max(1), 1),
    "argmax_dim1": case(lambda s, x: x.argmax(1), 1),
    "sort": case(lambda s, x: x.sort(1)[0], 1, 3),
    "topk_10": case(lambda s, x: x.topk(10, 1), 1),
    "cumsum": case(lambda s, x: x.cumsum(1), 1, 1),
    "gather": Case(indexed(gather, SHAPE[1], SHAPE), read=3 * VALUES, written=VALUES),
    "gather_fwd_bwd": Case(
        indexed(gather, SHAPE[1], SHAPE, backward=True), read=6 * VALUES, written=2 * VALUES
    ),
    "index_select": Case(indexed(index_select, SHAPE[0], SHAPE[:1]), read=VALUES, written=VALUES),
    "index_select_fwd_bwd": Case(
        indexed(index_select, SHAPE[0], SHAPE[:1], backward=True),
        read=2 * VALUES,
        written=2 * VALUES,
    ),
    "embedding": Case(indexed(embedding, TABLE[0], TABLE[:1], TABLE), read=VALUES, written=VALUES),
    "embedding_fwd_bwd": Case(
        indexed(embedding, TABLE[0], TABLE[:1], TABLE, backward=True),
        read=2 * VALUES,
        written=2 * VALUES,
    ),
    "transpose_copy": case(lambda s, x: x.t().contiguous(), 1, 1),
    "cat": case(lambda s, a, b: s.lib.cat([a, b]), 2, 2, inputs=2),
    "to_int_and_back": case(lambda s, x: x.int().float(), 2, 2),
}
ODD = (1003, 1537)
HELD_OUT = {
    "sub_broadcast_row_1003x1537": case(lambda s, x: x - x[0], 1, 1, ODD),
    "mul_broadcast_column_1003x1537": case(lambda s, x: x * x[:, :1], 1, 1, ODD),
    "mul_transposed_777": case(lambda s, a, b: a * b.t(), 2, 1, (777, 777), inputs=2),
    "add_strided_2000x999": case(lambda s, x: x[:, ::2] + x[:, 1::2], 1, 0.5, (2000, 1998)),
    "sqrt_abs_333x333": case(lambda s, x: x.abs().sqrt(), 2, 2, (333, 333)),
    "erf_1003x1537": case(lambda s, x: x.erf(), 1, 1, ODD),
    "silu_fwd_bwd_1003x1537": case(lambda s, x: s.F.silu(x), 3, 2, ODD, backward=True),
    "softplus_513x1025": case(lambda s, x: s.F.softplus(x), 1, 1, (513, 1025)),
    "clamp_7x100003": case(lambda s, x: x.clamp(-1, 1), 1, 1, (7, 100_003)),
    "double_exp_1003x1537": case(lambda s, x: x.double().exp(), 2, 4, ODD),
    "bfloat16_add_1003x1537": case(lambda s, x: (x.bfloat16() + 1).float(), 2, 2, ODD),
    "softmax_dim0_1003x1537": case(lambda s, x: x.softmax(0), 1, 1, ODD),
    "softmax_32x12x127x127": case(lambda s, x: x.softmax(-1), 1, 1, (32, 12, 127, 127)),
    "log_softmax_fwd_bwd_100x32003": case(
        lambda s, x: x.log_softmax(1), 3, 2, (100, 32_003), backward=True
    ),
    "layer_norm_fwd_bwd_4095x100": Case(layer_norm((4095, 100), backward=True)),
    "group_norm_8x48x33x33": case(lambda s, x: s.F.group_norm(x, 6), 1, 1, (8, 48, 33, 33)),
    "sum_middle_64x129x257": case(lambda s, x: x.sum(1), 1, 0, (64, 129, 257)),
    "sum_two_64x129x257": case(lambda s, x: x.sum((0, 2)), 1, 0, (64, 129, 257)),
    "var_dim1_1003x1537": case(lambda s, x: x.var(1), 1, 0, ODD),
    "min_dim0_1003x1537": case(lambda s, x: x.min(0), 1, 0, ODD),
    "any_1003x1537": case(lambda s, x: (x > 9).any(), 1, 0, ODD),
    "logsumexp_1003x1537": case(lambda s, x: x.logsumexp(1), 1, 0, ODD),
    "norm_1003x1537": case(lambda s, x: x.norm(), 1, 0, ODD),
    "sort_dim0_1003x257": case(lambda s, x: x.sort(0)[0], 1, 3, (1003, 257)),
    "sort_flat_1000003": case(lambda s, x: x.sort()[0], 1, 3, (1_000_003,)),
    "topk_50_64x32003": case(lambda s, x: x.topk(50), 1, 0, (64, 32_003)),
    "cumsum_dim0_1003x1537": case(lambda s, x: x.cumsum(0), 1, 1, ODD),
    "cumprod_300x1000": case(lambda s, x: x.sigmoid().cumprod(1), 2, 2, (300, 1000)),
    "masked_fill_1003x1537": case(lambda s, x: x.masked_fill(x < 0, 0.0), 1, 1, ODD),
    "mask_index_1003x1537": case(lambda s, x: x[x > 0], 1, 0.5, ODD),
    "gather_dim0_1003x257": Case(
        indexed(lambda s, x, i: x.gather(0, i), 1003, (501, 257), (1003, 257))
    ),
    "scatter_add_1003x257": Case(
        indexed(lambda s, x, i: s.lib.zeros(1003, 257).scatter_add(0, i, x), 1003, (1003, 257), (1003, 257))
    ),
    "index_rows_5000x77": Case(indexed(lambda s, x, i: x[i], 5000, (7001,), (5000, 77))),
    "embedding_fwd_bwd_1000x300": Case(
        indexed(embedding, 1000, (20, 35), (1000, 300), backward=True)
    ),
    "permute_copy_8x65x33x17": case(
        lambda s, x: x.permute(0, 2, 3, 1).contiguous(), 1, 1, (8, 65, 33, 17)
    ),
    "cat_dim1_1003x511": case(lambda s, a, b: s.lib.cat([a, b, a], 1), 3, 3, (1003, 511), inputs=2),
    "stack_and_split_300x301": case(
        lambda s, a, b: s.lib.stack([a, b], -1).sum(0), 4, 2, (300, 301), inputs=2
    ),
    "pad_16x3x224x224": case(lambda s, x: s.F.pad(x, (1, 2, 3, 4)), 1, 1, (16, 3, 224, 224)),
    "flip_1003x1537": case(lambda s, x: x.flip(1), 1, 1, ODD),
    "bilinear_8x16x57x57": case(
        lambda s, x: s.F.interpolate(x, scale_factor=2, mode="bilinear"), 1, 4, (8, 16, 57, 57)
    ),
    "cross_entropy_fwd_bwd_700x5003": Case(
        indexed(lambda s, x, y: s.F.cross_entropy(x, y, reduction="none"), 5003, (700,), (700, 5003), backward=True)
    ),
}  # fmt: skip
HELD_OUT |= elementwise_others.HELD_OUT
