"""`torch.backends.mkldnn`: settings of oneDNN, which is not used here. They are checked and kept, and change nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from .settings import Precision, replace, replaced, settle

VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2

enabled = True
deterministic = False
allow_tf32: bool | None = None
fp32_precision = "none"
matmul, conv, rnn = Precision(), Precision(), Precision()


def is_available() -> bool:
    """Whether oneDNN computes anything: never."""
    return False


def is_acl_available() -> bool:
    """Whether Arm's compute library is used: never."""
    return False


class verbose:
    """In PyTorch, makes oneDNN print its calls inside a block. RuntimeError here, where there is none, unless `VERBOSE_OFF`."""

    def __init__(self, level: int) -> None:
        self.level = level

    def __enter__(self) -> verbose:
        if self.level != VERBOSE_OFF:
            raise RuntimeError("oneDNN is not used by flambeau, and has no calls to print")
        return self

    def __exit__(self, *error: object) -> None:
        pass


def set_flags(
    _enabled: bool | None = None, _deterministic: bool | None = None, _allow_tf32: bool | None = None,
    _fp32_precision: str | None = "none",
) -> tuple[Any, ...]:  # fmt: skip
    """Sets what is not None and returns all the settings there were before."""
    return replace(__name__, {
        "enabled": _enabled, "deterministic": _deterministic, "allow_tf32": _allow_tf32,
        "fp32_precision": _fp32_precision,
    })  # fmt: skip


def flags(
    enabled: bool = False, deterministic: bool = False, allow_tf32: bool | None = True, fp32_precision: str = "none"
) -> AbstractContextManager[None]:  # fmt: skip
    """The settings inside a block.

    >>> import flambeau
    >>> with flambeau.backends.mkldnn.flags(enabled=False):
    ...     flambeau.backends.mkldnn.enabled
    False
    >>> flambeau.backends.mkldnn.enabled
    True
    """
    return replaced(__name__, {
        "enabled": enabled, "deterministic": deterministic, "allow_tf32": allow_tf32, "fp32_precision": fp32_precision,
    })  # fmt: skip


settle(
    __name__, enabled=bool, deterministic=bool, allow_tf32=(bool, type(None)), fp32_precision=str
)
