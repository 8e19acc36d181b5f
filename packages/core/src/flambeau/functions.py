"""Functions at the top of the package that are a Tensor's methods under the same name: `abs_(x)` is `x.abs_()`.

They are made when first touched, from the methods; `__init__` lists their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .runtime.tensor import Tensor

_IN_NETWORKS = ("dropout_", "alpha_dropout_", "feature_alpha_dropout_", "feature_dropout_")


def _of_method(name: str) -> Callable[..., Any]:
    method = getattr(Tensor, name)

    def call(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        return getattr(input, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = method.__doc__
    return call


def _dropout(name: str) -> Callable[..., Any]:
    def call(input: Tensor, p: float, train: bool) -> Tensor:
        from .nn import functional

        return getattr(functional, name[:-1].replace("feature_dropout", "dropout2d"))(
            input, p, train, inplace=True
        )

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{name[:-1]}` in place."
    return call


def __getattr__(name: str) -> Any:  # not Callable[..., Any]: mypy 2.4 cannot keep that
    if name.startswith("__") or not (name in _IN_NETWORKS or hasattr(Tensor, name)):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    made = globals()[name] = _dropout(name) if name in _IN_NETWORKS else _of_method(name)
    return made
