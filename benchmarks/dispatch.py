"""The price of a call: tensors so small that only the library's own work is measured."""

from __future__ import annotations

from typing import Any

TITLE = "The price of a call"
TEXT = "Tensors of 16 elements: what is measured is the library's own work for a call, not the arithmetic."


def add(lib: Any) -> Any:
    a, b = lib.ones(16), lib.ones(16)
    return lambda: a + b


def add_recorded(lib: Any) -> Any:
    a, b = lib.ones(16, requires_grad=True), lib.ones(16)
    return lambda: a + b


def chain(lib: Any) -> Any:
    x, w = lib.full((16,), 0.5, requires_grad=True), lib.full((16,), 0.9)

    def run() -> None:
        y = x
        for _ in range(5):
            y = (y * w + w).tanh() - w
        y.sum().backward()

    return run


def matmul(lib: Any) -> Any:
    a, b = lib.ones(4, 4), lib.ones(4, 4)
    return lambda: a @ b


# What is run, and the most times PyTorch's time it may take (None: no gate).
CASES = {
    "add": (add, 1.5),
    "add, recorded for backward": (add_recorded, 1.5),
    "20 operators, forward and backward": (chain, 1.0),
    "matmul 4 x 4": (matmul, None),
}
