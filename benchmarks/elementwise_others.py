"""The rest of the held-out list of `elementwise`: arrays of middling size, and operators at 4 M floats that its table leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Case, Side

SHAPE = (2048, 2048)
MIDDLING = ((256, 256), (64, 1024))


def on(f: Callable[..., Any], shape: tuple = SHAPE, inputs: int = 1) -> Case:
    """f(side, x, ...) on so many random tensors."""

    def make(s: Side) -> Callable:
        xs = [s.normal(*shape) for _ in range(inputs)]
        return lambda: f(s, *xs)

    return Case(make)


def places(f: Callable[..., Any], high: int, index: tuple, shape: tuple = SHAPE) -> Case:
    """f(side, x, index) with an index below `high`."""

    def make(s: Side) -> Callable:
        x, where = s.normal(*shape), s.integers(high, *index)
        return lambda: f(s, x, where)

    return Case(make)


def positive(f: Callable[..., Any], shape: tuple = SHAPE) -> Case:
    """f(side, x) on a tensor of positive numbers."""

    def make(s: Side) -> Callable:
        x = s.normal(*shape).abs() + 0.1
        return lambda: f(s, x)

    return Case(make)


def middling() -> dict[str, Case]:
    """What the Python in front of C matters for."""
    found = {}
    for shape in MIDDLING:
        name = "x".join(map(str, shape))
        width = shape[-1:]
        found |= {
            f"add_{name}": on(lambda s, a, b: a + b, shape, 2),
            f"add_number_{name}": on(lambda s, x: x + 1.5, shape),
            f"mul_{name}": on(lambda s, a, b: a * b, shape, 2),
            f"relu_{name}": on(lambda s, x: x.relu(), shape),
            f"exp_{name}": on(lambda s, x: x.exp(), shape),
            f"gt_{name}": on(lambda s, x: x > 0, shape),
            f"clamp_{name}": on(lambda s, x: x.clamp(-1, 1), shape),
            f"sigmoid_{name}": on(lambda s, x: x.sigmoid(), shape),
            f"softmax_{name}": on(lambda s, x: x.softmax(-1), shape),
            f"layer_norm_{name}": on(lambda s, x, width=width: s.F.layer_norm(x, width), shape),
            f"sum_{name}": on(lambda s, x: x.sum(), shape),
            f"sum_dim1_{name}": on(lambda s, x: x.sum(1), shape),
            f"mean_{name}": on(lambda s, x: x.mean(), shape),
            f"max_{name}": on(lambda s, x: x.max(), shape),
            f"add_row_{name}": on(lambda s, x: x + x[0], shape),
            f"add_in_place_{name}": on(lambda s, a, b: a.add_(b), shape, 2),
            f"cat_{name}": on(lambda s, a, b: s.lib.cat([a, b]), shape, 2),
            f"transposed_{name}": on(lambda s, x: x.t().contiguous(), shape),
            f"where_{name}": on(lambda s, a, b: s.lib.where(a > 0, a, b), shape, 2),
        }
    return found


OTHERS = {
    "leaky_relu": on(lambda s, x: s.F.leaky_relu(x)),
    "silu": on(lambda s, x: s.F.silu(x)),
    "mish": on(lambda s, x: s.F.mish(x)),
    "hardswish": on(lambda s, x: s.F.hardswish(x)),
    "glu": on(lambda s, x: s.F.glu(x)),
    "pow_2": on(lambda s, x: x**2),
    "pow_1.7": positive(lambda s, x: x**1.7),
    "pow_tensor": positive(lambda s, x: x**x),
    "sqrt": positive(lambda s, x: x.sqrt()),
    "rsqrt": positive(lambda s, x: x.rsqrt()),
    "reciprocal": on(lambda s, x: x.reciprocal()),
    "abs": on(lambda s, x: x.abs()),
    "round": on(lambda s, x: x.round()),
    "sub": on(lambda s, a, b: a - b, inputs=2),
    "mul": on(lambda s, a, b: a * b, inputs=2),
    "div": on(lambda s, a, b: a / b, inputs=2),
    "floor_divide": on(lambda s, a, b: a // b, inputs=2),
    "remainder": on(lambda s, a, b: a % b, inputs=2),
    "remainder_number": on(lambda s, x: x % 0.7),
    "fmod": on(lambda s, a, b: s.lib.fmod(a, b), inputs=2),
    "maximum": on(lambda s, a, b: s.lib.maximum(a, b), inputs=2),
    "gt": on(lambda s, a, b: a > b, inputs=2),
    "masked_fill": on(lambda s, x: x.masked_fill(x < 0, 0.0)),
    "logical_and": on(lambda s, a, b: (a > 0) & (b > 0), inputs=2),
    "clamp": on(lambda s, x: x.clamp(-1, 1)),
    "clamp_min": on(lambda s, x: x.clamp(min=0.5)),
    "clamp_tensors": on(lambda s, x, a, b: x.clamp(a, b), inputs=3),
    "lerp": on(lambda s, a, b: a.lerp(b, 0.3), inputs=2),
    "lerp_tensor": on(lambda s, a, b, c: a.lerp(b, c), inputs=3),
    "addcmul": on(lambda s, a, b, c: a.addcmul(b, c, value=0.5), inputs=3),
    "addcdiv": on(lambda s, a, b, c: a.addcdiv(b, c.abs() + 1, value=0.5), inputs=3),
    "add_alpha": on(lambda s, a, b: a.add(b, alpha=0.5), inputs=2),
    "log": positive(lambda s, x: x.log()),
    "log1p": positive(lambda s, x: x.log1p()),
    "exp2": on(lambda s, x: x.exp2()),
    "expm1": on(lambda s, x: x.expm1()),
    "erf": on(lambda s, x: x.erf()),
    "sin": on(lambda s, x: x.sin()),
    "cos": on(lambda s, x: x.cos()),
    "atan": on(lambda s, x: x.atan()),
    "atan2": on(lambda s, a, b: s.lib.atan2(a, b), inputs=2),
    "asin": on(lambda s, x: x.asin().nan_to_num()),
    "hypot": on(lambda s, a, b: s.lib.hypot(a, b), inputs=2),
    "logaddexp": on(lambda s, a, b: s.lib.logaddexp(a, b), inputs=2),
    "lgamma": positive(lambda s, x: x.lgamma()),
    "softplus": on(lambda s, x: s.F.softplus(x)),
    "logsigmoid": on(lambda s, x: s.F.logsigmoid(x)),
    "nan_to_num": on(lambda s, x: x.nan_to_num()),
    "isfinite": on(lambda s, x: x.isfinite()),
    "float16_and_back": on(lambda s, x: x.half().float()),
    "bfloat16_and_back": on(lambda s, x: x.bfloat16().float()),
    "to_double": on(lambda s, x: x.double()),
    "to_int64": on(lambda s, x: x.long()),
    "to_bool": on(lambda s, x: x.bool()),
    "float16_mul": on(lambda s, x: (x.half() * 2).float()),
    "int64_add": on(lambda s, x: x.long() + 3),
    "any": on(lambda s, x: (x > 9).any()),
    "std": on(lambda s, x: x.std()),
    "norm": on(lambda s, x: x.norm()),
    "norm_dim1": on(lambda s, x: x.norm(dim=1)),
    "normalize": on(lambda s, x: s.F.normalize(x)),
    "cosine_similarity": on(lambda s, a, b: s.F.cosine_similarity(a, b), inputs=2),
    "prod_dim1": on(lambda s, x: (x * 0.01 + 1).prod(1)),
    "mean_dim0": on(lambda s, x: x.mean(0)),
    "mean_dim1": on(lambda s, x: x.mean(1)),
    "amax_dim0": on(lambda s, x: x.amax(0)),
    "amin_dim1": on(lambda s, x: x.amin(1)),
    "aminmax": on(lambda s, x: s.lib.aminmax(x)),
    "count_nonzero": on(lambda s, x: s.lib.count_nonzero(x > 0)),
    "int64_sum": on(lambda s, x: x.long().sum()),
    "bool_sum_dim1": on(lambda s, x: (x > 0).sum(1)),
    "logsumexp": on(lambda s, x: x.logsumexp(1)),
    "logsumexp_dim0": on(lambda s, x: x.logsumexp(0)),
    "cumprod": on(lambda s, x: (x * 0.01 + 1).cumprod(1)),
    "cumsum_dim0": on(lambda s, x: x.cumsum(0)),
    "logcumsumexp": on(lambda s, x: x.logcumsumexp(1)),
    "diff": on(lambda s, x: x.diff()),
    "tril": on(lambda s, x: x.tril()),
    "roll": on(lambda s, x: x.roll(5, 1)),
    "roll_dim0": on(lambda s, x: x.roll(5, 0)),
    "flip_dim0": on(lambda s, x: x.flip(0)),
    "repeat": on(lambda s, x: x.repeat(1, 2)),
    "repeat_interleave": on(lambda s, x: x.repeat_interleave(2, 1)),
    "expand_contiguous": on(lambda s, x: x[:, :1].expand(2048, 2048).contiguous()),
    "stack": on(lambda s, a, b: s.lib.stack([a, b]), inputs=2),
    "stack_last": on(lambda s, a, b: s.lib.stack([a, b], -1), inputs=2),
    "chunk_and_cat": on(lambda s, x: s.lib.cat(x.chunk(4, 1)[::-1], 1)),
    "pad": on(lambda s, x: s.F.pad(x, (1, 2, 3, 4))),
    "pad_reflect": on(
        lambda s, x: s.F.pad(x, (2, 2, 2, 2), mode="reflect"), (16, 16, 128, 128)
    ),
    "permute": on(lambda s, x: x.permute(0, 2, 1, 3).contiguous(), (16, 128, 32, 64)),
    "ones": on(lambda s, x: s.lib.ones(2048, 2048)),
    "linspace": on(lambda s, x: s.lib.linspace(0, 1, 4_194_304)),
    "copy": on(lambda s, a, b: a.copy_(b), inputs=2),
    "one_hot": places(lambda s, x, i: s.F.one_hot(i, 64), 64, (65536,), (1,)),
    "scatter": places(lambda s, x, i: x.scatter(1, i, 1.0), 2048, SHAPE),
    "scatter_add": places(lambda s, x, i: x.scatter_add(1, i, x), 2048, SHAPE),
    "scatter_reduce": places(
        lambda s, x, i: x.scatter_reduce(1, i, x, "amax"), 2048, SHAPE
    ),
    "index_add": places(lambda s, x, i: x.index_add(0, i, x), 2048, (2048,)),
    "index_select_dim1": places(lambda s, x, i: x.index_select(1, i), 2048, (2048,)),
    "index_two": places(lambda s, x, i: x[i, i.flip(0)], 2048, (1_000_000,)),
    "unique": places(lambda s, x, i: i.unique(), 10_000, (1_000_000,), (1,)),
    "bincount": places(lambda s, x, i: i.bincount(), 10_000, (4_000_000,), (1,)),
    "histc": on(lambda s, x: x.histc(100, -3, 3)),
    "searchsorted": on(lambda s, x: s.lib.searchsorted(x[0].sort()[0], x)),
    "bucketize": on(lambda s, x: s.lib.bucketize(x, x[0, :50].sort()[0])),
    "argsort": on(lambda s, x: x.argsort(dim=1, stable=True), (512, 2048)),
    "int64_sort": places(lambda s, x, i: i.sort()[0], 1_000_000, (1_000_000,), (1,)),
    "median": on(lambda s, x: x.median(), (1024, 1024)),
    "median_dim1": on(lambda s, x: x.median(1)[0], (1024, 1024)),
    "nonzero": on(lambda s, x: (x > 0).nonzero()),
    "where_number": on(lambda s, x: s.lib.where(x > 0, x, 0.0)),
    "outer": on(lambda s, x: s.lib.outer(x[0], x[1])),
    "cdist": on(lambda s, a, b: s.lib.cdist(a, b), (512, 64), 2),
    "cross": on(lambda s, a, b: s.lib.linalg.cross(a, b), (1_000_000, 3), 2),
    "trace": on(lambda s, x: x.trace()),
    "complex_mul": on(lambda s, a, b: (c := s.lib.complex(a, b)) * c, (1024, 1024), 2),
    "mse_loss": on(lambda s, a, b: s.F.mse_loss(a, b), inputs=2),
    "pixel_shuffle": on(lambda s, x: s.F.pixel_shuffle(x, 2), (16, 64, 64, 64)),
}  # fmt: skip
HELD_OUT = OTHERS | middling()
