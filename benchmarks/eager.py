"""The price of a call: tensors so small that only the library's own work is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Bar, Case, Side

TITLE = "The price of a call"
TEXT = "Tensors of 64 elements and less: what is measured is the library's own work, not the arithmetic."
BARS = [Bar(geomean=1.0, least=0.6)]


def on_two(f: Callable[[Any, Any], Any], shape: tuple = (8, 8), grad: bool = False) -> Callable:
    """A call of f on two tensors; with `grad` it is recorded for backward."""

    def make(s: Side) -> Callable:
        a, b = s.normal(*shape, grad=grad), s.normal(*shape)
        return lambda: f(a, b)

    return make


def add_inplace(s: Side) -> Callable:
    a, b = s.normal(8, 8), s.normal(8, 8, scale=1e-6)
    return lambda: a.add_(b)


def add_inplace_grad(s: Side) -> Callable:
    a, b = s.normal(8, 8, grad=True), s.normal(8, 8)

    def run() -> Any:
        y = a * b
        y.add_(b)
        return y

    return run


def zeros(s: Side) -> Callable:
    lib = s.lib
    return lambda: lib.zeros(8, 8)


def item_and_fill(s: Side) -> Callable:
    a = s.normal(1)

    def run() -> float:
        a.fill_(2.0)
        return a.item()

    return run


def no_grad_context(s: Side) -> Callable:
    lib = s.lib

    def run() -> None:
        with lib.no_grad():
            pass

    return run


def chain(s: Side) -> Callable:
    x, w = s.normal(16, grad=True), s.normal(16)

    def run() -> Any:
        x.grad = None
        y = x
        for _ in range(5):
            y = (y * w + w).tanh() - w
        y.sum().backward()
        return x.grad

    return run


def stack(s: Side) -> Callable:
    lib, parts = s.lib, [s.normal(3), s.normal(3)]
    return lambda: lib.stack(parts)


def cross_entropy(s: Side) -> Callable:
    F, x, y = s.F, s.normal(4, 5), s.integers(5, 4)
    return lambda: F.cross_entropy(x, y)


def module(build: Callable[[Any], Any], *shape: int, grad: bool = True) -> Callable:
    def make(s: Side) -> Callable:
        model, x = s.model(build(s.nn)).requires_grad_(grad), s.normal(*shape)
        return lambda: model(x)

    return make


def mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))


def optimizer_step(name: str, *shapes: tuple[int, ...], **options: Any) -> Callable:
    def make(s: Side) -> Callable:
        params = [s.normal(*shape, grad=True) for shape in shapes]
        for p in params:
            p.grad = s.normal(*p.shape)
        step = getattr(s.lib.optim, name)(params, lr=1e-4, **options).step

        def run() -> Any:
            step()
            return params

        return run

    return make


TINY = [(4, 4)] * 20
CASES = {
    # `least` here are gates of earlier work that later work must not lose.
    "add_8x8": Case(on_two(lambda a, b: a + b), least=0.67),
    "add_8x8_grad": Case(on_two(lambda a, b: a + b, grad=True), least=0.67),
    "matmul_8x8": Case(on_two(lambda a, b: a @ b)),
    "matmul_8x8_grad": Case(on_two(lambda a, b: a @ b, grad=True)),
    "sum_8x8": Case(on_two(lambda a, b: a.sum())),
    "add_inplace": Case(add_inplace),
    "mul_add_inplace_grad": Case(add_inplace_grad),
    "getitem_view": Case(on_two(lambda a, b: a[2:5])),
    "getitem_view_grad": Case(on_two(lambda a, b: a[2:5], grad=True)),
    "reshape": Case(on_two(lambda a, b: a.reshape(4, 16))),
    "zeros_8x8": Case(zeros),
    "item_and_fill": Case(item_and_fill),
    "no_grad_context": Case(no_grad_context),
    "chain20_fwd_bwd": Case(chain, least=1.0),
    "linear_8x8": Case(module(lambda nn: nn.Linear(8, 8), 8, 8)),
    "linear_8x8_nograd": Case(module(lambda nn: nn.Linear(8, 8), 8, 8, grad=False)),
    "mlp_8_32_8": Case(module(mlp, 8, 8)),
    "sgd_20_params": Case(optimizer_step("SGD", *TINY), least=1.0),
    "adam_20_params": Case(optimizer_step("Adam", *TINY), least=1.0),
}
HELD_OUT = {
    "sub_3": Case(on_two(lambda a, b: a - b, (3,))),
    "mul_number_4x4": Case(on_two(lambda a, b: a * 2.5, (4, 4))),
    "maximum_2x3x4": Case(on_two(lambda a, b: a.maximum(b), (2, 3, 4))),
    "exp_5x5_grad": Case(on_two(lambda a, b: a.exp(), (5, 5), grad=True)),
    "compare_7": Case(on_two(lambda a, b: a < b, (7,))),
    "mean_dim_6x6": Case(on_two(lambda a, b: a.mean(1), (6, 6))),
    "softmax_4x10": Case(on_two(lambda a, b: a.softmax(-1), (4, 10))),
    "transpose_3x5": Case(on_two(lambda a, b: a.t(), (3, 5))),
    "index_integer_5x5": Case(on_two(lambda a, b: a[1], (5, 5))),
    "stack_3": Case(stack),
    "detach_clone_4": Case(on_two(lambda a, b: a.detach().clone(), (4,))),
    "arange_10": Case(lambda s: lambda: s.lib.arange(10)),
    "layer_norm_4x16": Case(module(lambda nn: nn.LayerNorm(16), 4, 16)),
    "conv2d_1x1x8x8": Case(module(lambda nn: nn.Conv2d(1, 2, 3), 1, 1, 8, 8)),
    "cross_entropy_4x5": Case(cross_entropy),
    "adamw_7_params": Case(optimizer_step("AdamW", *[(3, 5)] * 7)),
}
