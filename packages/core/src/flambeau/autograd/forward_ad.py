"""Forward mode by hand: inside `dual_level()`, tensors made by `make_dual` carry a tangent through every operator.

`func.jvp` is the same with less to write, and nests; here one level at a time exists, as in PyTorch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..runtime.tensor import Tensor
from ..transforms.forward import DualTensor, drop_level, dual_of, watch_level
from ..transforms.wrapper import new_level

_current_level = -1  # of the level's place, which users see; 0 while there is one
_inner = -1  # its number among the transforms' levels


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` gives: the value, and the tangent or None."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Begins a level in which tensors may have tangents; `dual_level()` does it for a `with` block."""
    global _current_level, _inner
    if _current_level >= 0:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _current_level, _inner = 0, new_level()
    watch_level(_inner)
    return _current_level


def exit_dual_level(*, level: int | None = None) -> None:
    """Ends the level: its tensors lose their tangents."""
    global _current_level, _inner
    if level is None:
        level = _current_level
    if level != _current_level or level < 0:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    drop_level(_inner)
    _current_level = _inner = -1


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """`tensor` with a tangent, for this level.

    >>> import flambeau
    >>> from flambeau.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(flambeau.tensor(3.0), flambeau.tensor(1.0))
    ...     forward_ad.unpack_dual(x * x)
    UnpackedDualTensor(primal=tensor(9.), tangent=tensor(6.))
    """
    if level is None:
        level = _current_level
    if level < 0:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    if tuple(tensor.shape) != tuple(tangent.shape):
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    if isinstance(tensor, DualTensor) and tensor._level == _inner:
        tensor = tensor.value
    return dual_of(tensor.view_as(tensor), tangent, _inner)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent of a tensor; None for the tangent where it has none."""
    if level is None:
        level = _current_level
    if level < 0 or not (isinstance(tensor, DualTensor) and tensor._level == _inner):
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(tensor.value, tensor.tangent)


class dual_level:
    """`enter_dual_level` for a `with` block: its value is the level."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_: Any) -> None:
        exit_dual_level()


__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]
