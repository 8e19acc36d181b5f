"""How `scaled_dot_product_attention` is asked for an implementation.

flambeau has one implementation for each device, which computes what PyTorch's "math" backend defines; every backend that can
be named here stands for it. So choosing changes no result, and code that chooses runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from ...backends.settings import attention

# Whether PyTorch says why a fused kernel cannot be used. There is none that could not.
WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(IntEnum):
    """The names of PyTorch's implementations."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    """The backends allowed here, in the order of preference where that was set."""
    return [SDPBackend(number) for number in attention.get()]


@contextmanager
def sdpa_kernel(
    backends: list[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[dict[str, Any]]:
    """Allows only these backends inside the block.

    >>> import flambeau
    >>> x = flambeau.ones(1, 2, 4)
    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     flambeau.nn.functional.scaled_dot_product_attention(x, x, x).shape
    flambeau.Size([1, 2, 4])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    given = [backends] if isinstance(backends, SDPBackend) else backends
    token = attention.set(tuple(dict.fromkeys(map(int, given))))
    try:
        yield {}
    finally:
        attention.reset(token)


# -- implementations of others ---------------------------------------------------------------------------

_implementations: dict[str, Callable[..., Any]] = {}
_active: tuple[str, Any] | None = None


def register_flash_attention_impl(impl: str, *, register_fn: Callable[..., Any]) -> None:
    """Makes an implementation known: `register_fn` is called to activate it, and may return what has a `remove()`."""
    _implementations[impl] = register_fn


def activate_flash_attention_impl(impl: str) -> None:
    """Activates a registered implementation, in place of the one that is active."""
    global _active
    if impl not in _implementations:
        raise ValueError(
            f"Unknown flash attention impl '{impl}'. Available implementations: "
            f"{list_flash_attention_impls()}"
        )
    if _active is not None and _active[0] == impl:
        return
    restore_flash_attention_impl(_raise_warn=False)
    _active = (impl, _implementations[impl]())


def list_flash_attention_impls() -> list[str]:
    """The names of all registered implementations."""
    return sorted(_implementations)


def current_flash_attention_impl() -> str | None:
    """The name of the active implementation; None is flambeau's own."""
    return None if _active is None else _active[0]


def restore_flash_attention_impl(_raise_warn: bool = True) -> None:
    """Deactivates what was activated."""
    global _active
    handle = None if _active is None else _active[1]
    if handle is not None:
        handle.remove()
    elif _raise_warn and _active is None:
        import warnings

        warnings.warn(
            "Trying to restore the default flash attention implementation, but none was activated.",
            stacklevel=2,
        )
    _active = None


__all__ = [
    "WARN_FOR_UNFUSED_KERNELS",
    "SDPBackend",
    "activate_flash_attention_impl",
    "current_flash_attention_impl",
    "list_flash_attention_impls",
    "register_flash_attention_impl",
    "restore_flash_attention_impl",
    "sdpa_kernel",
]
