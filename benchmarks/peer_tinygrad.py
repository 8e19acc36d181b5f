"""What the smaller models of models.py need of a library, written with tinygrad, and a training step as one TinyJit."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
from tinygrad import Context, Tensor, TinyJit, nn


class Array:
    """A tensor as harness.Side makes it."""

    def __init__(self, array: np.ndarray) -> None:
        self.v = Tensor(array.astype(np.int32) if array.dtype == np.int64 else array).realize()

    def clone(self) -> Array:
        return self


class Sequential:
    def __init__(self, *parts: Callable) -> None:
        self.parts = parts

    def load_state_dict(self, state: dict[str, Array]) -> None:
        for name, value in state.items():
            place, key = name.split(".")
            getattr(self.parts[int(place)], key).assign(value.v).realize()

    def parameters(self) -> list[Tensor]:
        return nn.state.get_parameters(self.parts)

    def __call__(self, x: Tensor) -> Tensor:
        return x.sequential(self.parts)


def max_pool(size: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.max_pool2d(size)


def library() -> Any:
    """Stands where models.py and harness.Side expect a library: layers without branches only."""
    parts = types.SimpleNamespace(
        Sequential=Sequential, Linear=nn.Linear, Conv2d=nn.Conv2d, MaxPool2d=max_pool,
        ReLU=lambda: Tensor.relu, Flatten=lambda: lambda x: x.flatten(1),
        functional=types.SimpleNamespace(
            cross_entropy=lambda out, target: out.sparse_categorical_crossentropy(target)
        ),
    )  # fmt: skip
    return types.SimpleNamespace(nn=parts, from_numpy=Array)


def training_step(s: Any, parts: dict[str, Any]) -> Callable[[], Any]:
    model = s.model(parts["build"](s.lib))
    x, y = parts["x"](s).v, parts["target"](s).v
    make = getattr(nn.optim, parts["optimizer"])
    update = make(model.parameters(), **parts["options"])
    Context(TRAINING=1).__enter__()

    @TinyJit
    def step(x: Tensor, y: Tensor) -> Tensor:
        update.zero_grad()
        loss = parts["loss"](s, model(x), y)
        loss.backward()
        return loss.realize(*update.schedule_step())

    # On the CPU its calls come back when they are done.
    return lambda: step(x, y).numpy()
