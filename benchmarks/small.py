"""Calls on tensors of a few elements, from which the rows of `eager` are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Side


def on(f: Callable[..., Any], *shapes: tuple[int, ...], grad: bool = False) -> Callable:
    """A call of f(F, tensors...) with one tensor for each shape, or f(lib, ...) if that is its first parameter's name."""

    def make(s: Side) -> Callable:
        first = s.F if f.__code__.co_varnames[0] == "F" else s.lib
        tensors = [s.normal(*shape, grad=grad) for shape in shapes]
        return lambda: f(first, *tensors)

    return make


def on_integers(
    f: Callable[..., Any], high: int, shape: tuple[int, ...], *shapes: tuple
) -> Callable:
    """A call of f(lib or F, integers below `high`, tensors...)."""

    def make(s: Side) -> Callable:
        first = s.F if f.__code__.co_varnames[0] == "F" else s.lib
        i, tensors = s.integers(high, *shape), [s.normal(*shape) for shape in shapes]
        return lambda: f(first, i, *tensors)

    return make


def both_ways(build: Callable[[Any], Any], *shape: int) -> Callable:
    """Forward and backward of a small model, gradients dropped before."""

    def make(s: Side) -> Callable:
        model, x = s.model(build(s.nn)), s.normal(*shape)

        def run() -> Any:
            model.zero_grad()
            model(x).sum().backward()
            return [p.grad for p in model.parameters()]

        return run

    return make


def backward_of(f: Callable[..., Any], *shapes: tuple[int, ...]) -> Callable:
    """A call of f(F or lib, leaves...) and the gradients of its sum."""

    def make(s: Side) -> Callable:
        first = s.F if f.__code__.co_varnames[0] == "F" else s.lib
        leaves = [s.normal(*shape, grad=True) for shape in shapes]

        def run() -> Any:
            for leaf in leaves:
                leaf.grad = None
            f(first, *leaves).sum().backward()
            return [leaf.grad for leaf in leaves]

        return run

    return make


def inplace(f: Callable[..., Any], *shapes: tuple[int, ...]) -> Callable:
    """A call of f(tensors...) that writes into its first tensor and gives it."""

    def make(s: Side) -> Callable:
        tensors = [s.normal(*shape, scale=1e-6) for shape in shapes]
        return lambda: f(*tensors)

    return make


def module(build: Callable[[Any], Any], *shape: int, grad: bool = True) -> Callable:
    def make(s: Side) -> Callable:
        model, x = s.model(build(s.nn)).requires_grad_(grad), s.normal(*shape)
        return lambda: model(x)

    return make


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
