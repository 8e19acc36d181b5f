"""Matrix products: squares, matrix times vector, batches, and the linear layer with its gradients."""

from __future__ import annotations

from collections.abc import Callable

from harness import Bar, Case, Side, with_backward

TITLE = "Matrix products"
TEXT = "Square products, a matrix times a vector, a batch, and a linear layer forward and backward."
BARS = [
    Bar(geomean=1.8, least=1.0),
    Bar("matmul_1024", of_limit=0.85),
    Bar("matmul_2048", of_limit=0.85),
]


def product(m: int, k: int, n: int, *batch: int, flip: str = "") -> Case:
    """A batch of (m, k) @ (k, n); `flip` names the operands that are transposed views of their memory."""

    def make(s: Side) -> Callable:
        a = s.normal(*batch, k, m).mT if "a" in flip else s.normal(*batch, m, k)
        b = s.normal(*batch, n, k).mT if "b" in flip else s.normal(*batch, k, n)
        return lambda: a @ b

    count = 1
    for size in batch:
        count *= size
    return Case(
        make,
        flops=2 * count * m * k * n,
        read=4 * count * (m * k + k * n),
        written=4 * count * m * n,
    )


def matvec(m: int, k: int) -> Case:
    def make(s: Side) -> Callable:
        a, b = s.normal(m, k), s.normal(k)
        return lambda: a @ b

    return Case(make, flops=2 * m * k, read=4 * m * k)


def linear(features: int, batch: int, out: int | None = None) -> Case:
    """A layer forward and backward to its input, weight and bias."""
    n = out or features

    def make(s: Side) -> Callable:
        layer, x = s.model(s.nn.Linear(features, n)), s.normal(batch, features, grad=True)
        return with_backward(s, lambda: layer(x), x, layer.weight, layer.bias)

    return Case(make, flops=6 * batch * features * n)


def half(name: str, size: int) -> Case:
    def make(s: Side) -> Callable:
        dtype = getattr(s.lib, name)
        a, b = s.normal(size, size).to(dtype), s.normal(size, size).to(dtype)
        return lambda: (a @ b).float()

    return Case(make, flops=2 * size**3, tolerance=2e-2)


CASES = {
    "matmul_256": product(256, 256, 256),
    "matmul_1024": product(1024, 1024, 1024),
    "matmul_2048": product(2048, 2048, 2048),
    "matvec_1024": matvec(1024, 1024),
    "bmm_64x128x64x128": product(128, 64, 128, 64),
    "linear_1024_b256_fwd_bwd": linear(1024, 256),
    "linear_256_b64_fwd_bwd": linear(256, 64),
}
HELD_OUT = {
    "matmul_33": product(33, 33, 33),
    "matmul_127": product(127, 127, 127),
    "matmul_511x513x515": product(511, 513, 515),
    "matmul_1536": product(1536, 1536, 1536),
    "matmul_tall_5000x64x32": product(5000, 64, 32),
    "matmul_flat_16x4096x1000": product(16, 4096, 1000),
    "matmul_inner_64x20000x64": product(64, 20_000, 64),
    "matmul_transposed_a_700": product(700, 700, 700, flip="a"),
    "matmul_transposed_b_700": product(700, 700, 700, flip="b"),
    "matmul_transposed_both_301x402x503": product(301, 402, 503, flip="ab"),
    "matvec_3000x777": matvec(3000, 777),
    "bmm_1000x17x19x23": product(17, 19, 23, 1000),
    "bmm_8x12x100x64x100": product(100, 64, 100, 8, 12, flip="b"),
    "linear_784_b33_10_fwd_bwd": linear(784, 33, 10),
    "linear_300_b1000_900_fwd_bwd": linear(300, 1000, 900),
    "bfloat16_512": half("bfloat16", 512),
    "float16_512": half("float16", 512),
}
